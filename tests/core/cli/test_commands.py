"""Commands with drivers that only tests have."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from toy import Toy, ToyDriver

from riglog.cli.app import cli
from riglog.cli.console import messages, results
from riglog.cli.errors import USAGE, explain
from riglog.config import RigConfig
from riglog.device import Pace
from riglog.errors import ConfigError
from riglog.manager import discovery
from riglog.model import Sample, Stamp, Status, missing_sample
from riglog.plugin import Registry
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.transport import Link, Transport


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    messages.cache_clear()
    results.cache_clear()
    for place in ("riglog.plugin.installed", "riglog.config.rig.installed", "riglog.manager.manager.installed"):
        monkeypatch.setattr(place, lambda: registry)


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is printed of the error with which a command ends."""
    error = CliRunner().invoke(cli, arguments).exception
    assert error is not None
    assert explain(error) == USAGE
    return capsys.readouterr().err


@pytest.mark.real_time
def test_a_driver_without_a_probe_cannot_be_discovered(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused("discover", "--driver", "toy", "--port", "sim:a", capsys=capsys)
    assert message.startswith("error: instruments of toy cannot be discovered: no probe. Add them to the rig file")


@pytest.mark.real_time
def test_a_driver_without_a_probe_is_named_also_if_all_drivers_are_tried(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    class Able(ToyDriver):
        name = "able"

        def links_to_probe(self) -> list[Link]:
            return [Link(protocol="toy")]

    async def opened(port: str, link: Link) -> Transport:
        return SimulatedTransport(FaultyWire(SimulatedBus([])), port=port)

    registry.drivers["able"] = Able()
    monkeypatch.setattr(discovery, "open_transport", opened)
    lines = CliRunner().invoke(cli, ["discover", "--port", "p"], catch_exceptions=False).stderr.splitlines()
    assert lines[0] == "warning: instruments of toy cannot be discovered; add them to the rig file yourself"
    assert lines[1] == "p: probing for able at 9600 baud 8N1"


@pytest.mark.real_time
def test_a_rig_file_is_not_written_through_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rig.toml"
    out.symlink_to(tmp_path / "elsewhere")
    assert "file exists and was not overwritten" in refused("discover", "--write", str(out), capsys=capsys)
    assert not (tmp_path / "elsewhere").exists()


def rig_file(folder: Path, *ports: str) -> Path:
    path = folder / "rig.toml"
    path.write_text(
        "[run]\nrate_hz = 2\n"
        + "".join(f'[[device]]\nname = "d{n}"\ndriver = "toy"\nport = "{port}"\n' for n, port in enumerate(ports))
    )
    return path


@pytest.mark.real_time
def test_a_device_that_sets_its_pace_has_no_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyDriver
) -> None:
    path = rig_file(tmp_path, "sim:a")
    assert "2 Hz" in CliRunner().invoke(cli, ["check", str(path)], catch_exceptions=False).stdout
    monkeypatch.setattr(toy, "pace", lambda config: Pace.DEVICE, raising=False)
    done = CliRunner().invoke(cli, ["check", str(path)], catch_exceptions=False)
    assert "device-paced" in done.stdout
    assert "Hz" not in done.stdout
    assert '"rate_hz": null' in CliRunner().invoke(cli, ["check", str(path), "--json"], catch_exceptions=False).stdout


@pytest.mark.real_time
def test_a_check_that_fails_ends_with_a_line_too(tmp_path: Path) -> None:
    path = rig_file(tmp_path, "sim:a", "/dev/riglog-no-such-port")
    done = CliRunner().invoke(cli, ["check", str(path), "--live"], catch_exceptions=False, standalone_mode=False)
    assert done.return_value == 3
    assert done.stderr.splitlines()[-1] == f"failed: {path}: 1 of 2 devices cannot be read"


@pytest.mark.real_time
def test_a_device_without_any_value_is_not_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def poll(device: Toy, line: object = None) -> list[Sample]:
        return [
            missing_sample(channel, Stamp(0, None, 0), Status.MISSING, "sensor open") for channel in device.channels
        ]

    monkeypatch.setattr(Toy, "poll", poll)
    done = CliRunner().invoke(cli, ["check", str(rig_file(tmp_path, "sim:a")), "--live"], standalone_mode=False)
    assert done.return_value == 3
    assert "error: d0: no parameter has a value: sensor open" in done.stderr


@pytest.mark.real_time
@pytest.mark.parametrize("arguments", [("record", "RIG", "--out", "new.sqlite"), ("demo", "--out", "new.sqlite")])
@pytest.mark.parametrize(("option", "profile"), [((), "desk"), (("--profile", "card"), "card")])
def test_the_profile_of_a_new_file_is_an_option(
    arguments: tuple[str, ...],
    option: tuple[str, ...],
    profile: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toy: ToyDriver,
) -> None:
    seen: list[object] = []

    async def recorded(rig: RigConfig, *rest: object, **options: object) -> None:
        seen.append(rig.sinks[0].profile)  # type: ignore[attr-defined]
        raise ConfigError("seen")

    monkeypatch.setattr("riglog.cli.recording.record_with_progress", recorded)
    monkeypatch.setattr(toy, "demo", lambda: [{"driver": "toy", "name": "a", "port": "bus"}], raising=False)
    monkeypatch.chdir(tmp_path)
    given = [str(rig_file(tmp_path, "sim:a")) if each == "RIG" else each for each in arguments]
    CliRunner().invoke(cli, [*given, *option])
    assert seen == [profile]


@pytest.mark.real_time
def test_a_profile_without_an_sqlite_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rig_file(tmp_path, "sim:a")
    path.write_text(path.read_text() + f'[[sink]]\ntype = "csv"\npath = "{tmp_path / "a.csv"}"\n')
    message = refused("record", str(path), "--profile", "card", capsys=capsys)
    assert message.startswith("error: --profile: no SQLite file is recorded. Remove --profile")
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.real_time
def test_a_port_number_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused("simulate", "toy", "--tcp", "127.0.0.1:99999", capsys=capsys)
    assert message.startswith("error: --tcp: invalid value '127.0.0.1:99999'; expected HOST:PORT")

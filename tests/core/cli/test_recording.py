"""What the command line prints while it records, and the summary after it."""

import re
from pathlib import Path

import anyio
import msgspec
import pytest

from riglog.cli.console import messages, results
from riglog.cli.errors import DONE, INCOMPLETE, STORAGE
from riglog.cli.recording import record_with_progress, warn_of_high_load, warn_of_unusual_baudrates
from riglog.cli.report import as_object, report
from riglog.cli.signals import Interruption
from riglog.config import RigConfig, load_rig
from riglog.errors import StorageError
from riglog.manager import PortUtilisation
from riglog.plugin import Registry
from riglog.rig import Outcome

RIG = """
[run]
name = "kiln"
rate_hz = 20.0
[[sink]]
type = "memory"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
"""


@pytest.fixture(autouse=True)
def _new_consoles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The consoles of the test's own stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")
    messages.cache_clear()
    results.cache_clear()


@pytest.fixture
def rig(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> RigConfig:
    monkeypatch.setattr("riglog.manager.manager.installed", lambda: registry)
    (tmp_path / "rig.toml").write_text(RIG)
    return load_rig(tmp_path / "rig.toml", registry=registry)


def recorded(rig: RigConfig) -> Outcome:
    return anyio.run(lambda: record_with_progress(rig, 0.5, Interruption()))


@pytest.mark.real_time
def test_the_summary_counts_rows_and_names_what_it_counts(rig: RigConfig, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = recorded(rig)
    assert report(outcome, as_json=False) == DONE
    out = capsys.readouterr().out
    assert re.search(r"sim:bus +oven +20 Hz", out)
    assert re.search(r"^oven +\w+ +10 +0 +\S+ +\w+ +\d\.\d s$", out, re.MULTILINE)
    assert "utilisation: share of the time" in out
    for heading in (
        "parameter",
        "no value",
        "age",
        "devices",
        "polled",
        "skipped",
        "utilisation",
        "start delay p99",
    ):
        assert heading in out
    assert "20 rows in" in out
    assert "missing or skipped." in out
    found = as_object(outcome)
    assert all(0 <= channel["last_value_age_s"] < 1 for channel in found["channels"])
    assert sum(channel["rows_without_value"] for channel in found["channels"]) == found["samples_missing_or_skipped"]


@pytest.mark.real_time
def test_the_summary_fits_a_terminal_of_80_columns(
    rig: RigConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = recorded(rig)
    (source,) = outcome.summary.sources.values()
    source.name, outcome.devices = "/dev/ttyUSB0", {"/dev/ttyUSB0": ("oven-1", "oven-2")}
    report(outcome, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match(r"port +devices +rate +polled +skipped +utilisation *$", line) for line in lines)
    assert any(re.match(r"port +rate +poll time p50 +poll time p99 +start delay p99 *$", line) for line in lines)
    assert any(re.match(r"/dev/ttyUSB0 +oven-1, oven-2 +20 Hz +10 +0 +\d+% *$", line) for line in lines)


@pytest.mark.real_time
def test_a_gap_above_the_limit_is_a_warning_with_its_channel(
    rig: RigConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(recorded(rig), as_json=True, max_gap=0.0) == INCOMPLETE
    assert "warning: oven." in capsys.readouterr().err


@pytest.mark.real_time
def test_lost_samples_end_with_the_code_of_storage(rig: RigConfig, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = recorded(rig)
    outcome.storage_error = StorageError("not all samples were stored", hint="Free disk space")
    assert report(outcome, as_json=False) == STORAGE
    printed = capsys.readouterr()
    assert "; not all rows were stored." in printed.out
    assert "error: not all samples were stored. Free disk space." in printed.err


@pytest.mark.real_time
def test_a_recording_without_a_row_is_a_warning(rig: RigConfig, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = recorded(rig)
    outcome.summary.sources.clear()
    outcome.summary.channels.clear()
    assert report(outcome, as_json=True) == INCOMPLETE
    assert "warning: nothing was recorded: the recording ended before the first slot" in capsys.readouterr().err


def test_a_device_without_any_value_is_a_warning_and_has_another_exit_code(
    rig: RigConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = recorded(rig)
    assert report(outcome, as_json=True) == 0
    channel = next(iter(outcome.summary.channels))
    for seen in (seen for other, seen in outcome.summary.channels.items() if other.device == channel.device):
        seen.rows_without_value = seen.rows
    capsys.readouterr()
    assert report(outcome, as_json=True) == 1
    assert f"warning: {channel.device}: not one value was received" in capsys.readouterr().err
    outcome.absent = {channel.device: "port not found"}
    assert report(outcome, as_json=True) == 1
    assert "not one value" not in capsys.readouterr().err


def test_a_high_polling_load_is_a_warning(rig: RigConfig, capsys: pytest.CaptureFixture[str]) -> None:
    loads = (PortUtilisation("/dev/ttyUSB0", ("oven", "kiln"), 0.85), PortUtilisation("/dev/ttyUSB1", ("gas",), 0.2))
    warn_of_high_load(msgspec.structs.replace(rig, utilisation=loads))
    assert capsys.readouterr().err == ("warning: /dev/ttyUSB0: polling load 85% (oven, kiln); slots may be skipped\n")


def test_a_baud_rate_that_is_not_a_standard_one_is_a_warning_once_per_port(
    tmp_path: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    def warned(baudrate: int) -> str:
        (tmp_path / "rig.toml").write_text(RIG.replace('driver = "toy"', f'driver = "toy"\nbaudrate = {baudrate}'))
        warn_of_unusual_baudrates(load_rig(tmp_path / "rig.toml", registry=registry))
        return capsys.readouterr().err

    assert warned(9601) == "warning: sim:bus: baudrate 9601 is not a standard rate; the nearest is 9600\n"
    assert [warned(baudrate) for baudrate in (1200, 9600, 115200, 250000, 4000000)] == [""] * 5

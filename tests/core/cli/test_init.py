"""``riglog init`` and ``discover --write``: what a new rig file contains, and what is shown before it is written."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toy import ToyDriver

from riglog.cli.app import cli
from riglog.cli.commands import init
from riglog.cli.console import messages, results
from riglog.cli.errors import USAGE, explain
from riglog.cli.rig_text import NewRun, rig_text, run_name, toml
from riglog.config import load_rig
from riglog.manager import discovery
from riglog.plugin import Found, Registry
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.transport import Link, Transport

pytestmark = pytest.mark.real_time


class Discoverable(ToyDriver):
    name = "able"

    def links_to_probe(self) -> list[Link]:
        return [Link(protocol="toy")]

    async def probe(self, connection: Connection, *, listen: float | None = None) -> list[Found]:
        return [Found("toy", number, f"toy\x1b {number}", {"address": number}) for number in (1, 2)]


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, registry: Registry, tmp_path: Path) -> None:
    async def opened(port: str, link: Link) -> Transport:
        return SimulatedTransport(FaultyWire(SimulatedBus([])), port=port)

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    registry.drivers["able"] = Discoverable()
    monkeypatch.setattr(discovery, "open_transport", opened)
    messages.cache_clear()
    results.cache_clear()
    for place in ("riglog.plugin.installed", "riglog.config.rig.installed", "riglog.manager.manager.installed"):
        monkeypatch.setattr(place, lambda: registry)


def run(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=answers)


def refusal(done: Result, capsys: pytest.CaptureFixture[str]) -> str:
    assert done.exception is not None
    assert explain(done.exception) == USAGE
    return capsys.readouterr().err


def written(path: str = "rig.toml") -> dict[str, Any]:
    load_rig(path)
    return tomllib.loads(Path(path).read_text())


def test_options_write_a_rig_file_that_is_right_at_once_and_its_channels_are_shown_first() -> None:
    devices = ["--device", "driver=toy,port=sim:a,parameters=level,flow,address=2", "--device", "driver=toy,port=sim:b"]
    done = run("init", "--rate", "2", "--duration", "8h", "--name", "kiln", *devices)
    assert done.exit_code == 0, done.output
    rig = written()
    assert rig["run"] == {"name": "kiln", "rate_hz": 2.0, "duration": "8h"}
    assert rig["sink"] == [{"type": "sqlite", "path": "kiln.sqlite"}]
    assert rig["device"][0] == {
        "name": "toy-1", "driver": "toy", "port": "sim:a", "parameters": ["level", "flow"], "address": 2
    }  # fmt: skip
    assert rig["device"][1]["name"] == "toy-2"
    assert [line.split()[:2] for line in done.stdout.splitlines() if "toy-1" in line] == [
        ["toy-1", "level"],
        ["toy-1", "flow"],
    ]
    assert "# channels: level, flow" in Path("rig.toml").read_text()


def test_instruments_that_are_found_have_names_that_no_given_device_has() -> None:
    done = run("init", "--discover", "sim:a", "--device", "driver=toy,name=able-1,port=sim:b")
    assert done.exit_code == 0, done.output
    devices = written()["device"]
    assert [(one["name"], one["port"]) for one in devices] == [
        ("able-2", "sim:a"),
        ("able-3", "sim:a"),
        ("able-1", "sim:b"),
    ]
    assert "# toy\\x1b 1\n" in Path("rig.toml").read_text()


def test_discover_writes_with_the_same_words_and_shows_the_channels() -> None:
    shown = run("discover", "--driver", "able", "--port", "sim:a", "--write", "found.toml")
    assert shown.exit_code == 0, shown.output
    rig = written("found.toml")
    assert rig["run"]["name"] == "found"
    assert [one["address"] for one in rig["device"]] == [1, 2]
    assert "able-2" in shown.stdout
    assert "level" in shown.stdout


def test_a_device_that_does_not_respond_is_written_with_a_warning() -> None:
    done = run("init", "--device", "driver=toy,port=/dev/riglog-no-such-port,parameters=level")
    assert done.exit_code == 0
    assert "warning: toy-1: cannot be read now: /dev/riglog-no-such-port: port not found" in done.stderr
    assert written()["device"][0]["port"] == "/dev/riglog-no-such-port"


@pytest.mark.parametrize("what", ["file", "link"])
def test_nothing_is_replaced(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    if what == "file":
        Path("rig.toml").write_text("mine")
    else:
        Path("rig.toml").symlink_to("elsewhere")
    assert "file exists and was not overwritten" in refusal(run("init", "--device", "driver=toy,port=sim:a"), capsys)
    assert Path("rig.toml").read_text() == "mine" if what == "file" else not Path("elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no device, and no terminal to prompt for one. Add --discover PORT, or --device driver="),
        (["--device", "toy"], "--device: invalid value 'toy'; expected KEY=VALUE,KEY=VALUE. For example"),
        (["--device", "driver=toy,port=sim:a,adress=1"], "toy-1: device.adress: unknown key. Did you mean 'address'?"),
        (["--device", "driver=toy,port=sim:a", "--duration", "5x"], "--duration: invalid duration '5x'"),
        (["--device", "driver=toy,port=sim:a", "--name", "a b"], "run.name"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(run("init", *arguments), capsys)
    assert not Path("rig.toml").exists()


def test_questions_ask_again_after_a_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "can_ask", lambda: True)
    answers = ["", "fast", "2", "8 hours", "", "y", "sim:a", "chamber", "chamber", "level", "y"]
    by_hand = ["tiny", "toy", "extra", "sim:b", "7", "flow", "n", "y", "y"]
    done = run("init", answers="\n".join(answers + by_hand) + "\n")
    assert done.exit_code == 0, done.output
    rig = written()
    assert rig["run"] == {"name": "rig", "rate_hz": 2.0}
    assert [(one["name"], one["driver"], one["address"]) for one in rig["device"]] == [
        ("chamber", "able", 1),
        ("level", "able", 2),
        ("extra", "toy", 7),
    ]
    for message in ("invalid rate 'fast'", "invalid duration '8 hours'", "duplicate device name 'chamber'", "'tiny'"):
        assert message in done.stderr


def test_questions_write_nothing_without_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "can_ask", lambda: True)
    done = run("init", answers="\n\n\nn\ny\ntoy\n\nsim:a\n\nlevel\nn\nn\nn\n")
    assert done.exit_code == 0, done.output
    assert not Path("rig.toml").exists()


@pytest.mark.parametrize(
    "text", ['quote " and \\ end', "line\nend", "del \x7f", "mass 😀 é", "tab\t", "\x00", ["a", "b"], 1.5, True]
)
def test_every_value_is_toml(text: object) -> None:
    assert tomllib.loads(f"key = {toml(text)}") == {"key": text}


@pytest.mark.parametrize(
    ("path", "name"), [("kiln 7.toml", "kiln-7"), ("a/.toml", "toml"), ("é.toml", "run"), ("x" * 99, "x" * 64)]
)
def test_the_name_of_the_file_becomes_that_of_its_runs(path: str, name: str) -> None:
    assert run_name(path) == name
    assert tomllib.loads(rig_text("x\n.toml", NewRun(name), []))["run"]["name"] == name

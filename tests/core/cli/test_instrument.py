"""``riglog instrument``: files are checked, tried, written, documented; and named by rig files."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.exceptions import Abort
from click.testing import CliRunner

from riglog.cli.app import cli
from riglog.cli.errors import explain
from riglog.config import load_rig
from riglog.errors import ConfigError, ConfirmationError
from riglog.plugin import installed
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.transport import Link

METER = """format = 1
driver = "modbus"
title = "Meter"
[block.a.channel]
flow = { register = 0, scale = 0.1, unit = "l/min" }
"""
RIG = """[[device]]
name = "meter"
driver = "modbus"
port = "sim:a"
instrument = "instruments/meter.toml"
"""


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(cli, ["instrument", *arguments], standalone_mode=False, **options)


@pytest.mark.slow
def test_a_file_is_tried_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    path.write_text(METER)
    done = run("check", str(path))
    assert done.exception is None
    assert done.return_value == 0
    for fault in ("none", "drop", "corrupt", "late", "glue"):
        assert fault in done.output


def test_the_mistakes_of_a_file_are_raised_together(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    path.write_text(METER.replace("scale", "scal").replace("register = 0", "register = -1"))
    done = run("check", "--no-trial", str(path))
    assert isinstance(done.exception, ExceptionGroup)
    assert len(done.exception.exceptions) == 2


def test_the_page_the_schema_and_the_list(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    path.write_text(METER)
    page = run("doc", str(path)).output
    assert "# Meter" in page
    assert "not tried on hardware" in page
    assert "| `flow` |" in page
    assert json.loads(run("schema", "modbus").output)["$defs"]["Register"]
    assert "eastron-sdm630" in run("list").output
    with pytest.raises(ConfigError, match="has no instrument files"):
        raise run("schema", "watlow").exception


def test_an_instrument_with_an_address_has_a_page_and_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file has no address, so one is chosen."""
    monkeypatch.setattr("riglog.testing.trial.faults_of", lambda _: [None])
    assert "# JULABO" in run("doc", "julabo-magnum-rs485").output
    done = run("check", "julabo-magnum-rs485")
    assert (done.exception, done.return_value) == (None, 0)


def test_an_unknown_name_is_answered_with_the_files_of_all_drivers() -> None:
    hint = run("check", "sdm630").exception.hint
    assert "eastron-sdm630" in hint
    assert "lakeshore-331" in hint


def test_a_driver_that_is_no_text_is_not_reported_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "meter.toml"
    path.write_text(METER.replace('"modbus"', '["modbus"]'))
    assert "driver: not a text" in str(run("check", "--no-trial", str(path)).exception)


@pytest.mark.parametrize("driver", ["modbus", "ascii"])
def test_a_new_file_is_valid_and_an_existing_one_is_not_changed(driver: str, tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    assert run("new", driver, "--out", str(path)).exception is None
    assert run("check", "--no-trial", str(path)).exception is None
    path.write_text("mine")
    assert "was not overwritten" in repr(run("new", driver, "--out", str(path)).exception)
    assert path.read_text() == "mine"


def test_a_rig_file_names_an_instrument_file_relative_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rig" / "instruments").mkdir(parents=True)
    (tmp_path / "rig" / "instruments" / "meter.toml").write_text(METER)
    rig = tmp_path / "rig" / "rig.toml"
    rig.write_text(RIG)
    monkeypatch.chdir(tmp_path)
    (spec,) = load_rig(rig).specs
    assert spec.config.instrument == str(tmp_path / "rig" / "instruments" / "meter.toml")  # type: ignore[attr-defined]


def test_the_mistakes_of_an_instrument_file_are_those_of_the_rig_file(tmp_path: Path) -> None:
    (tmp_path / "instruments").mkdir()
    (tmp_path / "instruments" / "meter.toml").write_text(METER.replace("unit", "unti").replace("scale", "scal"))
    (tmp_path / "rig.toml").write_text(RIG + "rate_hz = -1\n" + RIG.replace('"meter"', '"other"', 1))
    with pytest.raises(ExceptionGroup) as raised:
        load_rig(tmp_path / "rig.toml")
    texts = [str(error) for error in raised.value.exceptions]
    assert sum("meter.toml, line 5: other: " in text for text in texts) == 2
    assert any("rate_hz" in text for text in texts)


class Answers:
    """A dialogue with prepared answers."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.shown: list[Any] = []

    def show(self, columns: Any, rows: Any) -> None:
        self.shown.append((list(columns), list(rows)))

    def ask(self, question: str, default: str = "") -> str:
        return self.answers.pop(0) if self.answers else default


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_modbus_instrument_is_read_in_all_orders_and_written_as_a_file(tmp_path: Path) -> None:
    driver: Any = installed().driver("modbus")
    config = driver.config(name="m", driver="modbus", port="sim:a", instrument="eastron-sdm630")
    link = Link(protocol="modbus-rtu", baudrate=9600)
    simulator = driver.simulator(config)
    simulator.set("voltage_l1", "231.5")
    dialogue = Answers("My meter", "voltage", "0", "float32", "abcd", "1", "V", "")
    options = {"registers": "0-5", "function": 4, "address": 1}
    text = await driver.draft(Connection(SimulatedTransport(FaultyWire(simulator)), link), options, dialogue)
    (columns, rows), *_ = dialogue.shown
    assert [column for column in columns if column.startswith("float32")] == [
        f"float32 {order}" for order in ("abcd", "cdab", "badc", "dcba")
    ]
    assert rows[0][:2] == ("0", "4367")
    assert "231.5" in rows[0]
    path = tmp_path / "new.toml"
    path.write_text(text)
    register = driver.format.load(str(path)).quantities["voltage"]
    assert (register.function, register.start, register.type, register.unit) == (4, 0, "float32", "V")


@pytest.mark.anyio
async def test_a_question_is_put_again_until_the_answer_is_possible(tmp_path: Path) -> None:
    driver: Any = installed().driver("modbus")
    config = driver.config(name="m", driver="modbus", port="sim:a", instrument="eastron-sdm630")
    connection = Connection(SimulatedTransport(FaultyWire(driver.simulator(config))), Link(protocol="modbus-rtu"))
    dialogue = Answers(
        "Meter", "Voltage 1", "voltage", "x", "0", "double", "float32", "ab", "abcd", "one", "0.1", "V", ""
    )
    text = await driver.draft(connection, {"registers": "0-1", "function": 4}, dialogue)
    path = tmp_path / "new.toml"
    path.write_text(text)
    register = driver.format.load(str(path)).quantities["voltage"]
    assert (register.start, register.type, register.scale, register.unit) == (0, "float32", 0.1, "V")


def test_the_end_of_the_input_at_a_question_is_no_bug_of_riglog() -> None:
    """Within a task group it arrives as a group of errors."""
    assert explain(BaseExceptionGroup("", [Abort()])) == 130


@pytest.mark.anyio
async def test_an_ascii_instrument_is_written_as_a_file_after_a_dialogue(tmp_path: Path) -> None:
    driver: Any = installed().driver("ascii")
    config = driver.config(name="m", driver="ascii", port="sim:a", instrument="mettler-mt-sics")
    link = Link(protocol="ascii", baudrate=9600)
    connection = Connection(SimulatedTransport(FaultyWire(driver.simulator(config))), link)
    with pytest.raises(ConfirmationError, match="one may change the instrument"):
        await driver.draft(connection, {}, Answers())
    dialogue = Answers("My balance", "CRLF", "CRLF", "SI", "weight", "g", "")
    text = await driver.draft(connection, {"confirm": True}, dialogue)
    path = tmp_path / "new.toml"
    path.write_text(text)
    assert list(driver.format.load(str(path)).quantities) == ["weight"]

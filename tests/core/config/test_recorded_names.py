"""The names that people use for a parameter, where a recording is read, and in a rig file."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import riglog.sync as riglog
from riglog.cli.app import cli
from riglog.config import parse_rig
from riglog.config.recorded_names import recorded_channels, recorded_parameter
from riglog.errors import ConfigError
from riglog.recordings import read_alarms

pytestmark = pytest.mark.real_time

RIG = """
[[device]]
name = "oven"
driver = "watlow"
port = "sim:oven"
parameters = ["process_value", "setpoint"]
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "rig.toml").write_text(RIG)
    riglog.record_rig(folder / "rig.toml", out=folder / "oven.sqlite", duration=0.2)
    return folder / "oven.sqlite"


def test_a_parameter_is_exported_under_a_name_that_people_use(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "sp.csv"
    done = CliRunner().invoke(cli, ["export", str(recording), "--parameter", "sp", "--out", str(out)])
    assert done.exit_code == 0
    assert {row.parameter for row in riglog.read(out)} == {"setpoint"}


def test_python_reads_a_parameter_under_a_name_that_people_use(recording: Path) -> None:
    assert {row.parameter for row in riglog.read(recording, parameter="pv")} == {"process_value"}
    assert {row.parameter for row in riglog.read([recording], parameter="Set Point")} == {"setpoint"}


def test_python_refuses_a_name_that_no_driver_knows(recording: Path) -> None:
    with pytest.raises(ConfigError, match="nothing"):
        riglog.read(recording, parameter="nothing")


def test_a_formula_and_an_alarm_record_a_parameter_under_its_name(tmp_path: Path) -> None:
    more = """
[[derived]]
name = "deviation"
formula = "oven.pv - mean('oven.sp', 2)"
input_units = { "oven.pv" = "degF" }
[[alarm]]
name = "hot"
channel = "oven.pv"
high = 1000
[[sink]]
type = "sqlite"
path = "oven.sqlite"
"""
    rig = parse_rig(RIG + more, tmp_path / "rig.toml")
    assert rig.derived[0].formula.inputs == ("oven.process_value", "oven.setpoint")
    assert rig.derived[0].formula.text == "oven.pv - mean('oven.sp', 2)"
    assert rig.derived[0].input_units == {"oven.process_value": "degF"}
    assert [str(channel) for channel in rig.alarms[0].channels] == ["oven.process_value"]


def test_a_derived_channel_and_an_alarm_with_aliases_are_recorded(tmp_path: Path) -> None:
    more = """
[[derived]]
name = "sum"
formula = "oven.pv + oven.sp"
[[alarm]]
name = "low"
channel = "oven.pv"
high = -1000
"""
    (tmp_path / "rig.toml").write_text(RIG + more)
    riglog.record_rig(tmp_path / "rig.toml", out=tmp_path / "out.sqlite", duration=2.2)
    rows = list(riglog.read(tmp_path / "out.sqlite"))
    value = {(row.parameter, row.tick): row.value for row in rows if row.status == "ok"}
    ticks = [tick for parameter, tick in value if parameter == "sum"]
    assert ticks
    for tick in ticks:
        assert value["sum", tick] == value["process_value", tick] + value["setpoint", tick]
    assert [alarm.name for alarm in read_alarms(tmp_path / "out.sqlite")] == ["low"]


def test_an_ambiguous_name_in_a_formula_is_refused(tmp_path: Path) -> None:
    more = """
[[derived]]
name = "shift"
formula = "oven.calibration_offset + oven.pv"
"""
    with pytest.raises(ExceptionGroup) as caught:
        parse_rig(RIG + more, tmp_path / "rig.toml")
    messages = [error.message for error in caught.value.exceptions if isinstance(error, ConfigError)]
    assert messages == ["derived 1.formula: ambiguous parameter name 'calibration_offset'"]


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("pv", "process_value"),
        ("Set Point", "setpoint"),
        ("setpoint", "setpoint"),
        ("nothing", "nothing"),
        (None, None),
    ],
)
def test_a_name_that_no_driver_knows_stays_as_it_is(recording: Path, given: str | None, recorded: str | None) -> None:
    assert recorded_parameter([str(recording)], given) == recorded


def test_channels_are_named_as_in_the_recording_and_patterns_stay(recording: Path) -> None:
    given = ["oven.pv", "oven.sp[2]", "oven.*", "*"]
    assert recorded_channels([str(recording)], given) == ["oven.process_value", "oven.setpoint[2]", "oven.*", "*"]


def test_a_file_that_is_no_recording_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n")
    assert recorded_parameter([str(tmp_path / "x.csv")], "pv") == "pv"

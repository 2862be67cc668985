"""The names that people use for a parameter, in commands that read a recording."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import riglog.sync as riglog
from riglog.cli.app import cli
from riglog.cli.recorded_names import recorded_channels, recorded_parameter

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

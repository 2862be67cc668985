"""Derived channels on the command line: listed by ``check``, known to ``alarms test`` and to the JSON schema."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from riglog.cli.alarm_trial import try_alarms
from riglog.cli.app import cli
from riglog.cli.console import messages, results
from riglog.cli.freshness import periods
from riglog.cli.health.forecast import rows_per_day
from riglog.config import load_rig
from riglog.config.json_schema import rig_schema
from riglog.plugin import Registry

RIG = """
[[sink]]
type = "memory"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
rate_hz = 0.5
[[derived]]
name = "sum"
formula = "oven.level + oven.flow"
unit = "mm"
[[alarm]]
name = "full"
channel = "derived.sum"
high = 1
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    messages.cache_clear()
    results.cache_clear()
    monkeypatch.setattr("riglog.config.rig.installed", lambda: registry)
    monkeypatch.setattr("riglog.manager.manager.installed", lambda: registry)
    file = tmp_path / "rig.toml"
    file.write_text(RIG)
    return file


@pytest.mark.real_time
def test_check_lists_them(path: Path) -> None:
    done = CliRunner().invoke(cli, ["check", str(path)], catch_exceptions=False)
    line, alarm = [line for line in done.stdout.splitlines() if "derived.sum" in line]
    assert line.split() == ["derived.sum", "mm", "0.5", "Hz", "oven.level", "+", "oven.flow"]
    assert " ".join(alarm.split()) == "full derived.sum above 1, or no usable value for 60 s -"
    assert done.stderr.splitlines()[-1] == f"ok: {path}: 1 device"


@pytest.mark.real_time
def test_check_lists_them_as_json(path: Path) -> None:
    done = CliRunner().invoke(cli, ["check", str(path), "--json"], catch_exceptions=False)
    _, listed, alarm = json.loads(done.stdout)
    assert (listed["device"], listed["driver"], listed["protocol"], listed["parameter"]) == (
        "derived", "derived", "formula", "sum",
    )  # fmt: skip
    assert (listed["unit"], listed["formula"], listed["rate_hz"]) == ("mm", "oven.level + oven.flow", 0.5)
    assert alarm == {
        "alarm": "full",
        "channels": ["derived.sum"],
        "condition": "above 1, or no usable value for 60 s",
        "actions": [],
    }


@pytest.mark.real_time
def test_alarms_on_them_are_tried_with_simulated_values(path: Path) -> None:
    (tried,) = try_alarms(load_rig(path), {})
    assert (tried.channel, tried.source, tried.result) == ("derived.sum", "simulated", "raised: high")
    assert tried.value is not None


def test_their_age_is_judged_by_their_own_period(path: Path) -> None:
    assert periods(load_rig(path), []) == {"oven": 2, "derived": 2}


def test_the_forecast_of_the_disk_counts_their_rows(path: Path) -> None:
    assert rows_per_day(load_rig(path)).rows == 3 * 0.5 * 86400


@pytest.mark.parametrize(
    ("table", "valid"),
    [
        ({"name": "a", "formula": "oven.level", "unit": "K", "input_units": {"oven.level": "mm"}}, True),
        ({"name": "a"}, False),
        ({"name": "a b", "formula": "oven.level"}, False),
        ({"name": "a", "formula": "oven.level", "units": "K"}, False),
    ],
)
def test_the_schema_knows_their_keys(registry: Registry, table: dict[str, object], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(rig_schema(registry)).is_valid({"derived": [table]}) is valid

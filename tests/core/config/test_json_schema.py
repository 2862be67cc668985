"""The JSON schema of rig files, checked by a validator as editors use one."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from toy import ToyDriver

from riglog.config.json_schema import rig_schema
from riglog.plugin import Registry, installed

ROOT = Path(__file__).parents[3]


def mistakes(rig: dict[str, Any], registry: Registry) -> dict[str, str]:
    """Return what the validator finds, by place."""
    schema = rig_schema(registry)
    jsonschema.Draft202012Validator.check_schema(schema)
    found = jsonschema.Draft202012Validator(json.loads(json.dumps(schema))).iter_errors(rig)
    return {".".join(map(str, each.absolute_path)): each.message for each in found}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    assert mistakes(tomllib.loads(path.read_text(encoding="utf-8")), installed()) == {}


def test_every_table_may_be_there_and_every_key_is_known(registry: Registry) -> None:
    rig = """
    [run]
    name = "bench"
    rate_hz = 2
    duration = "72h"
    [ports.rs485]
    device = "/dev/ttyUSB0"
    baudrate = 19200
    parity = "E"
    [[device]]
    name = "one"
    driver = "toy"
    port = "rs485"
    address = 3
    timeout = 0.5
    parameters = ["level"]
    [[sink]]
    type = "sqlite"
    path = "bench.sqlite"
    durability = "system"
    """
    assert mistakes(tomllib.loads(rig), registry) == {}


@pytest.mark.parametrize(
    ("rig", "place", "message"),
    [
        ({"runs": {}}, "", "'runs' was unexpected"),
        ({"run": {"rate": 1}}, "run", "'rate' was unexpected"),
        ({"run": {"rate_hz": 0}}, "run.rate_hz", "less than or equal to the minimum"),
        ({"device": [{"driver": "toy", "port": "x"}]}, "device.0", "'name' is a required property"),
        ({"device": [{"name": "a", "driver": "tyo"}]}, "device.0.driver", "'tyo' is not one of"),
        ({"device": [{"name": "a", "driver": "toy", "port": "x", "adress": 1}]}, "device.0", "'adress' was unexpected"),
        ({"device": [{"name": "a", "driver": "toy", "port": 3}]}, "device.0.port", "3 is not of type 'string'"),
        ({"sink": [{"type": "sqlite"}]}, "sink.0", "'path' is a required property"),
        ({"ports": {"rs485": {}}}, "ports.rs485", "'device' is a required property"),
    ],
)
def test_mistakes_are_found_where_they_are(registry: Registry, rig: Any, place: str, message: str) -> None:
    assert message in mistakes(rig, registry)[place]


def test_two_plugins_may_name_their_configuration_alike(registry: Registry) -> None:
    class ToyConfig(ToyDriver.config):  # type: ignore[name-defined,misc]
        depth: int = 1

    other = ToyDriver()
    other.name, other.config = "other", ToyConfig
    registry.drivers["other"] = other
    device = {"name": "a", "port": "x", "depth": 2}
    assert mistakes({"device": [{**device, "driver": "other"}]}, registry) == {}
    assert list(mistakes({"device": [{**device, "driver": "toy"}]}, registry)) == ["device.0"]


@pytest.mark.real_time
def test_the_command_writes_a_new_file(tmp_path: Path) -> None:
    def schema(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "riglog", "schema", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    printed = schema()
    assert schema("--out", "rig.schema.json").returncode == 0
    assert json.loads((tmp_path / "rig.schema.json").read_text()) == json.loads(printed.stdout)
    again = schema("--out", "rig.schema.json")
    assert (again.returncode, "file exists and was not overwritten" in again.stderr) == (2, True)

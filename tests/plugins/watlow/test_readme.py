"""What the README of the plugin says is so."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import fields

from riglog.config import load_rig
from riglog.device import Device
from riglog.plugin import DeviceConfig
from riglog_watlow import Controller, Loop, WatlowConfig, errors, registry
from riglog_watlow.families import FACTS

README = (Path(__file__).parents[3] / "plugins" / "watlow" / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL))


def test_the_sample_rig_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(block("toml"), encoding="utf-8")
    rig = load_rig(path)
    assert [spec.config.name for spec in rig.specs] == ["oven", "kiln", "dryer", "press"]


OWN = {field.name for field in fields(WatlowConfig)} - {field.name for field in fields(DeviceConfig)}


@pytest.mark.parametrize("setting", sorted(OWN | {"parameters"}))
def test_every_setting_is_explained(setting: str) -> None:
    assert f"\n| `{setting}` |" in README


@pytest.mark.parametrize("name", sorted(name for name, one in vars(errors).items() if inspect.isclass(one)))
def test_every_error_is_explained(name: str) -> None:
    if getattr(errors, name).__module__ == errors.__name__:
        assert f"`{name}`" in README
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", [Controller, Loop])
def test_every_call_is_named(kind: type) -> None:
    for name in vars(kind):
        assert name.startswith("_") or hasattr(Device, name) or f"`{name}" in README


@pytest.mark.parametrize("family", sorted(FACTS))
def test_every_family_is_named_with_its_protocols(family: str) -> None:
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{family}` |"))
    assert row.endswith(f" {', '.join(f'`{protocol}`' for protocol in FACTS[family].protocols)} |")


def test_daily_parameters_exist() -> None:
    line = README.partition("The ones needed daily:")[2].partition("\n\n")[0]
    for name in re.findall(r"`([a-z_]+)", line):
        assert name in registry()


def test_the_python_example_runs() -> None:
    python = [sys.executable, "-c", block("python")]
    done = subprocess.run(python, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["EZ-ZONE PM", "integral 180 s", "200.0 degC"]

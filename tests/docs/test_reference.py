"""The documentation says what there is: every error, hook, command, driver member and key; and its code runs."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import fields

import riglog
from riglog import errors
from riglog.cli.app import COMMANDS
from riglog.config.rig import RunConfig
from riglog.plugin import DeviceConfig, Driver, hooks
from riglog.simulation import Fault

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


ERRORS = [name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)]


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_explained_and_stands_in_the_tree(name: str) -> None:
    assert f"| `{name}` |" in page("errors.md")
    assert name == "RiglogError" or name in (errors.__doc__ or "")


@pytest.mark.parametrize("hook", [name for name in vars(hooks) if name.startswith("riglog_")])
def test_every_hook_is_explained(hook: str) -> None:
    assert f"`{hook}(" in page("plugins.md")


@pytest.mark.parametrize("member", [name for name in vars(Driver) if not name.startswith("_")])
def test_every_member_of_a_driver_is_explained(member: str) -> None:
    assert f"`{member}" in page("plugins.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained_with_all_of_its_options(command: str) -> None:
    from importlib import import_module

    found = re.search(rf"^## `riglog {command}\b.*?(?=^## |\Z)", page("command-line.md"), re.MULTILINE | re.DOTALL)
    assert found
    for option in import_module(f"riglog.cli.commands.{command.replace('-', '_')}").command.params:
        assert any(word in found[0] for word in (*option.opts, option.name.upper().rstrip("S")))


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_named(fault: str) -> None:
    assert f"`{fault}`" in page("command-line.md")


@pytest.mark.parametrize("config", [RunConfig, DeviceConfig])
def test_every_key_of_a_rig_file_is_explained(config: type) -> None:
    for field in fields(config):
        assert f"`{field.encode_name}`" in page("rig-file.md")


def test_every_link_between_pages_leads_somewhere() -> None:
    for source in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", source.read_text(encoding="utf-8")):
            assert (source.parent / target).exists(), f"{source}: {target}"


def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    code = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(code) == 1
    done = subprocess.run(
        [sys.executable, "-c", code[0]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "120 samples, 0 missing\n"
    assert (tmp_path / "rig.sqlite").exists()


def test_the_users_names_are_exactly_those_that_can_be_had() -> None:
    for name in riglog.__all__:
        assert getattr(riglog, name).__name__ == name

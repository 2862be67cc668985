"""The reference is complete: every error, hook, command, plugin member and key; and the code of the pages runs."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from msgspec.structs import fields

import riglog
from riglog import errors
from riglog.cli.app import COMMANDS
from riglog.config.rig import RunConfig
from riglog.device import Device, PortDevice
from riglog.plugin import DeviceConfig, DeviceContext, DirectDriver, Driver, hooks
from riglog.protocol import Codec, ProtocolClient
from riglog.simulation import Fault, Simulator

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


ERRORS = [name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)]


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_explained_and_is_in_the_tree(name: str) -> None:
    assert f"| `{name}` |" in page("errors.md")
    assert name == "RiglogError" or name in (errors.__doc__ or "")


@pytest.mark.parametrize("hook", [name for name in vars(hooks) if name.startswith("riglog_")])
def test_every_hook_is_explained(hook: str) -> None:
    assert f"`{hook}(" in page("plugins.md")


def section(name: str, title: str) -> str:
    return page(name).split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def members(kind: type) -> list[str]:
    """The public names that a class defines, methods and annotated attributes."""
    return sorted(name for name in {*vars(kind), *vars(kind).get("__annotations__", {})} if not name.startswith("_"))


PLUGIN_CLASSES = [Driver, DirectDriver, Device, PortDevice, DeviceContext, Codec, ProtocolClient, Simulator]


@pytest.mark.parametrize(("kind", "member"), [(kind, name) for kind in PLUGIN_CLASSES for name in members(kind)])
def test_every_member_that_a_plugin_uses_is_explained(kind: type, member: str) -> None:
    assert f"`{member}" in section("plugins.md", kind.__name__)


def test_every_public_module_of_the_api_policy_lists_its_names() -> None:
    modules = re.findall(r"^\| `(riglog[\w.]*)` \|", page("api-policy.md"), re.MULTILINE)
    assert len(modules) == 20
    for module in modules:
        names = import_module(module).__all__
        assert names
        assert sorted(names) == sorted(set(names))


PYTHON = [
    pytest.param(code, id=f"{path.name}-{number}")
    for path in PAGES
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("code", PYTHON)
def test_all_python_of_the_pages_is_valid(code: str) -> None:
    compile(code, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained_with_all_of_its_options(command: str) -> None:
    found = re.search(rf"^## `riglog {command}\b.*?(?=^## |\Z)", page("command-line.md"), re.MULTILINE | re.DOTALL)
    assert found
    for option in import_module(f"riglog.cli.commands.{command.replace('-', '_')}").command.params:
        assert any(word in found[0] for word in (*option.opts, option.name.upper().rstrip("S")))


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_explained(fault: str) -> None:
    assert f"`{fault}`" in page("command-line.md")
    assert f"| `{fault}` |" in section("plugins.md", "Tests")


@pytest.mark.parametrize("config", [RunConfig, DeviceConfig])
def test_every_key_of_a_rig_file_is_explained(config: type) -> None:
    for field in fields(config):
        assert f"`{field.encode_name}`" in page("rig-file.md")


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page, as Git hosts and the site make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("source", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_between_pages_leads_somewhere(source: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)#?([^)]*)\)", source.read_text(encoding="utf-8")):
        path = source.parent / target if target else source
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@pytest.mark.slow
@pytest.mark.real_time
def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    code = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(code) == 1
    done = subprocess.run(
        [sys.executable, "-c", code[0]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "120 samples, 0 missing or skipped\n"
    assert (tmp_path / "rig.sqlite").exists()


def test_the_names_of_riglog_are_exactly_those_that_can_be_imported() -> None:
    for name in riglog.__all__:
        assert getattr(riglog, name).__name__ == name

"""The house stays as it is drawn: one door each for the heavy libraries, nothing heavy at the front door."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import riglog

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("core/riglog/**/*.py"), *ROOT.glob("plugins/*/riglog_*/**/*.py")])
PACKAGES = [riglog.__name__, *(m.name for m in walk_packages(riglog.__path__, "riglog.") if m.ispkg)]


@cache
def imported(path: Path) -> set[str]:
    """The top-level packages a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("serial", ["transport/serial.py"]),
        ("pymodbus", ["protocol/modbus/client.py"]),
        ("pluggy", ["plugin/"]),
        ("rich", ["cli/"]),
        ("click", ["cli/", "plugin/"]),
        ("sqlite3", ["sinks/", "recordings/", "live/"]),
        ("pyarrow", []),
        ("matplotlib", []),
        ("asyncpg", []),
        ("trio", ["testing/"]),
        (
            "asyncio",
            [
                "testing/",
                "sinks/postgres/",
                "transport/event_loop.py",
                "transport/input_wait.py",
                "acquire/sleeps.py",
                "manager/time_limit.py",
            ],
        ),
        ("termios", ["transport/serial_settings.py", "simulation/serve.py", "cli/keys.py"]),
        ("fcntl", ["sinks/disk.py"]),
        ("logging", ["log.py"]),
    ],
)
def test_there_is_one_door_for(library: str, doors: list[str]) -> None:
    """Optional libraries have none: ``sinks.optional_dependencies`` imports them by name."""
    core = ROOT / "core" / "riglog"
    users = [
        path.relative_to(core).as_posix() for path in SOURCES if path.is_relative_to(core) and library in imported(path)
    ]
    assert [user for user in users if not user.startswith(tuple(doors))] == []
    assert [door for door in doors if not any(user.startswith(door) for user in users)] == []


@pytest.mark.parametrize(
    "library", ["serial", "pymodbus", "pluggy", "sqlite3", "pyarrow", "asyncpg", "trio", "asyncio"]
)
def test_a_plugin_reaches_these_through_the_core(library: str) -> None:
    assert [path for path in SOURCES if "plugins" in path.parts and library in imported(path)] == []


@pytest.mark.parametrize("room", sorted(path.parent.name for path in ROOT.glob("core/riglog/*/__init__.py")))
def test_every_room_of_the_core_has_its_tests(room: str) -> None:
    assert list((ROOT / "tests" / "core" / room).glob("test_*.py"))


@pytest.mark.parametrize("plugin", sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")))
def test_every_plugin_has_its_tests(plugin: str) -> None:
    assert list((ROOT / "tests" / "plugins" / plugin).glob("test_*.py"))


@pytest.mark.parametrize(
    "folder", sorted(path for path in (ROOT / "tests").rglob("*") if path.is_dir() and list(path.glob("test_*.py")))
)
def test_the_tests_mirror_the_tree(folder: Path) -> None:
    """A folder of tests below ``core`` or ``plugins`` has the name of what it tests."""
    kind, *names = folder.relative_to(ROOT / "tests").parts
    if kind == "core":
        assert ROOT.joinpath("core", "riglog", *names).is_dir()
    if kind == "plugins":
        assert (ROOT / "plugins" / names[0]).is_dir()


def test_the_core_knows_no_vendor_and_a_vendor_no_other() -> None:
    vendors = {path.name for path in ROOT.glob("plugins/*/riglog_*") if path.is_dir() and "." not in path.name}
    for path in SOURCES:
        own = {name for name in vendors if name in path.parts}
        assert not imported(path) & (vendors - own), path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_at_its_head_what_lives_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_what_is_exported(package: str) -> None:
    module = import_module(package)
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name)


def test_a_program_that_runs_beside_a_test_ends_with_it() -> None:
    """``running`` of the support sees to that; it is the only one that starts one."""
    starters = {
        path.name
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ("open_process", "create_subprocess_exec"))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "Popen")
    }
    assert starters == {"processes.py"}


def test_importing_riglog_imports_nothing_heavy() -> None:
    code = "import sys, riglog; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"anyio", "asyncio", "msgspec", "pluggy", "serial", "pymodbus", "click", "rich", "sqlite3"} & set(names)


@pytest.mark.parametrize("project", sorted(ROOT.glob("plugins/*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_every_distribution_is_complete_by_itself(project: Path) -> None:
    """What is installed without this repository: licence, types, the plugin, and the extra that brings it."""
    told, core = (tomllib.loads(path.read_text(encoding="utf-8")) for path in (project, ROOT / "pyproject.toml"))
    name = told["project"]["name"]
    (plugin,) = told["project"]["entry-points"]["riglog"].values()
    package = project.parent / plugin.partition(".")[0]
    assert (project.parent / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert told["project"]["license-files"] == ["LICENSE"]
    assert (package / "py.typed").exists()
    shipped = told["tool"]["setuptools"]["package-data"][package.name]
    found = [path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert {path.relative_to(package).as_posix() for path in found} == set(shipped)
    extras = core["project"]["optional-dependencies"]
    assert extras[project.parent.name] == [name]
    assert name in extras["all"]
    assert told["project"]["requires-python"] == core["project"]["requires-python"]

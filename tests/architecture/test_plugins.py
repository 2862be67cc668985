"""Every plugin of this repository has the same shape: the same files, and imports that descend in the same order."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from import_graph import Graph, circle, floors, import_graph, reachable, rooms

from riglog.device import Device
from riglog.errors import ConfirmationError, UnsupportedError
from riglog.manager import Manager, resolve_device
from riglog.plugin import AnyDriver, hooks, installed
from riglog.testing import LoopClock, virtual_backend

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path for path in ROOT.glob("plugins/*/riglog_*") if path.is_dir() and path.suffix == "")
SINKS = [path for path in PACKAGES if not (path / "driver.py").exists()]
"""Plugins that bring a sink and no driver."""
PLUGINS = [path for path in PACKAGES if path not in SINKS]
FILES = (
    *("plugin.py", "driver.py", "commands.py", "probe.py", "decode.py", "load.py", "device.py", "protocol.py"),
    *("samples.py", "config.py", "errors.py", "py.typed", "simulator/__init__.py", "simulator/instrument.py"),
)
LAYERS = (
    {"plugin"},
    {"driver", "commands"},
    {"probe", "decode", "maintenance"},
    {"load"},
    {"device"},
    {"protocol", "<wire>"},
    {"samples"},
    {"config"},
    {"errors"},
)
"""The files that every plugin has, from top to bottom. Others stand where their imports put them."""
ABOVE_A_SIMULATOR = ("plugin", "driver", "commands", "probe", "decode", "maintenance", "load", "device", "protocol")
MOST_FLOORS = 10
ENTRANCES = {"", "_names"}
"""The package itself and the list of its public names: they import what they publish."""

every_plugin = pytest.mark.parametrize("package", PLUGINS, ids=lambda path: path.name)
every_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)


def wires(package: Path) -> set[str]:
    """The folders that hold a wire protocol."""
    return {path.name for path in package.iterdir() if (path / "protocol.py").exists()}


def layer(name: str, wire_names: set[str]) -> int | None:
    kind = "<wire>" if name in wire_names else name
    return next((number for number, names in enumerate(LAYERS) if kind in names), None)


def upward(graph: Graph, wire_names: set[str]) -> Iterator[str]:
    """Yield the imports, also through other modules, from a layer into a higher one."""
    for name in graph:
        above = layer(name, wire_names)
        for other in reachable(graph, name):
            below = layer(other, wire_names)
            if above is not None and below is not None and below < above:
                yield f"{name} imports {other}"


@every_plugin
@pytest.mark.parametrize("name", FILES)
def test_a_plugin_has_this_file(package: Path, name: str) -> None:
    assert (package / name).exists()


@pytest.mark.parametrize("package", SINKS, ids=lambda path: path.name)
def test_a_plugin_with_a_sink_has_its_files_and_registers_sinks_only(package: Path) -> None:
    assert all((package / name).exists() for name in ("plugin.py", "config.py", "sink.py", "py.typed"))
    plugin = import_module(f"{package.name}.plugin")
    assert not hasattr(plugin, "riglog_drivers")
    assert {kind.config.__name__ for kind in plugin.riglog_sinks()} <= set(import_module(package.name).__all__)
    assert (package.parent / "README.md").read_text(encoding="utf-8").startswith("# riglog-")


@every_plugin
def test_a_plugin_has_a_folder_for_each_wire_protocol(package: Path) -> None:
    assert wires(package)
    for wire in wires(package):
        assert (package / wire / "codec.py").exists() or (package / wire / "registers.py").exists()


@every_plugin
def test_the_imports_of_a_plugin_descend(package: Path) -> None:
    assert sorted(upward(rooms(import_graph(package)), wires(package))) == []


@every_package
def test_no_modules_of_a_plugin_import_each_other_in_a_circle(package: Path) -> None:
    graph = import_graph(package)
    assert circle(graph) == []
    assert circle(rooms(graph)) == []


@every_package
def test_a_plugin_is_no_tower(package: Path) -> None:
    graph = {name: others for name, others in rooms(import_graph(package)).items() if name not in ENTRANCES}
    assert circle(graph) == []
    assert floors(graph) <= MOST_FLOORS


@every_plugin
def test_a_simulator_knows_the_wire_and_not_the_driver(package: Path) -> None:
    """It shares codecs and tables with the plugin. A mistake in code that both sides share is found by no test."""
    graph = import_graph(package)
    for name in [name for name in graph if name.partition(".")[0] == "simulator"]:
        known = reachable(graph, name)
        assert not known & {*ABOVE_A_SIMULATOR, *(f"{wire}.protocol" for wire in wires(package))}, name


@every_plugin
def test_only_the_driver_and_the_commands_use_the_simulator(package: Path) -> None:
    graph = rooms(import_graph(package))
    assert {name for name, others in graph.items() if "simulator" in others} <= {"driver", "commands", *ENTRANCES}
    for node in ast.parse((package / "driver.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):  # in a function it is imported when it is needed
            assert "simulator" not in ast.unparse(node)


@every_package
def test_the_public_names_can_be_imported_from_the_package(package: Path) -> None:
    module = import_module(package.name)
    assert module.__all__ == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
    assert set(module.__all__) == published(package)


@every_plugin
def test_what_users_of_a_plugin_need_is_public(package: Path) -> None:
    """The config struct of its drivers and the classes of its devices."""
    plugin = import_module(f"{package.name}.plugin")
    needed = {driver.config for driver in plugin.riglog_drivers()}
    devices = import_module(f"{package.name}.device")
    needed |= {
        one
        for one in vars(devices).values()
        if inspect.isclass(one) and issubclass(one, Device) and is_own(one, devices)
    }
    public = import_module(package.name).__all__
    assert {one.__name__ for one in needed if not one.__name__.startswith("_")} <= set(public)


def is_own(one: type, module: object) -> bool:
    return one.__module__ == getattr(module, "__name__", None)


def published(package: Path) -> set[str]:
    """The names that a type checker sees in a package."""
    names = set()
    for path in (package / "__init__.py", package / "_names.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package.name:
                names |= {alias.asname or alias.name for alias in node.names} - {"*"}
    return {name for name in names if not name.startswith("_")}


@every_package
def test_the_plugin_module_holds_its_api_version_and_its_hooks_and_nothing_else(package: Path) -> None:
    plugin = import_module(f"{package.name}.plugin")
    assert plugin.RIGLOG_API == hooks.API_VERSION
    tree = ast.parse((package / "plugin.py").read_text(encoding="utf-8"))
    for node in tree.body[1:]:
        if isinstance(node, ast.FunctionDef):
            assert hasattr(hooks, node.name)
        elif isinstance(node, ast.Assign):
            assert ast.unparse(node.targets[0]) == "RIGLOG_API"
        else:
            assert isinstance(node, ast.Import | ast.ImportFrom | ast.If)  # if TYPE_CHECKING


@every_plugin
def test_a_driver_needs_no_cast_and_no_check_of_types(package: Path) -> None:
    """``Driver[Config, Client]`` says what they are."""
    text = (package / "driver.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("cast", "typing.cast")
        if isinstance(node, ast.Assert):
            assert "isinstance" not in ast.unparse(node)
    assert "type: ignore" not in text


@every_plugin
def test_a_plugin_says_what_it_is(package: Path) -> None:
    assert (package.parent / "README.md").read_text(encoding="utf-8").startswith("# riglog-")
    for driver in import_module(f"{package.name}.plugin").riglog_drivers():
        assert isinstance(driver, AnyDriver)
        assert driver.summary


def needs_nothing_more(driver: AnyDriver[Any]) -> bool:
    """True if a device needs only a name, a driver and a port."""
    keys = msgspec.structs.fields(driver.config)
    return not {key.name for key in keys if key.required} - {"name", "driver", "port"}


DEVICES = [
    pytest.param(driver, dict(table), id=f"{driver.name}-{table['name']}")
    for package in PLUGINS  # and not what else is installed
    for driver in import_module(f"{package.name}.plugin").riglog_drivers()
    for table in [
        *driver.demo(),
        *([{"name": "usual", "driver": driver.name, "port": "usual"}] if needs_nothing_more(driver) else []),
    ]
]


@pytest.mark.parametrize(("driver", "table"), DEVICES)
@pytest.mark.parametrize("anyio_backend", [virtual_backend("asyncio")])
@pytest.mark.anyio
async def test_a_driver_knows_the_pace_of_its_devices_and_what_can_be_set(
    driver: AnyDriver[Any], table: dict[str, Any]
) -> None:
    async with Manager(clock=LoopClock()) as rig:
        spec = resolve_device(installed(), table | {"port": f"sim:{table['port']}"})
        device = await rig.add_spec(spec)
        assert device.pace is driver.pace(spec.config)
        settable = driver.settable(spec.config)
        assert settable is not None
        for name in settable[:3]:  # none is unknown or read-only; nothing is written
            with pytest.raises((ConfirmationError, UnsupportedError)):
                await device.set_parameter(name, "1", confirm=False)
        if not settable:
            with pytest.raises(UnsupportedError):
                await device.set_parameter("anything", "1", confirm=False)


def write(package: Path, **sources: str) -> Graph:
    """Return the graph of a package with these modules; two underscores in a name stand for a dot."""
    for name, text in sources.items():
        path = package.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return import_graph(package)


def test_an_import_that_is_hidden_in_a_function_or_for_types_only_counts(tmp_path: Path) -> None:
    graph = write(
        tmp_path / "p",
        driver="def f():\n    from p.probe import g\n",
        probe="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.driver\n",
    )
    assert circle(graph) == ["driver", "probe", "driver"]
    assert list(upward(graph, set())) == ["probe imports driver"]


def test_an_arrow_upwards_is_found_also_through_another_module(tmp_path: Path) -> None:
    graph = write(
        tmp_path / "p",
        config="from p.helper import x\n",
        helper="from p.xbpi import frames\n",
        xbpi__frames="import os\n",
        xbpi__protocol="from p import protocol\n",
        protocol="",
    )
    assert sorted(upward(rooms(graph), {"xbpi"})) == ["config imports protocol", "config imports xbpi"]
    assert circle(graph) == []


def test_floors_are_counted_along_the_longest_way(tmp_path: Path) -> None:
    graph = write(tmp_path / "p", a="from p import b, d", b="from p.c import x", c="from p import d", d="")
    assert graph == {"a": {"b", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert floors(graph) == 4
    assert circle(graph) == []

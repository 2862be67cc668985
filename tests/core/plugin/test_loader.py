"""Plugins are loaded each on its own: a broken one is listed with its reason, and stops nobody."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from riglog.errors import UnknownDriverError
from riglog.plugin import Registry, load_plugins

GOOD = """
from riglog.plugin import hookimpl
from toy import ToyDriver
RIGLOG_API = 1
class Named(ToyDriver):
    name = "{name}"
@hookimpl
def riglog_drivers():
    return [Named()]
"""

BROKEN = {
    "missing_library": ("import no_such_library", "import: ModuleNotFoundError: No module named 'no_such_library'"),
    "syntax": ("def", "import: SyntaxError"),
    "leaves": ("import sys; sys.exit(3)", "import: SystemExit: 3"),
    "no_api": ("x = 1", "api: RuntimeError: says no RIGLOG_API, this riglog has 1"),
    "future": ("RIGLOG_API = 7", "api: RuntimeError: was written for plugin API 7, this riglog has 1"),
    "misspelt": (
        "from riglog.plugin import hookimpl\nRIGLOG_API = 1\n@hookimpl\ndef riglog_driver(): return []",
        "hooks: RuntimeError: unknown hooks riglog_driver; known: riglog_commands, riglog_drivers, riglog_sinks",
    ),
    "argument": (
        "from riglog.plugin import hookimpl\nRIGLOG_API = 1\n@hookimpl\ndef riglog_drivers(nonsense): return []",
        "register: PluginValidationError",
    ),
    "raises": (
        "from riglog.plugin import hookimpl\nRIGLOG_API = 1\n@hookimpl\ndef riglog_drivers(): return 1 / 0",
        "riglog_drivers: ZeroDivisionError: division by zero",
    ),
    "twice": (
        GOOD.format(name="good"),
        "riglog_drivers: ConfigError: riglog_drivers: the name 'good' is already taken",
    ),
}


@pytest.fixture
def entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """One good plugin and every kind of broken one, as modules on the path."""
    sources = {"good": GOOD.format(name="good"), "zebra": GOOD.format(name="zebra")}
    sources |= {name: text for name, (text, _) in BROKEN.items()}
    for name, text in sources.items():
        (tmp_path / f"riglog_test_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield [EntryPoint(name, f"riglog_test_{name}", "riglog") for name in sources]
    for name in sources:
        sys.modules.pop(f"riglog_test_{name}", None)


def test_every_broken_plugin_is_listed_with_its_reason_and_stops_nobody(entry_points: list[EntryPoint]) -> None:
    registry = Registry(load_plugins(entry_points))
    assert sorted(registry.drivers) == ["good", "zebra"]
    problems = {plugin.name: plugin.problem for plugin in registry.plugins}
    assert problems.pop("good") is problems.pop("zebra") is None
    assert problems.keys() == BROKEN.keys()
    for name, (_, reason) in BROKEN.items():
        assert (problems[name] or "").startswith(reason)


def test_two_plugins_of_one_name_are_not_mixed_up(entry_points: list[EntryPoint]) -> None:
    good = [point for point in entry_points if point.name == "good"]
    registry = Registry(load_plugins([*good, EntryPoint("good", "riglog_test_zebra", "riglog")]))
    assert [plugin.problem for plugin in registry.plugins] == [None, "name is already taken by another plugin"]
    assert sorted(registry.drivers) == ["good"]


def test_a_disabled_plugin_is_not_even_imported(entry_points: list[EntryPoint]) -> None:
    loaded = load_plugins(entry_points, disabled=["leaves", "zebra"])
    assert "riglog_test_zebra" not in sys.modules
    assert [plugin.name for plugin in loaded.plugins if (plugin.problem or "").startswith("disabled")] == [
        "leaves",
        "zebra",
    ]


def test_a_driver_of_a_broken_plugin_is_refused_with_the_reason(entry_points: list[EntryPoint]) -> None:
    registry = Registry(load_plugins(entry_points))
    with pytest.raises(UnknownDriverError) as caught:
        registry.driver("missing_library")
    assert "installed but broken: import: ModuleNotFoundError" in str(caught.value.hint)
    with pytest.raises(UnknownDriverError) as caught:
        registry.driver("god")
    assert "did you mean 'good'?" in str(caught.value.hint)

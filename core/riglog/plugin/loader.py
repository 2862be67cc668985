"""Finds plugins by their entry points and keeps every broken one apart, with its reason."""

import os
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pluggy
from msgspec import Struct

from riglog.plugin import hooks

DISABLED = "RIGLOG_DISABLED_PLUGINS"
"""Environment: names of plugins not to load, separated by commas."""


class Plugin(Struct, frozen=True):
    """An installed plugin; ``problem`` says at which stage it failed and why, None if it works."""

    name: str
    distribution: str
    version: str
    problem: str | None = None


class LoadedPlugins(Struct, frozen=True):
    """The pluggy manager with the plugins that work, and the list of all."""

    manager: pluggy.PluginManager
    plugins: tuple[Plugin, ...]


def load_plugins(
    found: Iterable[EntryPoint] | None = None,
    *,
    builtin: Sequence[ModuleType] = (),
    disabled: Sequence[str] | None = None,
) -> LoadedPlugins:
    """Load every plugin on its own; one that fails never stops the others.

    Args:
        found: entry points, default those of group ``riglog`` of this environment.
        builtin: modules of riglog itself that register through the same hooks.
        disabled: names not to load, default from the environment variable RIGLOG_DISABLED_PLUGINS.
    """
    if disabled is None:
        disabled = [name for name in os.environ.get(DISABLED, "").split(",") if name]
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    for module in builtin:
        manager.register(module, name=module.__name__)
    points = entry_points(group=hooks.GROUP) if found is None else found
    plugins: list[Plugin] = []
    for point in sorted(points, key=lambda point: (point.name, _distribution(point)[0])):
        name, version = _distribution(point)
        problem = "disabled by " + DISABLED if point.name in disabled else _load(manager, point)
        plugins.append(Plugin(point.name, name, version, problem))
    return LoadedPlugins(manager, tuple(plugins))


def _load(manager: pluggy.PluginManager, point: EntryPoint) -> str | None:
    """Load one plugin; why it cannot be used, or None."""
    if manager.has_plugin(point.name):
        return "name is already taken by another plugin"
    stage = "import"
    try:
        module = point.load()
        stage = "api"
        api = getattr(module, "RIGLOG_API", None)
        if api != hooks.API_VERSION:
            said = "says no RIGLOG_API" if api is None else f"was written for plugin API {api}"
            raise RuntimeError(f"{said}, this riglog has {hooks.API_VERSION}")
        stage = "register"
        manager.register(module, name=point.name)
        stage = "hooks"
        _refuse_misspelt(manager, module)
    except (Exception, SystemExit) as error:
        if manager.has_plugin(point.name):
            manager.unregister(name=point.name)
        return f"{stage}: {type(error).__name__}: {error}"
    return None


def _refuse_misspelt(manager: pluggy.PluginManager, module: object) -> None:
    callers = manager.get_hookcallers(module) or []
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    if unknown:
        known = ", ".join(sorted(name for name in vars(hooks) if name.startswith("riglog_")))
        raise RuntimeError(f"unknown hooks {', '.join(unknown)}; known: {known}")


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("?", "?")

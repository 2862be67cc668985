"""Finds plugins by their entry points and loads each on its own. One that fails is kept with its reason."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import pluggy
from msgspec import Struct
from msgspec.structs import replace

from riglog.errors import describe
from riglog.log import get_logger
from riglog.plugin import hooks
from riglog.plugin.guard import plugin_code, traceback_text

if TYPE_CHECKING:  # half of what importing the Manager would cost
    from importlib.metadata import Distribution, EntryPoint

DISABLED = "RIGLOG_DISABLED_PLUGINS"
"""Environment: names of plugins or of their distributions that are not loaded, separated by commas."""

METADATA_FILES = ("entry_points.txt", "METADATA", "PKG-INFO")

UNKNOWN = "?"
"""Stands for the name or version of a distribution whose metadata cannot be read."""

log = get_logger("riglog.plugin")


class Plugin(Struct, frozen=True):
    """An installed plugin.

    Attributes:
        name: the name of its entry point.
        distribution: the name under which pip knows it; "?" if that cannot be read.
        version: the version of the distribution.
        problem: why all or a part of it is not loaded; None if everything is.
        warning: what its author should know, although everything is loaded.
        traceback: where its code failed; None if it was refused, or is loaded.
        disabled: True if the user does not want it to be loaded; ``problem`` then says so.
    """

    name: str
    distribution: str
    version: str
    problem: str | None = None
    warning: str | None = None
    traceback: str | None = None
    disabled: bool = False

    @property
    def state(self) -> Literal["loaded", "failed", "disabled"]:
        """The state in one word. What a failed plugin registered without a problem can be used."""
        return "disabled" if self.disabled else "loaded" if self.problem is None else "failed"

    @property
    def label(self) -> str:
        """What to call it in a message: the name that pip knows, if there is one."""
        return self.name if self.distribution == UNKNOWN else self.distribution


class LoadedPlugins(Struct, frozen=True):
    """The pluggy manager with the plugins that could be loaded, and the list of all."""

    manager: pluggy.PluginManager
    plugins: tuple[Plugin, ...]


class _RefusedError(Exception):
    """The plugin was imported, but cannot be used; says why."""


def load_plugins(
    found: "Iterable[EntryPoint] | None" = None,
    *,
    builtin: Sequence[ModuleType] = (),
    disabled: Sequence[str] | None = None,
) -> LoadedPlugins:
    """Load every plugin on its own; one that fails does not affect the others.

    Args:
        found: entry points; default: those of group ``riglog`` in this environment.
        builtin: modules of riglog itself that register through the same hooks.
        disabled: names that are not loaded; default: from the environment variable RIGLOG_DISABLED_PLUGINS.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed during an import. One that a plugin raises itself is its problem, as any
            other exception.
    """
    if disabled is None:
        disabled = [name.strip() for name in os.environ.get(DISABLED, "").split(",")]
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    for module in builtin:
        manager.register(module, name=module.__name__)
    plugins: list[Plugin] = []
    enabled: dict[str, list[EntryPoint]] = {}
    for point in installed_entry_points() if found is None else found:
        plugin = _plugin(point)
        if {plugin.name, plugin.distribution} & {*disabled}:
            plugins.append(replace(plugin, problem=f"disabled by {DISABLED}", disabled=True))
        else:
            enabled.setdefault(point.name, []).append(point)
    for name in sorted(enabled):
        for point in enabled[name]:
            plugins.append(_load(manager, point, [other for other in enabled[name] if other is not point]))
    plugins.sort(key=lambda plugin: (plugin.name, plugin.distribution))
    for plugin in plugins:
        if plugin.state == "failed":
            log.warning("plugin %s failed to load: %s", plugin.label, plugin.problem)
    return LoadedPlugins(manager, tuple(plugins))


def installed_entry_points() -> "list[EntryPoint]":
    """Return the entry points of group ``riglog``, also if the metadata of another package cannot be read."""
    from importlib.metadata import distributions, entry_points

    found = list(distributions())
    blocking = [file for file in map(_blocking_file, found) if file is not None]
    try:
        if not blocking:
            return list(entry_points(group=hooks.GROUP))
    except Exception as error:  # caused by any package of this environment, also by one that is not a plugin
        log.debug("entry points are read package by package: %s", describe(error))
    points: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution in found:
        if (file := _blocking_file(distribution)) is not None:
            log.warning("package metadata is not read: %s is not a regular file", file)
            continue
        name = _metadata(distribution)[0]
        if name in seen:  # Python imports the first on its path
            continue
        seen |= {name} - {UNKNOWN}
        try:
            points += distribution.entry_points.select(group=hooks.GROUP)
        except Exception as error:
            log.warning("entry points of package %s cannot be read: %s", name, describe(error))
    return points


def _blocking_file(distribution: "Distribution") -> Path | None:
    """Return a metadata file that is a pipe or a device: reading it would wait for ever, or never end."""
    folder = getattr(distribution, "_path", None)  # not public; where there is none, nothing can be checked
    if not isinstance(folder, Path):
        return None
    for name in METADATA_FILES:
        with suppress(OSError):
            kind = os.stat(folder / name).st_mode
            if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
                return folder / name
    return None


def _load(manager: pluggy.PluginManager, point: "EntryPoint", others: "Sequence[EntryPoint]") -> Plugin:
    """Load one plugin. ``others`` are the plugins that use the same name."""
    plugin = _plugin(point)
    if others:
        problem = duplicate("plugin name", point.name, [_plugin(other).label for other in others])
        return replace(plugin, problem=problem)
    stage = "import"
    with plugin_code(plugin.label) as caught:
        module = point.load()
        _check_api(getattr(module, "RIGLOG_API", None))
        stage = "registration"
        manager.register(module, name=point.name)
        _refuse_unknown_hooks(manager, module)
    if caught.error is None:
        return plugin
    if manager.has_plugin(point.name):
        manager.unregister(name=point.name)
    if isinstance(caught.error, _RefusedError):
        return replace(plugin, problem=str(caught.error))
    problem = f"{stage} failed: {describe(caught.error)}"
    return replace(plugin, problem=problem, traceback=traceback_text(caught.error))


def duplicate(what: str, name: str, others: Sequence[str]) -> str:
    """Return the reason for which of several owners of a name none is loaded."""
    return (
        f"duplicate {what} {name!r}, also registered by {', '.join(others)}. "
        f"Uninstall one of them, or disable it with {DISABLED}"
    )


def _check_api(api: object) -> None:
    """Refuse a module that was written for other versions of the plugin API."""
    provided = f"this riglog provides plugin API {_span(hooks.OLDEST_API, hooks.API_VERSION)}"
    if api is None:
        raise _RefusedError(f"does not declare RIGLOG_API; {provided}")
    lowest, highest = api if isinstance(api, tuple) and len(api) == 2 else (api, api)
    if type(lowest) is not int or type(highest) is not int or lowest > highest:
        raise _RefusedError(f"invalid RIGLOG_API {api!r}; expected a number, or the lowest and the highest number")
    if highest < hooks.OLDEST_API or lowest > hooks.API_VERSION:
        raise _RefusedError(f"requires plugin API {_span(lowest, highest)}; {provided}")


def _span(lowest: int, highest: int) -> str:
    return str(lowest) if lowest == highest else f"{lowest} to {highest}"


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: object) -> None:
    callers = manager.get_hookcallers(module) or []
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    if unknown:
        known = ", ".join(sorted(name for name in vars(hooks) if name.startswith("riglog_")))
        raise _RefusedError(f"unknown hook {', '.join(unknown)}; available hooks: {known}")


def _plugin(point: "EntryPoint") -> Plugin:
    return Plugin(point.name, *_metadata(point.dist))


def _metadata(distribution: "Distribution | None") -> tuple[str, str]:
    """Return the name and the version of a distribution, as far as they can be read."""
    if distribution is None:
        return UNKNOWN, UNKNOWN
    try:
        return str(distribution.name or UNKNOWN), str(distribution.version or UNKNOWN)
    except Exception:  # incomplete metadata
        return UNKNOWN, UNKNOWN

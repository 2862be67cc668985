"""What the plugins brought: drivers and sinks by name. One broken hook costs its plugin, nobody else."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from riglog.errors import ConfigError, UnknownDriverError
from riglog.plugin.driver import AnyDriver
from riglog.plugin.loader import LoadedPlugins, Plugin, load_plugins

if TYPE_CHECKING:
    import click

    from riglog.sinks.base import SinkType

T = TypeVar("T")
MORE = "; a vendor's driver comes with `pip install riglog-VENDOR`"


class Registry:
    """Everything installed, by name. ``plugins`` lists all of them, the broken ones with their reason."""

    def __init__(self, loaded: LoadedPlugins) -> None:
        self._manager = loaded.manager
        self._problems: dict[str, str] = {}
        self.drivers: dict[str, AnyDriver[Any]] = self._collect("riglog_drivers", lambda driver: driver.name)
        self.sinks: dict[str, SinkType] = self._collect("riglog_sinks", lambda sink: sink.name)
        self._plugins = loaded.plugins

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        return tuple(
            Plugin(plugin.name, plugin.distribution, plugin.version, plugin.problem or self._problems.get(plugin.name))
            for plugin in self._plugins
        )

    def driver(self, name: str) -> AnyDriver[Any]:
        """The driver of that name.

        Raises:
            UnknownDriverError: there is none; says which are, and which plugin is broken.
        """
        if name not in self.drivers:
            raise UnknownDriverError(
                f"no driver called {name!r}", hint=self._hint(name, self.drivers, MORE), driver=name
            )
        return self.drivers[name]

    def sink(self, name: str) -> "SinkType":
        """The sink type of that name.

        Raises:
            ConfigError: there is none; says which are.
        """
        if name not in self.sinks:
            raise ConfigError(f"no sink type called {name!r}", hint=self._hint(name, self.sinks))
        return self.sinks[name]

    def add_commands(self, cli: "click.Group") -> None:
        """Let every plugin add its commands; one that fails is left out."""
        self._each("riglog_commands", lambda function: function(cli))

    def _hint(self, name: str, known: Iterable[str], more: str = "") -> str:
        for plugin in self.plugins:
            if plugin.problem and name in (plugin.name, plugin.distribution.removeprefix("riglog-")):
                return f"the plugin {plugin.distribution} is installed but broken: {plugin.problem}"
        names = sorted(known)
        close = get_close_matches(name, names, 1)
        return (f"did you mean {close[0]!r}? " if close else "") + f"there is: {', '.join(names) or 'none'}{more}"

    def _collect(self, hook: str, key: Callable[[T], str]) -> dict[str, T]:
        found: dict[str, T] = {}

        def add(function: Callable[[], Iterable[T]]) -> None:
            for thing in list(function()):
                if key(thing) in found:
                    raise ConfigError(f"{hook}: the name {key(thing)!r} is already taken")
                found[key(thing)] = thing

        self._each(hook, add)
        return found

    def _each(self, hook: str, call: Callable[[Any], None]) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                call(implementation.function)
            except (Exception, SystemExit) as error:
                self._problems[implementation.plugin_name] = f"{hook}: {type(error).__name__}: {error}"


@cache
def installed() -> Registry:
    """The plugins of this environment, loaded at the first call."""
    from riglog.plugin import builtin

    return Registry(load_plugins(builtin=(builtin,)))

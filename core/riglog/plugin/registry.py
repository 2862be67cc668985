"""What is installed: drivers, sink types and commands by name. A defect of a plugin affects only this plugin."""

from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from riglog.errors import ConfigError, UnknownDriverError, did_you_mean
from riglog.plugin.collector import Collector
from riglog.plugin.guard import OnFault, catch_faults, is_a, log_fault, stdout_to_stderr
from riglog.plugin.loader import LoadedPlugins, Plugin, load_plugins

if TYPE_CHECKING:
    import click

    from riglog.plugin.driver import AnyDriver
    from riglog.sinks.base import SinkType

VENDOR_PACKAGES = ". Vendor drivers are separate packages: `pip install riglog-VENDOR`"


class Registry:
    """The drivers and sink types of the loaded plugins, by name. A hook is called when what it gives is needed."""

    def __init__(self, loaded: LoadedPlugins) -> None:
        self._collector = Collector(loaded)

    @cached_property
    def drivers(self) -> "dict[str, AnyDriver[Any]]":
        return self._collector.drivers()

    @cached_property
    def sinks(self) -> "dict[str, SinkType]":
        return self._collector.sinks()

    @cached_property
    def _commands(self) -> "dict[str, click.Command]":
        return self._collector.commands()

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """All installed plugins, also those that failed to load, with the reason."""
        _ = self.drivers, self.sinks, self._commands
        return self._collector.plugins()

    def driver(self, name: str) -> "AnyDriver[Any]":
        """Return the driver of that name.

        Raises:
            UnknownDriverError: no loaded plugin registers it. The hint names the available drivers, or the plugin that
                failed to load.
        """
        if name not in self.drivers:
            hint = self._hint("driver", name, self.drivers, _package_of(name) or VENDOR_PACKAGES)
            raise UnknownDriverError(f"unknown driver {name!r}", hint=hint, driver=name)
        return self.drivers[name]

    def sink(self, name: str, where: str = "sink") -> "SinkType":
        """Return the sink type of that name; ``where`` is the table that names it, for the error.

        Raises:
            ConfigError: no loaded plugin registers it. The hint names those available.
        """
        if name not in self.sinks:
            raise ConfigError(
                f"{where}.type: unknown sink type {name!r}", hint=self._hint("sink type", name, self.sinks)
            )
        return self.sinks[name]

    def add_commands(self, cli: "click.Group") -> None:
        """Add the commands of all plugins to the command line."""
        for name, command in self._commands.items():
            cli.add_command(command, name)

    def demo_tables(self, on_fault: OnFault = log_fault) -> list[dict[str, Any]]:
        """Return a ``[[device]]`` table for each simulated instrument of ``riglog demo``.

        Names of devices and ports that another driver uses too are extended by the name of the driver. A driver that
        fails, or gives a table that cannot be used, is left out.

        Args:
            on_fault: called for every driver that is left out.
        """
        tables: list[dict[str, Any]] = []
        for driver in self.drivers.values():
            with catch_faults(driver, "demo()", on_fault):
                tables += _demo_tables(driver, tables)
        return tables

    def _hint(self, what: str, name: str, known: Iterable[str], more: str = "") -> str:
        if refused := self._collector.why_refused(what, name):
            return refused
        for plugin in self.plugins:
            if plugin.state != "loaded" and name in (plugin.name, plugin.distribution.removeprefix("riglog-")):
                verb = "" if plugin.state == "disabled" else "failed to load: "
                return f"Plugin {plugin.label} is installed but {verb}{plugin.problem}"
        names = sorted(known)
        failed = ", ".join(plugin.label for plugin in self.plugins if plugin.state == "failed")
        failures = f". Plugins that failed to load (see `riglog plugins`): {failed}" if failed else ""
        return f"{did_you_mean(name, names)}Available: {', '.join(names) or 'none'}{failures}{more}"


def _demo_tables(driver: "AnyDriver[Any]", others: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tables of one driver, after trying to make each instrument."""
    from riglog.plugin.driver import Driver
    from riglog.plugin.options import configure
    from riglog.transport import Link

    names = {table["name"] for table in others}
    ports = {table["port"] for table in others if "port" in table}
    tables: list[dict[str, Any]] = []
    with stdout_to_stderr():
        for given in driver.demo():
            table: dict[str, Any] = {**given, "driver": driver.name}
            for key, taken in (("name", names), ("port", ports)):
                if table.get(key) in taken:
                    table[key] = f"{driver.name}-{table[key]}"
            config = configure(driver, table, "table")
            if isinstance(driver, Driver):
                is_a(Link, driver.link(config))
                driver.simulator(config)
            tables.append(table)
    return tables


def _package_of(driver: str) -> str | None:
    """Return how to install the plugin of a driver, if it is an optional part of riglog."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        optional = {requirement.partition(";")[0].strip() for requirement in requires("riglog") or ()}
    except PackageNotFoundError:
        return None
    return f". To install its plugin: `pip install riglog-{driver}`" if f"riglog-{driver}" in optional else None


@cache
def installed() -> Registry:
    """Return the plugins of this environment, loaded at the first call."""
    from riglog.plugin import builtin

    return Registry(load_plugins(builtin=(builtin,)))

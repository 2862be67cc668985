"""``riglog plugins``: what is installed, and what is broken and why."""

import click

from riglog.cli.console import data, print_json
from riglog.cli.options import json_option


@click.command("plugins")
@json_option
def command(as_json: bool) -> None:
    """List the installed plugins, their drivers and sinks, and what is wrong with the broken ones."""
    from rich.table import Table

    from riglog.plugin import installed

    registry = installed()
    if as_json:
        print_json(
            {
                "plugins": registry.plugins,
                "drivers": [
                    {"name": driver.name, "summary": driver.summary, "protocols": driver.protocols}
                    for driver in registry.drivers.values()
                ],
                "sinks": [{"name": sink.name, "summary": sink.summary} for sink in registry.sinks.values()],
            }
        )
        return
    plugins = Table("plugin", "distribution", "version", "state", title="Plugins", title_justify="left")
    for plugin in registry.plugins:
        state = f"[red]{plugin.problem}[/]" if plugin.problem else "[green]works[/]"
        plugins.add_row(plugin.name, plugin.distribution, plugin.version, state)
    things = Table("kind", "name", "protocols", "summary", title="Drivers and sinks", title_justify="left")
    for driver in registry.drivers.values():
        things.add_row("driver", driver.name, ", ".join(driver.protocols), driver.summary)
    for sink in registry.sinks.values():
        things.add_row("sink", sink.name, "", sink.summary)
    data().print(plugins, things)

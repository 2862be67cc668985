"""``riglog plugins``: what is installed, and what is broken and why."""

import click

from riglog.cli.console import add, data, print_json, table
from riglog.cli.options import json_option


@click.command("plugins", short_help="List plugins, drivers and sinks.")
@json_option
def command(as_json: bool) -> None:
    """List the installed plugins, their drivers and sinks, and what is wrong with the broken ones."""
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
    plugins = table("plugin", "distribution", "version", "state")
    for plugin in registry.plugins:
        add(plugins, plugin.name, plugin.distribution, plugin.version, plugin.problem or plugin.warning or plugin.state)
    things = table("driver or sink", "what it is")
    for driver in registry.drivers.values():
        add(things, f"driver {driver.name}", f"{driver.summary}: {', '.join(driver.protocols)}")
    for sink in registry.sinks.values():
        add(things, f"sink {sink.name}", sink.summary)
    data().print(plugins)
    data().print()
    data().print(things)

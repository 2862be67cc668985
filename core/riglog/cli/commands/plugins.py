"""``riglog plugins``: lists the installed plugins, what they provide, and why a plugin failed to load."""

import click

from riglog.cli.console import add_row, print_json, results, table
from riglog.cli.options import json_option


@click.command("plugins", short_help="List plugins, drivers and sinks.")
@click.option("--verbose", is_flag=True, help="Also show the traceback of every plugin that failed.")
@json_option
def command(verbose: bool, as_json: bool) -> None:
    """List the installed plugins with their drivers and sinks, and why a plugin failed to load."""
    from riglog.plugin import installed

    registry = installed()
    if as_json:
        print_json(
            {
                "plugins": [
                    {
                        "name": plugin.name,
                        "distribution": plugin.distribution,
                        "version": plugin.version,
                        "state": plugin.state,
                        "problem": plugin.problem,
                        "warning": plugin.warning,
                    }
                    | ({"traceback": plugin.traceback} if verbose else {})
                    for plugin in registry.plugins
                ],
                "drivers": [
                    {"name": driver.name, "summary": driver.summary, "protocols": driver.protocols}
                    for driver in registry.drivers.values()
                ],
                "sinks": [{"name": sink.name, "summary": sink.summary} for sink in registry.sinks.values()],
            }
        )
        return
    plugins = table("plugin", "distribution", "version", "status")
    for plugin in registry.plugins:
        detail = plugin.problem or plugin.warning
        status = f"{plugin.state}: {detail}" if detail and not plugin.disabled else detail or plugin.state
        add_row(plugins, plugin.name, plugin.distribution, plugin.version, status)
    provided = table("provides", "description", "protocols")
    for driver in registry.drivers.values():
        add_row(provided, f"driver {driver.name}", driver.summary, ", ".join(driver.protocols) or "-")
    for sink in registry.sinks.values():
        add_row(provided, f"sink {sink.name}", sink.summary, "")
    results().print(plugins)
    results().print()
    results().print(provided)
    if verbose:
        for plugin in registry.plugins:
            if plugin.traceback is not None:
                text = plugin.traceback.rstrip()
                results().print(f"\nplugin {plugin.name}:\n{text}", markup=False, soft_wrap=True)

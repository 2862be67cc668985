"""``riglog plugins``: lists the installed plugins, what they provide, and why a plugin failed to load."""

from typing import TYPE_CHECKING

import click

from riglog.cli.console import add_row, print_json, table
from riglog.cli.console import results as results_console
from riglog.cli.loading import load_installed
from riglog.cli.options import json_option

if TYPE_CHECKING:
    from riglog.plugin import Registry


@click.command("plugins", short_help="List plugins, drivers and sinks.")
@click.option("--verbose", is_flag=True, help="Also show the traceback of every plugin that failed.")
@click.option("--grade", is_flag=True, help="Show the grade of every driver, and what the next one needs.")
@click.option(
    "--results",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="For --grade: results of the conformance kit, written by pytest --riglog-results FILE.",
)
@json_option
def command(verbose: bool, grade: bool, results: str | None, as_json: bool) -> None:
    """List the installed plugins with their drivers and sinks, and why a plugin failed to load."""
    registry = load_installed()
    if results is not None and not grade:
        raise click.UsageError("--results needs --grade")
    if grade:
        _show_grades(registry, results, as_json)
        return
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
    results_console().print(plugins)
    results_console().print()
    results_console().print(provided)
    if verbose:
        for plugin in registry.plugins:
            if plugin.traceback is not None:
                text = plugin.traceback.rstrip()
                results_console().print(f"\nplugin {plugin.name}:\n{text}", markup=False, soft_wrap=True)


def _show_grades(registry: "Registry", path: str | None, as_json: bool) -> None:
    """Show the grade of each driver, computed now."""
    from riglog.testing.grades import grade_of
    from riglog.testing.results import load_results

    found = None if path is None else load_results(path)
    grades = {driver.name: grade_of(driver, found) for driver in registry.drivers.values()}
    if as_json:
        print_json(
            [
                {"driver": name, "grade": one.name, "missing": one.missing, "seen": one.seen}
                for name, one in grades.items()
            ]
        )
        return
    shown = table("driver", "grade", "for the next grade", "seen on hardware")
    for name, one in grades.items():
        add_row(shown, name, one.name, one.missing or "", "; ".join(one.seen) or "none")
    results_console().print(shown)

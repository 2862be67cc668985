"""``riglog events``: what happened during a recording."""

import click

from riglog.cli.console import data, print_json
from riglog.cli.options import json_option
from riglog.store import read_events


@click.command("events")
@click.argument("file", type=click.Path())
@click.option("--run", help="Only the run of this id.")
@json_option
def command(file: str, run: str | None, as_json: bool) -> None:
    """List the events of the recording FILE: ports lost and back, silent devices, writes, clock steps, sinks."""
    from rich.markup import escape
    from rich.table import Table

    found = list(read_events(file, run=run))
    if as_json:
        print_json(found)
        return
    table = Table("at (UTC)", "event", "device", "port", "message")
    for event in found:
        table.add_row(event.at, event.kind, event.device or "", escape(event.port or ""), escape(event.message))
    data().print(table)

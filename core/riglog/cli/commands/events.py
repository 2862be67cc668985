"""``riglog events``: what happened during a recording."""

import click

from riglog.cli.console import add, clock, data, print_json, table
from riglog.cli.options import json_option, refuse_nothing
from riglog.recordings import read_events


@click.command("events", short_help="List what happened: lost ports, silent devices, writes.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--run", help="Only the run of this id.")
@json_option
def command(file: str, run: str | None, as_json: bool) -> None:
    """List the events of the recording FILE: ports lost and back, silent devices, writes, clock steps, sinks."""
    found = list(read_events(file, run=run))
    if not found:
        refuse_nothing(file, run=run)
    if as_json:
        print_json(found)
        return
    events = table("time (UTC)", "event", "what happened")
    for event in found:
        where = " ".join(word for word in (event.port, event.device) if word)
        add(events, clock(event.at), event.kind, f"{where}: {event.message}" if where else event.message)
    data().print(events)

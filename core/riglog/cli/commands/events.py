"""``riglog events``: lists the events of a recording."""

import click

from riglog.cli.console import add_row, print_json, results, table
from riglog.cli.local_time import local_column
from riglog.cli.options import json_option, require_matching_rows
from riglog.errors import ConfigError
from riglog.model import EventKind
from riglog.recordings import read_events


@click.command("events", short_help="List the events of a recording.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
@click.option("--run", help="Only events of the run with this id, or of the runs with this name.")
@click.option("--kind", "kinds", multiple=True, help="Only events of this kind, such as note; may be repeated.")
@json_option
def command(files: tuple[str, ...], run: str | None, kinds: tuple[str, ...], as_json: bool) -> None:
    """List the events of the recording FILE.

    Several files, such as those of a rotation, are one recording. Events are: lost and restored ports, devices not
    responding, writes, notes, clock steps, sink errors and others.
    """
    for kind in kinds:
        _refuse_unknown(kind)
    found = [event for event in read_events(files, run=run) if not kinds or event.kind in kinds]
    if not found and not kinds:
        require_matching_rows(files[0], run=run)
    if as_json:
        print_json(found)
        return
    by = any(event.user for event in found)
    reasons = any(event.reason for event in found)
    heading, times = local_column("time", [event.at for event in found])
    events = table(heading, "event", "description", *(["by"] if by else []), *(["reason"] if reasons else []))
    for event, at in zip(found, times, strict=True):
        where = " ".join(name for name in (event.port, event.device) if name)
        text = f"{where}: {event.message}" if where else event.message
        who = [event.user or ""] if by else []
        why = [event.reason or ""] if reasons else []
        add_row(events, at, event.kind, text, *who, *why)
    results().print(events)


def _refuse_unknown(kind: str) -> None:
    if kind not in {each.value for each in EventKind}:
        raise ConfigError(f"--kind: unknown kind {kind!r}", hint=f"Kinds: {', '.join(EventKind)}")

"""``riglog info``: what a recording contains."""

import click

from riglog.cli.console import (
    add_row,
    format_value,
    plain,
    plural,
    print_json,
    print_warning,
    results,
    row_channel,
    table,
)
from riglog.cli.local_time import format_local, local
from riglog.cli.options import json_option
from riglog.cli.sizes import format_bytes
from riglog.model import ClockState
from riglog.recordings import Contents, contents
from riglog.recordings.local_times import offset_text

SHOWN_NOTES = 5


@click.command("info", short_help="Show what a recording contains.")
@click.argument("files", metavar="FILE…", type=click.Path(readable=False), nargs=-1, required=True)
@json_option
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Show the runs of the recording FILE, the newest value of every channel, the equipment and the notes.

    The file may be growing. Times are local, with the offset from UTC.
    """
    found = [contents(file) for file in files]
    if as_json:
        print_json(found[0] if len(found) == 1 else found)
        return
    for number, each in enumerate(found):
        if number:
            results().print()
        _print(each)


def _print(found: Contents) -> None:
    schema = "" if found.schema is None else f", schema {found.schema}"
    facts = [
        f"{found.format}{schema}",
        format_bytes(found.bytes),
        plural(found.rows, "row"),
        plural(len(found.runs), "run"),
    ]
    results().print(f"{found.path}: {', '.join(facts)}", soft_wrap=True)
    if found.head is not None:
        results().print(f"Head of its seals: {found.head}", soft_wrap=True)
    for check in found.clock:
        state = ClockState(
            synchronized=check.synchronized, offset_ns=check.offset_ns, error_ns=check.error_ns, method=check.method
        )
        where = f" of run {plain(check.run)}" if len(found.runs) > 1 else ""
        results().print(f"Clock{where}: {state} at {format_local(check.at)}", soft_wrap=True)
    if found.damaged_lines:
        print_warning(f"{found.path}: {found.damaged_lines} damaged lines skipped")
    results().print()
    print_runs(found)
    results().print()
    received = [local(row.received_at) for row in found.latest]
    days = {f"{moment:%Y-%m-%d} {offset_text(moment)}" for moment in received}
    same_day = f"received {days.pop()}" if len(days) == 1 else None  # said once, so that a row fits into one line
    newest = table("device", "channel", "newest value", "unit", "status", same_day or "received")
    for row in found.latest:
        name = row_channel(row)
        value = format_value(row.value, row.text) if row.value is not None else (row.text or "-")
        at = f"{local(row.received_at):%H:%M:%S}" if same_day else format_local(row.received_at)
        add_row(newest, row.device, name, value, row.unit or "", row.status, at)
    results().print(newest)
    if found.equipment:
        results().print()
        print_equipment(found)
    if found.notes:
        results().print()
        notes = table("time", "author", "note", title=plural(len(found.notes), "note"))
        for note in found.notes[-SHOWN_NOTES:]:
            add_row(notes, format_local(note.at), note.author or "", note.text)
        results().print(notes)


def print_runs(found: Contents) -> None:
    """Print a line for each run."""
    by = any(run.user for run in found.runs)
    reasons = any(run.reason for run in found.runs)
    more = [*(["by"] if by else []), *(["reason"] if reasons else [])]
    runs = table("run", "started", "ended", "rows", "channels", "rate", *more)
    for run in found.runs:
        ended = format_local(run.finished_at) if run.finished_at else f"open, last row {format_local(run.last_row_at)}"
        rate = "-" if run.rate_hz is None else f"{run.rate_hz:g} Hz"
        who = [*([run.user or ""] if by else []), *([run.reason or ""] if reasons else [])]
        add_row(runs, run.run, format_local(run.started_at), ended, run.rows, run.channels, rate, *who)
    results().print(runs)
    for run in found.runs:
        if run.source is not None:
            results().print(f"{plain(run.run)} was corrected; its source is {plain(run.source)}", soft_wrap=True)


def print_equipment(found: Contents) -> None:
    """Print a line for each certificate of each instrument."""
    listed = table("device", "model", "serial number", "certificate", "valid until")
    for each in found.equipment:
        model = " ".join(filter(None, (each.manufacturer, each.model)))
        until = f"{each.valid_until or ''}{' (overdue)' if each.overdue else ''}"
        add_row(listed, each.device, model, each.serial_number or "", each.certificate or "", until)
    results().print(listed)

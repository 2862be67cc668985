"""``riglog tail``: the newest rows of a recording."""

import time
from collections.abc import Iterable
from pathlib import Path

import click

from riglog.cli.console import print_json, results, row_channel
from riglog.cli.local_time import format_local
from riglog.cli.options import json_option, require_matching_rows
from riglog.cli.screen import STDOUT, printable
from riglog.errors import ConfigError
from riglog.recordings import NoteRow, newest_rows, read_notes, rows_since
from riglog.sinks.formats import format_of
from riglog.sinks.part_names import parts, parts_after
from riglog.sinks.rows import Row, as_json_object
from riglog.sinks.sqlite.reader import SQLITE_FORMAT

LOOK_SECONDS = 0.5


@click.command("tail", short_help="Print the newest rows of a recording.")
@click.argument("file", type=click.Path(readable=False))
@click.option("-n", "--rows", "count", default=10, type=click.IntRange(min=1), show_default=True, help="How many rows.")
@click.option("-f", "--follow", is_flag=True, help="Print further rows as they are recorded, until Ctrl-C.")
@json_option
def command(file: str, count: int, follow: bool, as_json: bool) -> None:
    """Print the newest rows of the recording FILE with the notes among them, oldest first. Times are local.

    The first file of a rotation stands for all of them.
    """
    if follow and as_json:
        raise ConfigError("--follow: cannot be combined with --json", hint="Remove one of them")
    files = parts(Path(file)) or [Path(file)]
    found = _newest_rows(files, count)
    if not found and not follow:
        require_matching_rows(file)
    if as_json:
        print_json([{"run": row.run, **as_json_object(row)} for row in found])
        return
    oldest = min((row.received_at for row in found), default="")
    notes = _notes(files)
    _print(found, [note for note in notes if note.at >= oldest])
    if follow:
        _follow(Path(file), files[-1], found, notes)


def _newest_rows(files: list[Path], count: int) -> list[Row]:
    """Return the newest rows of all files, oldest first; as many files are read as it takes."""
    found: list[Row] = []
    for file in reversed(files):
        found = newest_rows(file, count - len(found)) + found
        if len(found) == count:
            break
    return found


def _notes(files: Iterable[Path]) -> list[NoteRow]:
    return [note for file in files if format_of(file) is SQLITE_FORMAT for note in read_notes(file)]


def _follow(first: Path, newest: Path, found: list[Row], notes: list[NoteRow]) -> None:
    """Print new rows and notes, also of further files. Rows of the newest time seen are read again, and compared."""
    since = max((row.received_at for row in found), default="1970-01-01T00:00:00Z")
    seen = {_key(row) for row in found if row.received_at == since}
    while STDOUT.error is None:
        time.sleep(LOOK_SECONDS)
        files = [newest, *parts_after(first, newest)]
        rows = [row for file in files for row in rows_since(file, since) if _key(row) not in seen]
        newest = files[-1]
        known, notes = notes, _notes(parts(first) or [first])
        _print(rows, [note for note in notes if note not in known])
        last = max((row.received_at for row in rows), default=since)
        seen = {_key(row) for row in rows if row.received_at == last} | (seen if last == since else set())
        since = last


def _key(row: Row) -> tuple[object, ...]:
    return row.run, row.device, row.parameter, row.instance, row.received_at, row.midpoint_at, row.tick


def _print(rows: list[Row], notes: list[NoteRow]) -> None:
    """Print rows in their order, and each note before the first row that is later."""
    waiting = list(notes)
    for row in rows:
        while waiting and waiting[0].at <= row.received_at:
            _print_line(_note_line(waiting.pop(0)))
        _print_line(_row_line(row))
    for note in waiting:
        _print_line(_note_line(note))


def _print_line(text: str) -> None:
    results().print(printable(text), markup=False, soft_wrap=True)


def _note_line(note: NoteRow) -> str:
    about = f" {note.device}" if note.device else ""
    return f"{format_local(note.at, milliseconds=True)} note{about} {note.author}: {note.text}"


def _row_line(row: Row) -> str:
    value = (
        "--"
        if row.value is None and row.text is None
        else " ".join(str(part) for part in (row.value, row.text, row.unit) if part is not None)
    )
    reason = f": {row.error}" if row.error else ""
    status = "" if row.status == "ok" else f" ({row.status}{reason})"
    return f"{format_local(row.received_at, milliseconds=True)} {row.device}.{row_channel(row)} {value}{status}"

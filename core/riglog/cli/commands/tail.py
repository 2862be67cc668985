"""``riglog tail``: the newest rows of a recording."""

import time

import click

from riglog.cli.console import print_json, results, row_channel
from riglog.cli.local_time import format_local
from riglog.cli.options import json_option
from riglog.cli.screen import STDOUT
from riglog.errors import ConfigError
from riglog.recordings import newest_rows, rows_since
from riglog.sinks.rows import Row, as_json_object

LOOK_SECONDS = 0.5


@click.command("tail", short_help="Print the newest rows of a recording.")
@click.argument("file", type=click.Path(readable=False))
@click.option("-n", "--rows", "count", default=10, type=click.IntRange(min=1), show_default=True, help="How many rows.")
@click.option("-f", "--follow", is_flag=True, help="Print further rows as they are recorded, until Ctrl-C.")
@json_option
def command(file: str, count: int, follow: bool, as_json: bool) -> None:
    """Print the newest rows of the recording FILE, oldest first. Times are local, with the offset from UTC."""
    if follow and as_json:
        raise ConfigError("--follow: cannot be combined with --json", hint="Remove one of them")
    found = newest_rows(file, count)
    if as_json:
        print_json([{"run": row.run, **as_json_object(row)} for row in found])
        return
    _print(found)
    if follow:
        _follow(file, found)


def _follow(file: str, found: list[Row]) -> None:
    """Print new rows. Those of the newest time seen are read again, and compared."""
    since = max((row.received_at for row in found), default="1970-01-01T00:00:00Z")
    seen = {_key(row) for row in found if row.received_at == since}
    while STDOUT.error is None:
        time.sleep(LOOK_SECONDS)
        rows = [row for row in rows_since(file, since) if _key(row) not in seen]
        _print(rows)
        newest = max((row.received_at for row in rows), default=since)
        seen = {_key(row) for row in rows if row.received_at == newest} | (seen if newest == since else set())
        since = newest


def _key(row: Row) -> tuple[object, ...]:
    return row.run, row.device, row.parameter, row.instance, row.received_at, row.tick


def _print(rows: list[Row]) -> None:
    for row in rows:
        name = row_channel(row)
        value = (
            "--"
            if row.value is None and row.text is None
            else " ".join(str(part) for part in (row.value, row.text, row.unit) if part is not None)
        )
        reason = f": {row.error}" if row.error else ""
        status = "" if row.status == "ok" else f" ({row.status}{reason})"
        at = format_local(row.received_at, milliseconds=True)
        results().print(f"{at} {row.device}.{name} {value}{status}", markup=False, soft_wrap=True)

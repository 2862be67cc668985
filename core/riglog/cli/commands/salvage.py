"""``riglog salvage``: copies what can be read of a damaged recording into a new one."""

import click
from msgspec import to_builtins

from riglog.cli.console import plain, plural, print_json, results
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.options import json_option
from riglog.recordings import salvage


@click.command("salvage", short_help="Copy what can be read of a damaged recording into a new one.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "-o", "--out", required=True, type=click.Path(readable=False), help="The new recording. It must not exist."
)
@json_option
def command(file: str, out: str, as_json: bool) -> int:
    """Copy what can be read of the damaged recording FILE, in SQLite or Parquet, into a new recording of its kind.

    FILE is not changed. Rows that cannot be read, or that do not belong to a known channel, are left out and counted.
    """
    found = salvage(file, out)
    code = DONE if found.complete else INCOMPLETE
    if as_json:
        print_json(to_builtins(found))
        return code
    counts = f"{plural(found.rows, 'row')}, {plural(found.events, 'event')} and {plural(found.runs, 'run')}"
    results().print(f"{counts} copied to {plain(out)}.", soft_wrap=True)
    if found.complete:
        results().print("Nothing was unreadable.")
    else:
        damaged = [f"{plural(found.rejected, 'damaged row')}"] if found.rejected else []
        unreadable = [f"all rows at {plural(found.gaps, 'place')} that cannot be read"] if found.gaps else []
        left_out = ", and ".join(damaged + unreadable)
        results().print(f"Not copied: {left_out}. Missing slots are in `riglog gaps {plain(out)}`.", soft_wrap=True)
    return code

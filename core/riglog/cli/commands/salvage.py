"""``riglog salvage``: copies what can be read of a damaged recording into a new one."""

import click
from msgspec import to_builtins

from riglog.cli.console import plural, print_json, results
from riglog.cli.errors import DONE
from riglog.cli.options import json_option
from riglog.recordings import salvage


@click.command("salvage", short_help="Copy what can be read of a damaged recording into a new one.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--out", required=True, type=click.Path(readable=False), help="The new recording. It must not exist.")
@json_option
def command(file: str, out: str, as_json: bool) -> int:
    """Copy what can be read of the damaged SQLite recording FILE into a new recording.

    FILE is not changed. Rows that cannot be read, or that do not belong to a known channel, are left out and counted.
    """
    found = salvage(file, out)
    if as_json:
        print_json(to_builtins(found))
        return DONE
    results().print(
        f"{plural(found.rows, 'row')}, {plural(found.events, 'event')} and {plural(found.runs, 'run')} copied to {out}."
    )
    if found.complete:
        results().print("Nothing was unreadable.")
    else:
        results().print(
            f"Not copied: {plural(found.rejected, 'row')} that are not sound, and the rows at"
            f" {plural(found.gaps, 'place')} that cannot be read. Missing slots are in `riglog gaps {out}`."
        )
    return DONE

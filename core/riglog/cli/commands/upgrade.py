"""``riglog upgrade``: copies a recording of an earlier schema into a new file of the present one."""

import click

from riglog.cli.console import plain, plural, print_json, results
from riglog.cli.options import json_option
from riglog.recordings import upgrade


@click.command("upgrade", short_help="Copy a recording of an earlier schema into a new file.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "-o", "--out", type=click.Path(readable=False), help="The new file. Default: NAME-schema-2.sqlite in its folder."
)
@json_option
def command(file: str, out: str | None, as_json: bool) -> None:
    """Copy the SQLite recording FILE of an earlier schema into a new file, and compare both row by row.

    FILE is not changed. Every command reads it as before; the new file is read faster, and can be continued.
    """
    done = upgrade(file, out)
    if as_json:
        print_json(done)
        return
    counts = f"{plural(done.rows, 'row')}, {plural(done.events, 'event')} and {plural(done.runs, 'run')}"
    results().print(f"{counts} copied to {plain(done.out)}, and compared.", soft_wrap=True)

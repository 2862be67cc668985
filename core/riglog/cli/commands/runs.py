"""``riglog runs``: the runs of a recording."""

import click

from riglog.cli.commands.info import print_runs
from riglog.cli.console import print_json
from riglog.cli.options import json_option
from riglog.recordings import contents


@click.command("runs", short_help="List the runs of a recording.")
@click.argument("file", type=click.Path(readable=False))
@json_option
def command(file: str, as_json: bool) -> None:
    """List the runs of the recording FILE: when each started and ended, its rows, channels and rate."""
    found = contents(file)
    if as_json:
        print_json(found.runs)
        return
    print_runs(found)

"""``riglog cut``: a small recording around a row, without names and serial numbers."""

from functools import partial

import anyio
import click

from riglog.cli.console import plain, plural, print_json, print_warning, results
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.cli.options import json_option
from riglog.rig.cutting import cut
from riglog.testing.virtual_time import virtual_backend


@click.command("cut", short_help="Cut out a small recording for a bug report.")
@click.argument("file", type=click.Path(readable=False))
@click.option("--around", "row", metavar="ROW", required=True, help="The row, as for `riglog explain`.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    help="So many seconds before the row, and after it. Default: 10.",
)
@click.option(
    "-o", "--out", required=True, type=click.Path(readable=False), help="The new recording. It must not exist."
)
@json_option
def command(file: str, row: str, seconds: float, out: str, as_json: bool) -> int:
    """Write what was on the port of a ROW of the SQLite recording FILE around it, without names and serial numbers.

    ROW is DEVICE.PARAMETER@TIME, or DEVICE.PARAMETER@last. `riglog redecode` decodes the new recording. Exit code 1: a
    serial number is still in the bytes. FILE is not changed.
    """
    backend, options = virtual_backend("asyncio")  # waits of the drivers take no time
    work = partial(cut, file, row, out, seconds=seconds)
    found = anyio.run(work, backend=backend, backend_options=options)
    code = INCOMPLETE if found.left else DONE
    if as_json:
        print_json(found)
        return code
    counts = f"{plural(found.rows, 'row')} and {plural(found.transactions, 'transaction')}"
    replies = plural(found.replaced, "reply", "replies")
    results().print(f"{plain(out)}: {counts}; serial numbers replaced in {replies}.", soft_wrap=True)
    if found.left:
        print_warning(f"{out}: serial numbers are still in {found.left} of the different replies")
    return code

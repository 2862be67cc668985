"""``riglog redecode``: today's decoders over the bytes of a recording."""

from functools import partial

import anyio
import click
from msgspec import to_builtins

from riglog.cli.console import add_row, plain, plural, print_json, print_warning, results, table
from riglog.cli.errors import CHANGED, DONE, INCOMPLETE
from riglog.cli.options import json_option
from riglog.rig.correcting import Corrected, write_corrected
from riglog.rig.redecoding import Content, Redecoded, redecode
from riglog.testing.virtual_time import virtual_backend

SHOWN = 50


@click.command("redecode", short_help="Decode the kept bytes again, and show what is different.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "--write",
    "out",
    metavar="NEW",
    type=click.Path(readable=False),
    help="Write a corrected recording. It must not exist.",
)
@json_option
def command(file: str, out: str | None, as_json: bool) -> int:
    """Decode the requests and replies in the SQLite recording FILE with the drivers that are installed, and compare.

    Each row that would be different today is shown. No port is opened, and FILE is not changed. Exit code 5: rows are
    different; 1: not all rows could be compared; 0: no row is different, or all are corrected in NEW.
    """
    backend, options = virtual_backend("asyncio")  # waits of the drivers take no time
    corrected = None
    if out is None:
        found = anyio.run(partial(redecode, file), backend=backend, backend_options=options)
    else:
        corrected = anyio.run(partial(write_corrected, file, out), backend=backend, backend_options=options)
        found = corrected.found
    code = INCOMPLETE if found.not_decoded or found.problems else DONE
    if found.different and corrected is None:
        code = CHANGED
    if as_json:
        print_json(to_builtins(found if corrected is None else corrected))
        return code
    _show(file, found)
    if corrected is not None:
        _show_written(file, corrected)
    for problem in found.problems:
        print_warning(f"{file}: cannot be decoded: {problem}")
    return code


def _show(file: str, found: Redecoded) -> None:
    if found.differences:
        shown = table("device", "channel", "received", "stored", "today")
        for each in found.differences[:SHOWN]:
            name = f"{each.parameter}[{each.instance}]"
            add_row(shown, each.device, name, each.received_at, _text(each.stored), _text(each.today))
        results().print(shown)
    lines = f"{plain(file)}: {plural(found.rows, 'row')} compared, {found.different} different today"
    results().print(f"{lines}, {found.not_decoded} not decoded.", soft_wrap=True)
    if found.unproven:
        results().print(f"The proofs of {plural(found.unproven, 'row')} could not be repeated; the values are equal.")


def _show_written(file: str, corrected: Corrected) -> None:
    if corrected.out is None:
        results().print("No row is different: nothing was written.")
        return
    counts = f"{plural(corrected.found.different, 'row')} corrected, {corrected.derived} computed again"
    if corrected.not_computed:
        counts += f", {corrected.not_computed} without a value because an input was corrected"
    lines = f"{plain(corrected.out)}: {counts}, {corrected.carried} as they were. {plain(file)} is as it was."
    results().print(lines, soft_wrap=True)


def _text(content: Content | None) -> str:
    return "no value" if content is None else " ".join(str(part) for part in content if part not in (None, "")) or "-"

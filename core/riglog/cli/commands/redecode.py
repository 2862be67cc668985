"""``riglog redecode``: today's decoders over the bytes of a recording."""

from functools import partial

import anyio
import click
from msgspec import to_builtins

from riglog.cli.console import add_row, plain, plural, print_json, print_warning, results, table
from riglog.cli.errors import CHANGED, DONE, INCOMPLETE
from riglog.cli.options import json_option
from riglog.rig.redecoding import Content, redecode

SHOWN = 50


@click.command("redecode", short_help="Decode the kept bytes again, and show what is different.")
@click.argument("file", type=click.Path(readable=False))
@json_option
def command(file: str, as_json: bool) -> int:
    """Decode the requests and replies in the SQLite recording FILE with the drivers that are installed, and compare.

    Each row that would be different today is shown. No port is opened, and FILE is not changed. Exit code 5: rows are
    different; 1: none is, but not all rows could be compared.
    """
    found = anyio.run(partial(redecode, file))
    code = CHANGED if found.different else INCOMPLETE if found.not_decoded or found.problems else DONE
    if as_json:
        print_json(to_builtins(found))
        return code
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
    for problem in found.problems:
        print_warning(f"{file}: cannot be decoded: {problem}")
    return code


def _text(content: Content | None) -> str:
    return "no value" if content is None else " ".join(str(part) for part in content if part not in (None, "")) or "-"

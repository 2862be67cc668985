"""``riglog verify``: whether a recording is as it was sealed."""

from functools import partial

import anyio
import click
from msgspec import to_builtins

from riglog.cli.console import plain, plural, print_json, print_warning, results
from riglog.cli.errors import CHANGED, DONE, INCOMPLETE
from riglog.cli.local_time import format_local
from riglog.cli.options import json_option
from riglog.recordings import Verified, contents, verify
from riglog.sinks.postgres.forwarder import SCHEMA
from riglog.sinks.postgres.witness import witnessed_heads


@click.command("verify", short_help="Check that a recording is as it was sealed.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "--head", "heads", metavar="HASH", multiple=True, help="A head that was noted elsewhere; may be repeated."
)
@click.option("--witness", metavar="URL", help="A database to which FILE was forwarded.")
@click.option("--schema", default=SCHEMA, show_default=True, help="The schema with its tables.")
@click.option("--key", type=click.Path(readable=False), help="File with the public key that must have signed.")
@json_option
def command(file: str, heads: tuple[str, ...], witness: str | None, schema: str, key: str | None, as_json: bool) -> int:
    """Compare every block of the SQLite recording FILE with its seal.

    FILE may be growing; it is not changed. Exit code 5: something is not as it was sealed. 1: nothing is wrong, but
    runs were recorded without seals.
    """
    known = list(heads)
    if witness is not None:
        runs = [run.run for run in contents(file).runs]
        known += anyio.run(partial(witnessed_heads, witness, runs, schema=schema))
        if not known:
            print_warning(f"{file}: the database has no head of its runs")
    found = verify(file, heads=known, key=key)
    code = CHANGED if found.changed else DONE if found.complete else INCOMPLETE
    if as_json:
        print_json(to_builtins(found))
        return code
    for line in _lines(found, compared=bool(known or key)):
        results().print(line, soft_wrap=True)
    for problem in found.problems:
        print_warning(f"{file}: not as it was sealed: {problem}")
    for run in found.unsealed_runs:
        print_warning(f"{file}: run {run} was recorded without seals: nothing is known about it")
    return code


def _lines(found: Verified, *, compared: bool) -> list[str]:
    if found.head is None:
        return [f"{plain(found.path)}: no seals."]
    lines = [f"{plain(found.path)}: {plural(found.blocks, 'block')}, {plural(found.rows, 'row')}."]
    if found.wrong_blocks:
        first = found.wrong[0]
        where = f" of run {plain(first.run)}" if first.run else ""
        span = f", {format_local(first.since)} to {format_local(first.until)}" if first.since and first.until else ""
        lines.append(f"[bold red]Block {first.block}{where} is not as it was sealed[/]{span}.")
        until = f", up to {format_local(found.proven_until)}" if found.proven_until else ""
        lines.append(f"As they were sealed: the {plural(found.proven_blocks, 'block')} before it{until};")
        behind = found.blocks - found.proven_blocks - found.wrong_blocks
        lines.append(f"and {behind} of the {plural(found.blocks - found.proven_blocks - 1, 'block')} after it.")
        others = ", ".join(str(each.block) for each in found.wrong[1:])
        if others:
            more = f" and {found.wrong_blocks - len(found.wrong)} more" if found.wrong_blocks > len(found.wrong) else ""
            lines.append(f"Also not as they were sealed: block {others}{more}.")
    elif not found.problems:
        lines.append("All blocks are as they were sealed.")
    lines.append(f"Head: {found.head}")
    if found.signed:
        lines.append(f"Signed up to block {found.signed} of {found.blocks} by {', '.join(found.keys)}.")
    if not found.signatures_checked:
        lines.append('Its signatures were not checked: pip install "riglog[sign]".')
    if found.heads_found:
        lines.append(
            f"Up to block {found.witnessed} of {found.blocks}, it is the file whose heads were noted elsewhere."
        )
    if not compared:
        lines.append(
            "Not compared with a head from elsewhere (--head, --witness) or a key (--key): who can write the file can"
        )
        lines.append("also seal it again.")
    return lines

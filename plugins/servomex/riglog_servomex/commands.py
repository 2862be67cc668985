"""``riglog servomex …``: what only a user of an analyser needs."""

import re

import click

from riglog.errors import ConfigError


@click.group("servomex")
def servomex() -> None:
    """Servomex analysers: look into their frames."""


@servomex.command("decode")
@click.argument("frame", nargs=-1, required=True)
@click.option("--first", default="I1", show_default=True, help="Channel at which a Modbus reply begins.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(frame: tuple[str, ...], first: str, as_json: bool) -> None:
    """Explain one FRAME: hex digits, or the text of a broadcast line or of a Modbus ASCII frame."""
    import msgspec

    from riglog_servomex.decode import explain
    from riglog_servomex.positions import find_position

    try:
        facts = list(explain(wire_bytes(" ".join(frame)), find_position(first)))
    except ConfigError as error:
        raise click.UsageError(f"{error}" + (f"; {error.hint}" if error.hint else "")) from None
    if as_json:
        click.echo(msgspec.json.encode(dict(facts)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for fact in facts:
        table.add_row(*fact)
    Console(highlight=False).print(table)


def wire_bytes(text: str) -> bytes:
    """Hex digits with or without blanks, or the frame as text with its line end left out."""
    digits = re.sub(r"\s|0x", "", text)
    if re.fullmatch(r"([0-9A-Fa-f]{2})+", digits):
        return bytes.fromhex(digits)
    line = text.strip("\r\n").encode("latin-1", "replace")
    return line + b"\r\n" if line.startswith(b":") else b" " + line.lstrip(b" ")

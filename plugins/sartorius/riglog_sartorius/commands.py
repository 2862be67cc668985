"""``riglog sartorius …``: what only Sartorius users need at the prompt."""

import click

ESCAPES = (("\\x1b", "\x1b"), ("\\r", "\r"), ("\\n", "\n"))


@click.group()
def sartorius() -> None:
    """Sartorius balances."""


@sartorius.command()
@click.argument("data")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def decode(data: str, as_json: bool) -> None:
    """Explain bytes of xBPI or SBI.

    DATA is hex (0b4148… or 0b 41 48 …), or text of SBI lines with \\r\\n and \\x1b written as such; a text without an
    end of line is taken as one whole line.
    """
    from riglog_sartorius.decode import explain

    explained = explain(bytes_of(data))
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(explained), indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for number, entry in enumerate(explained, 1):
        if len(explained) > 1:
            table.add_row(f"{number} of {len(explained)}", "")
        for name, value in entry.items():
            table.add_row(name, escape(str(value)))
    Console(highlight=False).print(table)


def bytes_of(data: str) -> bytes:
    """Hex if it can be hex, text otherwise."""
    try:
        return bytes.fromhex(data.replace(":", " "))
    except ValueError:
        pass
    for written, meant in ESCAPES:
        data = data.replace(written, meant)
    raw = data.encode("latin-1", "replace")
    return raw if raw.endswith(b"\r\n") or raw.startswith(b"\x1b") else raw + b"\r\n"

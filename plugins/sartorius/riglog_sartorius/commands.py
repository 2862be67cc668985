"""The commands ``riglog sartorius …``."""

import click

ESCAPES = (("\\x1b", "\x1b"), ("\\r", "\r"), ("\\n", "\n"))


@click.group()
def sartorius() -> None:
    """Sartorius balances."""


@sartorius.command()
@click.argument("data")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(data: str, as_json: bool) -> None:
    """Decode xBPI or SBI bytes.

    DATA is hex (0b4148… or 0b 41 48 …) or SBI text, with \\r\\n and \\x1b as escapes. Text without a line end is
    decoded as one complete line.
    """
    from riglog.cli.output import print_facts, print_json
    from riglog_sartorius.decode import explain

    explained = explain(bytes_of(data))
    if as_json:
        print_json(explained)
        return
    count = len(explained)
    print_facts(
        *({f"{number} of {count}": ""} | entry for number, entry in enumerate(explained, 1)) if count > 1 else explained
    )


def bytes_of(data: str) -> bytes:
    """Return the bytes of hex, or of text if it is not hex."""
    try:
        return bytes.fromhex(data.replace(":", " "))
    except ValueError:
        pass
    for written, meant in ESCAPES:
        data = data.replace(written, meant)
    raw = data.encode("latin-1", "replace")
    return raw if raw.endswith(b"\r\n") or raw.startswith(b"\x1b") else raw + b"\r\n"

"""The commands ``riglog sartorius …``."""

from typing import Any

import click

from riglog.cli.options import configure_options

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


@sartorius.command("configure", short_help="Change baud rate, node number or protocol.")
@configure_options
def configure(**arguments: Any) -> int:
    """Change baudrate, address or protocol of a balance over xBPI, and check that the same balance responds.

    --address and --option state how it is reached now, KEY=VALUE what it is to be: baudrate=19200.
    """
    from riglog.cli.configure import LinkSettings
    from riglog.cli.configure import configure as configured
    from riglog_sartorius.maintenance import MOVABLE, changes, move_link, new_config, read_settings

    settings = LinkSettings(MOVABLE, new_config, changes, read_settings, move_link, power_cycle=True)
    return configured("sartorius", settings, **arguments)


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

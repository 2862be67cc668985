"""``riglog servomex …``: what only a user of an analyser needs."""

import re

import click


@click.group("servomex", short_help="Servomex gas analysers.")
def servomex() -> None:
    """Servomex analysers: which mode one is in, and what its frames say."""


@servomex.command("detect", short_help="Find out which mode an analyser is in.")
@click.option("--port", required=True, envvar="RIGLOG_PORT", help="Device path, COM port, tcp://host:port.")
@click.option("--address", default=1, show_default=True, help="Modbus unit to ask.")
@click.option("--baudrate", default=19200, show_default=True)
@click.option("--period", type=float, help="Seconds between broadcasts, if it may be a slow one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def detect(port: str, address: int, baudrate: int, period: float | None, as_json: bool) -> None:
    """Print the protocol an analyser's panel is set to. Listens first, then asks; nothing is changed."""
    import anyio
    import msgspec

    from riglog.transport import Link, open_transport
    from riglog_servomex.config import CONTINUOUS
    from riglog_servomex.probe import detect

    async def found() -> str:
        link = Link(protocol=CONTINUOUS, baudrate=baudrate)
        transport = await open_transport(port, link)
        try:
            return await detect(transport, link, unit=address, period=period)
        finally:
            await transport.aclose()

    protocol = anyio.run(found)
    click.echo(msgspec.json.encode({"port": port, "protocol": protocol}) if as_json else protocol)


@servomex.command("decode", short_help="Explain one frame.")
@click.argument("frame", nargs=-1, required=True)
@click.option("--first", default="I1", show_default=True, help="Channel at which a Modbus reply begins.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(frame: tuple[str, ...], first: str, as_json: bool) -> None:
    """Explain one FRAME: hex digits, or the text of a broadcast line or of a Modbus ASCII frame."""
    import msgspec

    from riglog_servomex.decode import explain
    from riglog_servomex.positions import find_position

    facts = list(explain(wire_bytes(" ".join(frame)), find_position(first)))
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

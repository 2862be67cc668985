"""``riglog servomex …``: commands that only a user of an analyzer needs."""

import re

import click


@click.group("servomex", short_help="Servomex gas analyzers.")
def servomex() -> None:
    """Servomex analyzers: detect the communication mode, decode frames."""


@servomex.command("detect", short_help="Detect the communication mode of an analyzer.")
@click.option("--port", required=True, envvar="RIGLOG_PORT", help="Device path, COM port, tcp://host:port.")
@click.option("--address", default=1, show_default=True, help="Modbus unit identifier to probe.")
@click.option("--baudrate", default=19200, show_default=True, help="Baud rate that is selected on the analyzer.")
@click.option("--period", type=float, help="Broadcast period in seconds, if it is longer than usual.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def detect(port: str, address: int, baudrate: int, period: float | None, as_json: bool) -> None:
    """Print the protocol selected on the analyzer. Listens first, then sends read requests; nothing is changed."""
    import anyio

    from riglog.cli.output import print_json
    from riglog.protocol import Connection
    from riglog.transport import Link, open_transport
    from riglog_servomex.config import CONTINUOUS
    from riglog_servomex.probe import detect

    async def detected() -> str:
        link = Link(protocol=CONTINUOUS, baudrate=baudrate)
        transport = await open_transport(port, link)
        try:
            return await detect(Connection(transport, link), unit=address, period=period)
        finally:
            await transport.aclose()

    protocol = anyio.run(detected)
    if as_json:
        print_json({"port": port, "protocol": protocol})
    else:
        click.echo(protocol)


@servomex.command("decode", short_help="Decode one frame.")
@click.argument("frame", nargs=-1, required=True)
@click.option(
    "--first",
    default="I1",
    show_default=True,
    help="First channel of the Modbus reply (the reply itself does not contain it).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(frame: tuple[str, ...], first: str, as_json: bool) -> None:
    """Decode one FRAME: hex digits, or the text of a broadcast line or Modbus ASCII frame."""
    from riglog.cli.output import print_facts, print_json
    from riglog_servomex.decode import decode_frame
    from riglog_servomex.positions import find_position

    facts = dict(decode_frame(bytes_of(" ".join(frame)), find_position(first)))
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def bytes_of(text: str) -> bytes:
    """Return the bytes of a frame given as hex digits with or without blanks, or as text without its line end."""
    digits = re.sub(r"\s|0x", "", text)
    if re.fullmatch(r"([0-9A-Fa-f]{2})+", digits):
        return bytes.fromhex(digits)
    line = text.strip("\r\n").encode("latin-1", "replace")
    return line + b"\r\n" if line.startswith(b":") else b" " + line.lstrip(b" ")

"""``riglog raw``: sends one frame and shows everything that is received."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from riglog.cli.console import channel_name, format_value
from riglog.cli.errors import DEVICE, DONE, print_error
from riglog.cli.options import device_options, device_spec, json_option
from riglog.cli.output import print_facts, print_json
from riglog.cli.signals import run
from riglog.errors import ConfigError

if TYPE_CHECKING:
    from riglog.manager.raw_exchange import RawExchange


@click.command("raw", short_help="Send one frame and show what is received.")
@device_options
@click.argument("command", nargs=-1)
@click.option("--frame", metavar="HEX", help="Send these bytes as they are, instead of COMMAND.")
@click.option("--confirm", is_flag=True, help="Confirm that the frame may change the instrument.")
@json_option
def command(**arguments: Any) -> int:
    """Send COMMAND once, and show what was sent and received.

    COMMAND is in the terms of the protocol: "input 0 7" for Modbus, "read setpoint 1" for Watlow Standard Bus, "x1_"
    for Sartorius SBI, "1E 09 30" for xBPI.
    """
    return run(lambda _: _raw(**arguments))


async def _raw(
    driver: str,
    port: str | None,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    command: tuple[str, ...],
    frame: str | None,
    confirm: bool,
    as_json: bool,
) -> int:
    from riglog.manager.port_opening import reader_of
    from riglog.manager.raw_exchange import raw_exchange

    spec = device_spec(driver, port, protocol, address, options)
    if (frame is None) == (not command):
        raise ConfigError("give a command or --frame", hint=f"A command is {reader_of(spec).command_help}")
    exchange = await raw_exchange(spec, command, frame=None if frame is None else _bytes(frame), confirm=confirm)
    if as_json:
        print_json(_as_json(exchange))
    else:
        print_facts(*_groups(exchange))
    if exchange.problem is not None:
        print_error(exchange.problem, None if exchange.received else "Check power, wiring, address and protocol")
        return DEVICE
    return DONE


def _bytes(text: str) -> bytes:
    try:
        data = bytes.fromhex(text.replace("0x", "").replace(":", " "))
    except ValueError:
        data = b""
    if not data:
        raise ConfigError(
            f"--frame: invalid value {text!r}", hint="Give bytes as hexadecimal digits: 01 03 00 00 00 02"
        )
    return data


def _groups(exchange: "RawExchange") -> Iterator[Mapping[str, object]]:
    asked = {} if exchange.asked is None else {"request": exchange.asked.text}
    yield {"sent": exchange.sent.hex(" "), **asked, **_shown(exchange.fields)}
    received: dict[str, object] = {"received": exchange.received.hex(" ") or "nothing"}
    if exchange.pieces:
        received["first byte after"] = _ms(exchange.pieces[0][0])
        received["last byte after"] = _ms(exchange.pieces[-1][0])
    if exchange.echo:
        received["echo"] = "the adapter returned the frame"
    yield received
    for frame, fields in exchange.frames:
        yield {frame.kind.value: frame.text, **_shown(fields)}
    for sample in exchange.samples:
        flags = f" ({' '.join((sample.status.value, *sample.flags))})" if sample.status.value != "ok" else ""
        value = f"{format_value(sample.value, sample.text)} {sample.unit or ''}".rstrip()
        yield {f"value of {channel_name(sample.channel)}": f"{value}{flags}"}


def _shown(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: field for name, field in fields.items() if name != "kind"}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _as_json(exchange: "RawExchange") -> dict[str, object]:
    return {
        "sent": exchange.sent.hex(),
        "request": exchange.fields,
        "received": exchange.received.hex(),
        "pieces": [{"after_s": seconds, "bytes": data.hex()} for seconds, data in exchange.pieces],
        "echo": exchange.echo,
        "frames": [
            {"kind": frame.kind.value, "bytes": frame.raw.hex(), "text": frame.text, "fields": fields}
            for frame, fields in exchange.frames
        ],
        "problem": exchange.problem,
    }

"""Who is there: listening first, then harmless questions. Nothing is ever written.

Source: Servomex wire specification, section 13.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from msgspec.structs import replace

from riglog.errors import ProtocolError, ReplyTimeoutError
from riglog.model import SYSTEM_CLOCK, Clock
from riglog.plugin import Client, Found
from riglog.protocol import ProtocolClient
from riglog.protocol.modbus import ModbusExceptionError
from riglog.transport import Link, Transport
from riglog_servomex.broadcast import BroadcastCodec
from riglog_servomex.config import ASCII, CONTINUOUS, RTU
from riglog_servomex.frame import Frame
from riglog_servomex.positions import POSITIONS, REGISTERS
from riglog_servomex.reading import MODEL
from riglog_servomex.text import decode_unit

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient

LISTEN_SECONDS = 5.0
"""A little more than two of the usual periods; a slower broadcaster needs longer."""

UNITS = (*range(1, 17), 30)
"""Addresses that are asked: the usual ones, and the one that was met."""

PATIENCE = 0.2
ASKED_SECONDS = 0.5
TEST_DATA = b"\xab\xcd"
"""Neither ``:`` nor CR nor LF: an analyser in ASCII mode must not take it for a frame."""


async def detect(
    transport: Transport, link: Link, *, unit: int = 1, period: float | None = None, clock: Clock = SYSTEM_CLOCK
) -> str:
    """The protocol that the panel is set to, on an open port with the right serial settings.

    Args:
        period: seconds between frames, if it may be a slow broadcaster: it is listened to for two of them.

    Raises:
        ReplyTimeoutError: it says nothing of itself, and answers nothing.
    """
    from riglog.protocol.modbus.client import ModbusClient

    seconds = max(LISTEN_SECONDS, 2 * (period or 0.0) + 1)
    if await probe_broadcast(ProtocolClient(transport, BroadcastCodec(), clock=clock), link, seconds=seconds):
        return CONTINUOUS
    for protocol in (RTU, ASCII):
        client = ModbusClient(transport, replace(link, protocol=protocol), clock=clock)
        try:
            await client.unit(unit, timeout=PATIENCE, least=ASKED_SECONDS, retries=2).diag_query_data(TEST_DATA)
        except ModbusExceptionError:
            pass  # it answers, and that is the question
        except ProtocolError:
            continue
        return protocol
    raise ReplyTimeoutError(
        f"nothing heard for {seconds:g} s, and no answer over {RTU} and {ASCII}",
        hint="check power, wiring, baud rate and address; a slow broadcaster needs its period",
        port=transport.port,
        address=unit,
    )


async def probe_broadcast(client: Client, link: Link, *, seconds: float = LISTEN_SECONDS) -> Sequence[Found]:
    """Listen for one good frame. ``seconds`` must be more than two periods of the broadcast, which go up to 9999 s."""
    with anyio.move_on_after(seconds):
        while True:
            line = (await client.listen()).reply
            if isinstance(line, Frame):
                return [Found(CONTINUOUS, None, f"{MODEL} with {' '.join(line.blocks)}", _settings(link))]
    return []


async def probe_modbus(client: "ModbusClient", link: Link, *, units: Sequence[int] = UNITS) -> Sequence[Found]:
    """Ask each unit for an echo; whoever answers, with an exception too, is looked at more closely."""
    found = []
    for unit in units:
        slave = client.unit(unit, timeout=PATIENCE)
        try:
            await slave.diag_query_data(TEST_DATA)
        except ModbusExceptionError:
            pass
        except ProtocolError:
            continue
        if await _is_analyser(client, unit):
            settings = {"address": unit, **_settings(link)}
            found.append(Found(link.protocol, unit, MODEL, settings))
    return found


async def _is_analyser(client: "ModbusClient", unit: int) -> bool:
    """The external inputs are in every analyser, and are in mA; other makers' slaves have something else there."""
    first = POSITIONS["E1"].number * REGISTERS
    try:
        reply = (await client.unit(unit, timeout=1.0).read_input_registers(first, count=2 * REGISTERS)).reply
    except (ProtocolError, ModbusExceptionError):
        return False
    data = b"".join(register.to_bytes(2, "big") for register in reply.registers)
    return [decode_unit(data[at : at + 4]).canonical for at in (10, 24)] == ["mA", "mA"]


def _settings(link: Link) -> dict[str, str | int | float | bool]:
    return {"protocol": link.protocol, "baudrate": link.baudrate}

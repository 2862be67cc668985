"""Which analyzers are connected: listens first, then sends harmless read requests. Nothing is ever written.

Source: Servomex wire specification, section 13.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from msgspec.structs import replace

from riglog.errors import ProtocolError, ReplyTimeoutError
from riglog.plugin import Found
from riglog.protocol import Connection
from riglog.protocol.modbus import ModbusExceptionError, connect_modbus
from riglog.transport import Link
from riglog_servomex.config import ASCII, CONTINUOUS, RTU
from riglog_servomex.continuous.codec import BroadcastClient
from riglog_servomex.continuous.frames import Frame
from riglog_servomex.positions import POSITIONS, REGISTERS
from riglog_servomex.samples import MODEL
from riglog_servomex.units import decode_unit

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient, ModbusUnit

LISTEN_SECONDS = 5.0
"""A little more than two of the usual periods; a slower broadcast needs longer."""

UNITS = (*range(1, 17), 30)
"""Addresses to probe: the usual addresses, and 30, which was observed."""

PROBE_TURNAROUND = 0.2
DETECT_TIMEOUT, DETECT_RETRIES = 0.5, 2
REGISTERS_TURNAROUND = 1.0
FIRST_EXTERNAL = POSITIONS["E1"].number * REGISTERS
TEST_DATA = b"\xab\xcd"
"""Neither ``:`` nor CR nor LF: an analyzer in ASCII mode must not take it for a frame."""


async def detect(connection: Connection, *, unit: int = 1, period: float | None = None) -> str:
    """Return the protocol that is selected on the panel.

    Args:
        connection: an open port with the right serial settings; the protocol of its link does not matter.
        unit: the Modbus unit identifier to probe.
        period: broadcast period in seconds, if it is longer than usual; two periods are listened for.

    Raises:
        ReplyTimeoutError: no broadcast, and no reply.
    """
    seconds = max(LISTEN_SECONDS, 2 * (period or 0.0) + 1)
    if await probe_broadcast(BroadcastClient(connection), seconds=seconds):
        return CONTINUOUS
    for protocol in (RTU, ASCII):
        client = connect_modbus(replace(connection, link=replace(connection.link, protocol=protocol)))
        server = client.unit(unit, timeout=PROBE_TURNAROUND, minimum_timeout=DETECT_TIMEOUT, retries=DETECT_RETRIES)
        if await _responds(server):
            return protocol
    raise ReplyTimeoutError(
        f"no broadcast within {seconds:g} s, and no reply over {RTU} or {ASCII}",
        hint="Check power, wiring, baud rate and address. For a slow broadcast give --period",
        port=connection.transport.port,
        address=unit,
    )


async def probe_broadcast(client: BroadcastClient, *, seconds: float = LISTEN_SECONDS) -> Sequence[Found]:
    """Listen for one valid frame.

    Args:
        seconds: more than two periods of the broadcast, which can be as long as 9999 s.
    """
    with anyio.move_on_after(seconds):
        while True:
            frame = (await client.listen()).reply
            if isinstance(frame, Frame):
                link = client.connection.link
                return [Found(CONTINUOUS, None, f"{MODEL} with {' '.join(frame.blocks)}", _settings(link))]
    return []


async def probe_modbus(client: "ModbusClient", *, units: Sequence[int] = UNITS) -> Sequence[Found]:
    """Send a loopback to each unit. If it responds, even with an exception, see whether it is an analyzer."""
    found = []
    for unit in units:
        if await _responds(client.unit(unit, timeout=PROBE_TURNAROUND)) and await _is_analyzer(client, unit):
            found.append(Found(client.link.protocol, unit, MODEL, {"address": unit, **_settings(client.link)}))
    return found


async def _responds(server: "ModbusUnit") -> bool:
    """Return True if the unit responds to a loopback, and to a read: an adapter can return a loopback, too."""
    try:
        await server.diag_query_data(TEST_DATA)
        await server.read_input_registers(FIRST_EXTERNAL)
    except ModbusExceptionError:
        return True
    except ProtocolError:
        return False
    return True


async def _is_analyzer(client: "ModbusClient", unit: int) -> bool:
    """Return True if both external inputs are in mA: every analyzer has them, other vendors' servers have not."""
    server = client.unit(unit, timeout=REGISTERS_TURNAROUND)
    try:
        reply = (await server.read_input_registers(FIRST_EXTERNAL, count=2 * REGISTERS)).reply
    except (ProtocolError, ModbusExceptionError):
        return False
    data = b"".join(register.to_bytes(2, "big") for register in reply.registers)
    return [decode_unit(data[at : at + 4]).canonical for at in (10, 24)] == ["mA", "mA"]


def _settings(link: Link) -> dict[str, str | int | float | bool]:
    return {"protocol": link.protocol, "baudrate": link.baudrate}

"""Finding controllers on a port, by reading only. Source: Watlow wire specification, section 12.1."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from riglog.errors import DeviceError, DeviceRefusedError, ProtocolError
from riglog.plugin import AnyClient, Found
from riglog.protocol import Connection, ProtocolClient
from riglog.protocol.modbus import connect_modbus
from riglog.transport import Link
from riglog_watlow.config import WatlowConfig
from riglog_watlow.connect import connect_stdbus, context_for
from riglog_watlow.device import Controller
from riglog_watlow.families import STDBUS, STDBUS_BAUDRATE, FamilyName
from riglog_watlow.modbus.setup import family_of
from riglog_watlow.stdbus.codec import StdBusReply, StdBusRequest, read_request

if TYPE_CHECKING:
    from riglog.protocol.modbus.client import ModbusClient

LINKS = (
    Link(protocol=STDBUS, baudrate=STDBUS_BAUDRATE),
    Link(protocol="modbus-rtu", baudrate=9600),
    Link(protocol="modbus-rtu", baudrate=9600, parity="E"),
    Link(protocol="modbus-rtu", baudrate=19200),
    Link(protocol="modbus-rtu", baudrate=38400),
)

HARDWARE_ID = 1001
STDBUS_TIMEOUT = 0.3
"""Seconds; a controller starts its reply within 0.25."""

STDBUS_ADDRESSES = range(1, 17)
MODBUS_ADDRESSES = range(1, 5)
"""A scan of all 247 would take minutes; the factory setting of a controller is 1."""

SD_VERSIONS = (10, 11, 13)
SD_FLAGS = (17, 18, 24, 25)
"""No register identifies a Series SD: its versions are not all 0, and these registers contain only 0 or 1."""


async def probe(connection: Connection) -> Sequence[Found]:
    """Return the controllers that respond; empty if there is none.

    Raises:
        ConnectionLostError: the port is gone.
    """
    if connection.link.protocol == STDBUS:
        return [found async for found in _probe_stdbus(connect_stdbus(connection))]
    return [found async for found in _probe_modbus(connect_modbus(connection))]


async def _probe_stdbus(client: ProtocolClient[StdBusRequest, StdBusReply]) -> AsyncIterator[Found]:
    for address in STDBUS_ADDRESSES:
        try:
            await client.transact(read_request(address, HARDWARE_ID), timeout=STDBUS_TIMEOUT)
        except ProtocolError:
            continue
        except DeviceRefusedError:
            pass  # an error code also shows that a controller received the frame
        controller = _controller(client, protocol=STDBUS, address=address)
        yield Found(STDBUS, address, await _identity(controller), {"protocol": STDBUS, "address": address})


async def _probe_modbus(client: "ModbusClient") -> AsyncIterator[Found]:
    link = client.link
    for address in MODBUS_ADDRESSES:
        try:
            family = await _family(client, address)
        except (ProtocolError, DeviceError):
            continue
        if family is None:
            continue
        settings: dict[str, str | int | float | bool] = {
            "protocol": link.protocol,
            "address": address,
            "family": family,
            "baudrate": link.baudrate,
        }
        if link.parity != "N":
            settings["parity"] = link.parity
        controller = _controller(client, protocol=link.protocol, address=address, family=family)
        identity: str = controller.facts.family
        with suppress(ProtocolError, DeviceError):
            await controller.open()
            identity = await _identity(controller)
        yield Found(link.protocol, address, identity, settings)


async def _family(client: "ModbusClient", address: int) -> FamilyName | None:
    """Return the family according to the first registers; Series SD if no register contradicts it."""
    unit = client.unit(address)
    try:
        words = list((await unit.read_holding_registers(0, count=2)).reply.registers)
    except DeviceRefusedError:
        words = None
    if (family := family_of(words)) is not None:
        return family

    async def read(register: int) -> int:
        return int((await unit.read_holding_registers(register, count=1)).reply.registers[0])

    versions = [await read(register) for register in SD_VERSIONS]
    flags = [await read(register) for register in SD_FLAGS]
    return "sd" if any(versions) and set(flags) <= {0, 1} else None


def _controller(client: AnyClient, **settings: Any) -> Controller:
    config = WatlowConfig(name="probe", driver="watlow", port=client.port, **settings)
    return Controller(config, client, context_for(config, client.clock))


async def _identity(controller: Controller) -> str:
    """Return model and serial number in one line; the family alone if it stops responding."""
    family = controller.facts.family
    with suppress(ProtocolError, DeviceError):
        identity = await controller.identify()
        model = identity.part_number.text if identity.part_number else identity.model or family
        return f"{model} {identity.serial or ''}".strip()
    return family

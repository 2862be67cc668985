"""Who answers on a port: read-only probes. Source: Watlow wire specification, section 12.1."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from riglog.errors import DeviceError, DeviceRefusedError, ProtocolError
from riglog.plugin import Client, Found
from riglog.transport import Link
from riglog_watlow.config import WatlowConfig
from riglog_watlow.controller import Controller
from riglog_watlow.driver import WatlowDriver
from riglog_watlow.families import STDBUS, FamilyName
from riglog_watlow.modbus.setup import family_of
from riglog_watlow.stdbus.access import StdBusAccess
from riglog_watlow.stdbus.codec import BAUDRATE, read_request

LINKS = (
    Link(protocol=STDBUS, baudrate=BAUDRATE),
    Link(protocol="modbus-rtu", baudrate=9600),
    Link(protocol="modbus-rtu", baudrate=9600, parity="E"),
    Link(protocol="modbus-rtu", baudrate=19200),
    Link(protocol="modbus-rtu", baudrate=38400),
)

HARDWARE_ID = 1001
STDBUS_TIMEOUT = 0.3
"""Seconds; a device begins its reply within 0.25."""

STDBUS_ADDRESSES = range(1, 17)
MODBUS_ADDRESSES = range(1, 5)
"""A scan of all 247 would take minutes; a controller leaves the shelf with address 1."""

SD_VERSIONS = (10, 11, 13)
SD_FLAGS = (17, 18, 24, 25)
"""A Series SD has nothing that says what it is: its versions are not all 0, and these registers only 0 or 1."""


async def probe(client: Client, link: Link) -> Sequence[Found]:
    """Everybody who answers; silence is no error.

    Raises:
        ConnectionLostError: the port is gone.
    """
    scan = _stdbus(client) if link.protocol == STDBUS else _modbus(client, link)
    return [found async for found in scan]


async def _stdbus(client: Client) -> AsyncIterator[Found]:
    for address in STDBUS_ADDRESSES:
        try:
            await client.transact(read_request(address, HARDWARE_ID), timeout=STDBUS_TIMEOUT)
        except ProtocolError:
            continue
        except DeviceRefusedError:
            pass  # an error code, too, says that somebody is there and understood the frame
        config = WatlowConfig(name="probe", driver="watlow", port=client.port, address=address)
        identity = await _said(Controller(config, StdBusAccess(client, address, None)))
        yield Found(STDBUS, address, identity, {"protocol": STDBUS, "address": address})


async def _modbus(client: Client, link: Link) -> AsyncIterator[Found]:
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
        yield Found(link.protocol, address, await _identity(client, link, address, family), settings)


async def _family(client: Client, address: int) -> FamilyName | None:
    """What the first registers say; for a Series SD the only proof is that nothing contradicts it."""
    from riglog.protocol.modbus.client import ModbusClient

    assert isinstance(client, ModbusClient)
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


async def _identity(client: Client, link: Link, address: int, family: FamilyName) -> str:
    config = WatlowConfig(
        name="probe", driver="watlow", port=client.port, protocol=link.protocol, address=address, family=family
    )
    controller = WatlowDriver().device(config, client)
    with suppress(ProtocolError, DeviceError):
        await controller.open()
        return await _said(controller)
    return config.facts.family


async def _said(controller: Controller) -> str:
    """What it is, in one line; the family alone if it falls silent."""
    family = controller.facts.family
    with suppress(ProtocolError, DeviceError):
        known = await controller.identify()
        what = known.part_number.text if known.part_number else known.model or family
        return f"{what} {known.serial or ''}".strip()
    return family

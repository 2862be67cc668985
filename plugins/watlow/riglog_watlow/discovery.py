"""Who answers on a port: read-only probes. Source: Watlow wire specification, section 12.1."""

from collections.abc import AsyncIterator, Sequence

from riglog.errors import DeviceError, DeviceRefusedError, ProtocolError
from riglog.plugin import Client, Found
from riglog.transport import Link
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS, FamilyName
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

SD_FLAGS = (17, 18, 24, 25)
"""Registers of a Series SD that can only be 0 or 1; it has nothing that says what it is."""


async def probe(client: Client, link: Link) -> Sequence[Found]:
    """Everybody who answers; silence is no error.

    Raises:
        ConnectionLostError: the port is gone.
    """
    scan = _stdbus(client) if link.protocol == STDBUS else _modbus(client, link)
    return [found async for found in scan]


async def _stdbus(client: Client) -> AsyncIterator[Found]:
    from riglog_watlow.controller import Controller
    from riglog_watlow.stdbus.access import StdBusAccess

    for address in STDBUS_ADDRESSES:
        try:
            await client.ask(read_request(address, HARDWARE_ID), timeout=STDBUS_TIMEOUT)
        except ProtocolError:
            continue
        except DeviceRefusedError:
            pass  # an error code, too, says that somebody is there and understood the frame
        config = WatlowConfig(name="probe", driver="watlow", port=client.port, address=address)
        known = await Controller(config, StdBusAccess(client, address, None)).identify()
        number = known.part_number.text if known.part_number else known.model
        identity = f"{number or known.family} {known.serial or ''}".strip()
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
    from riglog_watlow.modbus.setup import family_of

    assert isinstance(client, ModbusClient)
    unit = client.unit(address)
    try:
        words = list((await unit.read_holding_registers(0, count=2)).reply.registers)
    except DeviceRefusedError:
        words = None
    if (family := family_of(words)) is not None:
        return family
    for register in SD_FLAGS:
        if (await unit.read_holding_registers(register, count=1)).reply.registers[0] not in (0, 1):
            return None
    return "sd"


async def _identity(client: Client, link: Link, address: int, family: FamilyName) -> str:
    from riglog_watlow.driver import WatlowDriver

    config = WatlowConfig(
        name="probe", driver="watlow", port=client.port, protocol=link.protocol, address=address, family=family
    )
    try:
        serial = await WatlowDriver().device(config, client).identity()
    except (ProtocolError, DeviceError):
        serial = None
    return f"{config.facts.family} {serial or ''}".strip()

"""Moving a controller to another address, baud rate or protocol: write, reopen, see that it answers there.

Source: Watlow wire specification, sections 9.9 and 12.3. A unit ordered without Modbus stores the change and goes on
answering Standard Bus, so only talking the new protocol proves anything.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import anyio
from msgspec import structs

from riglog.device import Safety, require_confirmation
from riglog.errors import (
    ConfigError,
    DeviceError,
    ProtocolError,
    ReplyTimeoutError,
    UnsupportedError,
    WriteRefusedError,
    WrongInstrumentError,
)
from riglog.model import SYSTEM_CLOCK, Clock
from riglog.plugin import Client, configure
from riglog.transport import Link, Transport, open_transport
from riglog.transport.link import Parity
from riglog_watlow.config import WatlowConfig
from riglog_watlow.controller import Controller
from riglog_watlow.driver import WatlowDriver
from riglog_watlow.errors import LinkNotChangedError
from riglog_watlow.families import STDBUS
from riglog_watlow.parameters import PM, registry
from riglog_watlow.plan import Target
from riglog_watlow.writer import coded

OpenPort = Callable[[str, Link], Awaitable[Transport]]

SETTLE = 0.5
"""Seconds a controller gets to change over."""

ATTEMPTS = 3
PARITY_LABELS = {"N": "None", "E": "Even", "O": "Odd"}
SERIAL = "serial_number_int"
"""The serial number that both wires carry."""


async def move_link(
    config: WatlowConfig,
    *,
    address: int | None = None,
    protocol: str | None = None,
    baudrate: int | None = None,
    parity: Parity | None = None,
    confirm: bool = False,
    open_port: OpenPort = open_transport,
    clock: Clock = SYSTEM_CLOCK,
) -> WatlowConfig:
    """Change where and how an EZ-ZONE PM answers; the configuration with which it does.

    Nobody else may have the port open. Baud rate and parity are those of Modbus; Standard Bus has only one.

    Raises:
        ConfigError: nothing to change, or something this family does not have; nothing was sent.
        ConfirmationError: it may lose the controller, and nobody said ``confirm=True``.
        WriteRefusedError: another device answers at the new address; nothing was changed.
        LinkNotChangedError: it does not answer the new way; if it still answers the old way, it was set back.
    """
    wanted = _wanted(config, address, protocol, baudrate, parity)
    require_confirmation(Safety.DANGEROUS, "changing its link", confirm, device=config.name)
    async with _opened(config, open_port, clock) as (controller, client):
        serial = await _serial(controller)
        if wanted.address != config.address and wanted.wire_protocol == config.wire_protocol:
            await _require_free(client, wanted)
        previous = await _write(controller, _changes(config, wanted))
    await anyio.sleep(SETTLE)
    if await _answers(wanted, serial, open_port, clock):
        return wanted
    set_back = await _set_back(config, previous, open_port, clock)
    raise LinkNotChangedError(
        "it does not answer the new way" + (", but still the old way, and was set back" if set_back else ""),
        hint="was it ordered with Modbus?"
        if set_back
        else "power-cycle it, then try the new settings and the old ones",
        device=config.name,
        port=config.port,
    )


def _wanted(
    config: WatlowConfig, address: int | None, protocol: str | None, baudrate: int | None, parity: Parity | None
) -> WatlowConfig:
    if config.facts.family != PM:
        raise UnsupportedError(f"{config.facts.family} can only be set up at its panel")
    table = {key: value for key, value in structs.asdict(config).items() if value is not None}
    if protocol is not None and protocol != config.wire_protocol:
        for key in (
            "baudrate",
            "parity",
            "bytesize",
            "stopbits",
        ):  # those of the old protocol say nothing about the new
            table.pop(key, None)
    said = {"address": address, "protocol": protocol, "baudrate": baudrate, "parity": parity}
    table |= {key: value for key, value in said.items() if value is not None}
    wanted = cast(WatlowConfig, configure(WatlowDriver(), table, "new link"))
    if wanted.wire_protocol not in (STDBUS, "modbus-rtu"):
        raise ConfigError(f"a controller cannot be set to {wanted.wire_protocol}", hint="stdbus or modbus-rtu")
    if wanted.wire_protocol == STDBUS and (baudrate or parity):
        raise ConfigError("Standard Bus has one baud rate and no parity")
    if (wanted.place, WatlowDriver().link(wanted)) == (config.place, WatlowDriver().link(config)):
        raise ConfigError("nothing to change", hint="say another address, protocol, baudrate or parity")
    _changes(config, wanted)
    return wanted


def _changes(old: WatlowConfig, new: WatlowConfig) -> dict[Target, int]:
    """What to write: the settings of the new link, and the protocol last."""
    labels: dict[str, str | int] = {}
    if new.wire_protocol == STDBUS:
        labels["standard_bus_address"] = new.address
    else:
        link = WatlowDriver().link(new)
        labels["modbus_address"] = new.address
        labels["modbus_baud_rate"] = str(link.baudrate)
        labels["modbus_parity"] = PARITY_LABELS.get(link.parity, link.parity)
    if new.wire_protocol != old.wire_protocol:
        labels["comm_protocol"] = "Standard Bus" if new.wire_protocol == STDBUS else "Modbus"
    try:
        return {
            Target(parameter, old.comm_port): int(coded(parameter, label))
            for name, label in labels.items()
            if (parameter := registry(PM).find(name))
        }
    except WriteRefusedError as error:
        raise ConfigError(error.message, hint=error.hint) from None


async def _write(controller: Controller, changes: dict[Target, int]) -> dict[Target, int]:
    """Write what differs; what stood there before. Without a reply it may have moved already."""
    access, previous = controller.access, {}
    for target, value in changes.items():
        before = (await access.read([target], retries=1))[target].value
        if before == value:
            continue
        previous[target] = int(before)
        controller.wrote(f"{target} = {value}")
        try:
            await access.write(target, value)
        except ReplyTimeoutError:
            break
    return previous


async def _answers(config: WatlowConfig, serial: object, open_port: OpenPort, clock: Clock) -> bool:
    """Whether our controller, and no other, answers the way ``config`` says."""
    for attempt in range(ATTEMPTS):
        if attempt:
            await anyio.sleep(SETTLE)
        try:
            async with _opened(config, open_port, clock) as (controller, _):
                return serial is None or await _serial(controller) == serial
        except (ProtocolError, WrongInstrumentError):
            continue
    return False


async def _set_back(config: WatlowConfig, previous: dict[Target, int], open_port: OpenPort, clock: Clock) -> bool:
    try:
        async with _opened(config, open_port, clock) as (controller, _):
            await _write(controller, previous)
            return True
    except (ProtocolError, DeviceError):
        return False


async def _require_free(client: Client, wanted: WatlowConfig) -> None:
    """See that nobody answers where the controller shall go. Reads only."""
    neighbour = WatlowDriver().device(wanted, client)
    try:
        await neighbour.open()
    except ReplyTimeoutError:
        return
    except (ProtocolError, DeviceError):
        pass
    raise WriteRefusedError(f"another device answers at address {wanted.address}", port=wanted.port)


async def _serial(controller: Controller) -> object:
    try:
        return (await controller.read_parameter(SERIAL)).value
    except UnsupportedError:
        return None


@asynccontextmanager
async def _opened(config: WatlowConfig, open_port: OpenPort, clock: Clock) -> AsyncIterator[tuple[Controller, Client]]:
    driver = WatlowDriver()
    link = driver.link(config)
    transport = await open_port(config.port, link)
    try:
        client = driver.connect(link, transport)
        client.clock = clock
        controller = driver.device(config, client)
        await controller.open()
        yield controller, client
    finally:
        with anyio.CancelScope(shield=True):
            await transport.aclose()

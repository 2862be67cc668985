"""Moving a controller to another address, baud rate or protocol: write, reopen, see that it answers there.

A unit ordered without Modbus stores the change and goes on answering Standard Bus, so only talking the new protocol
proves anything. Source: Watlow wire specification, sections 9.9 and 12.3.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from riglog.device import Safety, require_confirmation
from riglog.errors import (
    DeviceError,
    ProtocolError,
    ReplyTimeoutError,
    UnsupportedError,
    WriteRefusedError,
    WrongInstrumentError,
)
from riglog.model import SYSTEM_CLOCK, Clock, Value
from riglog.plugin import Client
from riglog.transport import Link, Transport, open_transport
from riglog.transport.link import Parity
from riglog_watlow.config import WatlowConfig
from riglog_watlow.controller import Controller
from riglog_watlow.driver import WatlowDriver
from riglog_watlow.errors import LinkNotChangedError
from riglog_watlow.link_change import changes, moved
from riglog_watlow.plan import Target

OpenPort = Callable[[str, Link], Awaitable[Transport]]

SETTLE = 0.5
"""Seconds a controller gets to change over."""

ATTEMPTS = 3
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

    Nobody else may have the port open. Baud rate and parity are those of Modbus. With another protocol everything can
    be changed at once, otherwise one thing at a time.

    Raises:
        ConfigError, UnsupportedError: it cannot be set so; nothing was opened.
        ConfirmationError: it may lose the controller, and nobody said ``confirm=True``.
        WriteRefusedError: another device answers at the new address; nothing was changed.
        LinkNotChangedError: it does not answer the new way; if it still answers the old way, it was set back.
    """
    wanted = moved(config, address=address, protocol=protocol, baudrate=baudrate, parity=parity)
    require_confirmation(Safety.DANGEROUS, "changing its link", confirm, device=config.name)
    at = _Opener(open_port, clock)
    async with at(config) as (controller, client):
        serial = await _serial(controller)
        if wanted.address != config.address and wanted.wire_protocol == config.wire_protocol:
            await _require_free(client, wanted)
        before = await _write(controller, changes(config, wanted))
    await anyio.sleep(SETTLE)
    if await _answers(at, wanted, serial):
        return wanted
    if await _set_back(at, config, before):
        said, hint = "it still answers the old way, and was set back", "was it ordered with Modbus?"
    else:
        said, hint = "it does not answer the new way", "power-cycle it, then try the new settings and the old ones"
    raise LinkNotChangedError(said, hint=hint, device=config.name, port=config.port)


class _Opener:
    """Opens a port the way a configuration says, for as long as a block lasts."""

    def __init__(self, open_port: OpenPort, clock: Clock) -> None:
        self._open_port = open_port
        self._clock = clock

    @asynccontextmanager
    async def __call__(self, config: WatlowConfig) -> AsyncIterator[tuple[Controller, Client]]:
        driver = WatlowDriver()
        link = driver.link(config)
        transport = await self._open_port(config.port, link)
        try:
            client = driver.connect(link, transport)
            client.clock = self._clock
            controller = driver.device(config, client)
            await controller.open()
            yield controller, client
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()


async def _write(controller: Controller, wanted: dict[Target, int]) -> dict[Target, int]:
    """Write what differs; what stood there before. Without a reply it may have moved already."""
    access = controller.access
    before = {target: int((await access.read([target], retries=1))[target].value) for target in wanted}
    for target, value in wanted.items():
        if before[target] == value:
            continue
        controller.wrote(f"{target} = {value}")
        try:
            await access.write(target, value)
        except ReplyTimeoutError:
            break
    return before


async def _answers(at: _Opener, config: WatlowConfig, serial: Value) -> bool:
    """Whether our controller, and no other, answers the way ``config`` says."""
    for attempt in range(ATTEMPTS):
        if attempt:
            await anyio.sleep(SETTLE)
        try:
            async with at(config) as (controller, _):
                return serial is None or await _serial(controller) == serial
        except (ProtocolError, WrongInstrumentError):
            continue
    return False


async def _set_back(at: _Opener, config: WatlowConfig, before: dict[Target, int]) -> bool:
    try:
        async with at(config) as (controller, _):
            await _write(controller, before)
            return True
    except (ProtocolError, DeviceError):
        return False


async def _require_free(client: Client, wanted: WatlowConfig) -> None:
    """See that nobody answers where the controller shall go. Reads only."""
    try:
        await WatlowDriver().device(wanted, client).open()
    except ReplyTimeoutError:
        return
    except (ProtocolError, DeviceError):
        pass  # somebody said something
    raise WriteRefusedError(f"another device answers at address {wanted.address}", port=wanted.port)


async def _serial(controller: Controller) -> Value:
    try:
        return (await controller.read_parameter(SERIAL)).value
    except UnsupportedError:
        return None

"""Changing the communication settings of an instrument: reopen the port, and see whether the same instrument responds.

Only a reply with the new settings proves that they are in use.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

import anyio

from riglog.device import Device
from riglog.errors import DeviceError, ProtocolError
from riglog.model import Clock
from riglog.plugin import DeviceConfig
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedTransport, Simulator
from riglog.transport import Link, Transport

OpenPort = Callable[[str, Link], Awaitable[Transport]]

Settings = TypeVar("Settings", bound=DeviceConfig)
Opened = TypeVar("Opened", bound=Device)

CHANGE_SECONDS = 0.5
"""That an instrument gets to change its settings, and between two attempts."""

ATTEMPTS = 3


class SettingChange(NamedTuple):
    """One setting, as it is and as it will be."""

    name: str
    old: object
    new: object


class Reopener(Generic[Settings, Opened]):
    """Opens the port of an instrument with the settings of a configuration, for the duration of a block.

    Args:
        open_port: opens a port by its name and settings.
        link_of: return the settings of the port.
        device_at: return the device on an open port.
    """

    def __init__(
        self,
        open_port: OpenPort,
        clock: Clock,
        link_of: Callable[[Settings], Link],
        device_at: Callable[[Settings, Connection], Opened],
    ) -> None:
        self._open_port = open_port
        self._clock = clock
        self._link_of = link_of
        self._device_at = device_at

    @asynccontextmanager
    async def __call__(self, config: Settings) -> AsyncIterator[Opened]:
        link = self._link_of(config)
        transport = await self._open_port(config.port, link)
        try:
            device = self._device_at(config, Connection(transport, link, self._clock))
            await device.open()
            yield device
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()

    async def responds(
        self, config: Settings, is_same: Callable[[Opened], Awaitable[bool]], *, attempts: int = ATTEMPTS
    ) -> bool:
        """Return whether the same instrument responds with the settings of ``config``.

        Args:
            is_same: return whether a device that was opened is the same instrument. Reads only.
        """
        for attempt in range(attempts):
            if attempt:
                await anyio.sleep(CHANGE_SECONDS)
            try:
                async with self(config) as device:
                    return await is_same(device)
            except (ProtocolError, DeviceError):
                continue
        return False


class Rehearsal:
    """A simulated instrument in place of the port: the same steps, and nothing is sent to the instrument."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._wire = FaultyWire(simulator)

    async def open_port(self, port: str, link: Link) -> Transport:
        """Open the port of the simulated instrument."""
        self._wire.note_port(link.baudrate, link.parity)
        transport = SimulatedTransport(self._wire, port=port)
        transport.may_have_uart = False
        return transport

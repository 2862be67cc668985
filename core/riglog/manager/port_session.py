"""The devices of one port: one transport and one client, shared by all of them."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf

import anyio

from riglog.device import is_plugin_fault
from riglog.errors import ConnectionLostError, RiglogError
from riglog.log import get_logger
from riglog.manager.idle_time import IdleTime
from riglog.manager.managed_device import ManagedDevice, Report
from riglog.manager.mute import REOPENED
from riglog.manager.reconnectable import ReconnectableTransport
from riglog.manager.session import Session
from riglog.manager.time_limit import CLOSE_SECONDS
from riglog.model import Clock, Sample
from riglog.plugin import AnyClient
from riglog.protocol import Connection
from riglog.protocol.port_lock import wait_before_each_hold
from riglog.protocol.wire_log import Keep
from riglog.transport import Link, Transport

log = get_logger("riglog.manager")

Opener = Callable[[], Awaitable[Transport]]
ClientFactory = Callable[[Connection], AnyClient]


class PortSession(Session):
    """An open port. ``open`` makes its client.

    Args:
        opener: opens the port by the name that the user gave, also after a loss.
        keep: called with every transaction.
        read_only: requests that change an instrument are refused.
        owned: False for a transport that belongs to the caller: it is used, but neither closed nor opened again.
    """

    client: AnyClient

    def __init__(
        self,
        key: str,
        name: str,
        link: Link,
        factory: ClientFactory,
        opener: Opener,
        report: Report,
        clock: Clock,
        *,
        owned: bool = True,
        keep: Keep | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__(key, name, report, clock)
        self._keep = keep
        self._read_only = read_only
        self.link = link
        self.factory = factory
        self.opener = opener
        self.transport = ReconnectableTransport(name)
        self._owned = owned

    async def open(self) -> None:
        """Open the port and make its client.

        Raises:
            PortError: it cannot be opened.
        """
        self.transport.inner = await self.opener()
        self._connect()

    def begin_lost(self, error: RiglogError) -> None:
        super().begin_lost(error)
        self._connect()  # the client stays, as after a loss

    def _connect(self) -> None:
        self.client = self.factory(Connection(self.transport, self.link, self._clock))
        self.client.line.keep = self._keep
        self.client.line.read_only = self._read_only

    async def aclose(self) -> None:
        self._closed = True
        await self._release()

    async def poll(self, devices: Sequence[ManagedDevice], *, steadily: bool = False) -> list[Sample]:
        samples: list[Sample] = []
        if self._lost is None and not self._schedules:  # else they are opened between the polls
            await self._open_in_poll()
        absent = {device.name: device.absent_samples() for device in devices if device.absence is not None}
        if len(absent) == len(devices) and (self._schedules or self._lost is None):  # one of them may use the line
            self._polled()
            return [sample for rows in absent.values() for sample in rows]
        async with self.client.hold() as line:
            if not self._schedules:  # else the connection is looked after between the polls
                if await self._close_if_mute():
                    await self._handle_loss(ConnectionLostError(REOPENED, port=self.name))
                if self._lost is not None:
                    await self._try_reopen()
            for device in devices:
                if device.name in absent:  # also if it appears meanwhile: it was absent when the slot was due
                    samples += absent[device.name]
                    continue
                shared = partial(self._others_responding, device)
                samples += await self._attempt(device, partial(device.poll, line, shared=shared, steadily=steadily))
        self._polled()
        return samples

    async def settle(self, devices: Sequence[ManagedDevice]) -> None:
        if self._lost is not None or self._closed:
            return
        async with self.client.hold() as line:
            for device in devices:
                await device.settle(line)

    async def _verify(self, device: ManagedDevice) -> None:
        async with self.client.hold() as line:
            seconds = self._idle_seconds()  # the line may have been in use until now
            if seconds >= device.identity.needs_seconds:
                with anyio.move_on_after(seconds):
                    await device.verify_identity(line)

    async def _look_for_loss(self) -> None:
        async with self.client.hold():
            await self._close_if_mute()
            self.transport.look_for_loss()

    async def _open_absent(self, device: ManagedDevice) -> None:
        assert device.absence is not None
        forced = device.absence.is_forced(self._now())
        idle = IdleTime(self.client, partial(self._idle_for, device), self._wait_for_poll, unlimited=forced)
        if not forced and not (device.absence.is_due(self._now()) and idle.fits):
            return
        try:
            with idle.scope, wait_before_each_hold(idle.admit):
                await device.appear()
        except ConnectionLostError:
            raise
        except BaseException as error:
            if not is_plugin_fault(error):
                raise
        if device.absence is not None:
            complete = not idle.scope.cancelled_caught
            device.absence.attempted(self._now(), complete=complete, forced=forced)

    async def _open_in_poll(self) -> None:
        """Open absent devices before a poll that no recorder has scheduled."""
        try:
            await self._open_absent_devices()
        except ConnectionLostError as error:
            await self._handle_loss(error)

    def _idle_for(self, device: ManagedDevice) -> float:
        """Return the seconds until the line is needed for another device; infinite if all others are absent."""
        others = any(other.absence is None for other in self.devices.values() if other is not device)
        return self._idle_seconds() if others else inf

    def _can_be_mute(self) -> bool:
        return self._owned and self.transport.can_be_mute

    def _others_responding(self, device: ManagedDevice) -> bool:
        """True if another device of the port has to wait while this one does not respond."""
        return any(not other.suspended for other in self.devices.values() if other is not device)

    async def _reopen(self) -> None:
        if not self._owned:
            raise self._lost or ConnectionError
        opened = await self.opener()
        if self._closed:  # meanwhile
            await opened.aclose()
            raise self._lost or ConnectionError
        self.transport.inner = opened
        self.client.reopened()

    async def _release(self) -> None:
        if self._owned:
            with anyio.move_on_after(CLOSE_SECONDS) as scope:
                await self.transport.aclose()
            if scope.cancelled_caught:
                log.warning("%s: the port did not close within %g s", self.name, CLOSE_SECONDS)
        elif self._closed:
            self.transport.inner = None

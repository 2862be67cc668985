"""What all sessions have in common: the loss of a connection, and the one way back, for polling and for listening."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import anyio

from riglog.device import is_plugin_fault
from riglog.errors import ConnectionLostError
from riglog.log import get_logger
from riglog.manager.managed_device import ManagedDevice, Report
from riglog.model import NS, Clock, EventKind, Sample, Status

log = get_logger("riglog.manager")

RETRY_SECONDS = (0.1, 0.2, 0.5)
"""Between two attempts to open a lost connection; the last one until it is restored."""


class Session(ABC):
    """The devices behind one connection. A lost connection costs rows of status skipped, and is opened again.

    Attributes:
        key: identifies the connection in the rig.
        name: what the user calls it, for messages and rows.
        owns_devices: False if the caller has opened the devices, and will close them.
    """

    owns_devices = True

    def __init__(self, key: str, name: str, report: Report, clock: Clock) -> None:
        self.key = key
        self.name = name
        self.devices: dict[str, ManagedDevice] = {}
        self._report = report
        self._clock = clock
        self._lost: ConnectionLostError | None = None
        self._closed = False
        self._attempts = 0
        self._next_attempt = 0.0

    @abstractmethod
    async def poll(self, devices: Sequence[ManagedDevice]) -> list[Sample]:
        """Return one sample per channel of these devices, which are polled in turn."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection if it belongs to the session. Polls after that give rows, and do not open it again."""

    @abstractmethod
    async def _reopen(self) -> None:
        """Open the lost connection again; any exception means that it is not there yet."""

    @abstractmethod
    async def _release(self) -> None:
        """Close what is left of a lost connection."""

    async def next_samples(self, device: ManagedDevice) -> Sequence[Sample]:
        """Return what a device that sets its own pace sends next. During a loss there is one row per channel only."""
        while self._lost is not None:
            await self._try_reopen()
            if self._lost is not None:
                await anyio.sleep(RETRY_SECONDS[0])
        return await self._attempt(device, device.listen)

    async def _attempt(
        self, device: ManagedDevice, take: Callable[[], Awaitable[Sequence[Sample]]]
    ) -> Sequence[Sample]:
        """Take samples if the connection is there. Every loss is handled here."""
        if self._lost is None:
            try:
                return await take()
            except ConnectionLostError as error:
                await self._handle_loss(error)
        assert self._lost is not None
        return device.missing(Status.SKIPPED, self._lost.message)

    async def _handle_loss(self, error: ConnectionLostError) -> None:
        """Release the connection at once, and report the loss."""
        self._lost = error
        self._attempts = 0
        self._schedule_attempt()
        for device in self.devices.values():
            device.require_identity_check()
        if self._closed:
            return
        self._report(EventKind.PORT_LOST, error.message, None)
        with suppress(Exception):  # a lost connection may not even close
            await self._release()

    async def _try_reopen(self) -> None:
        """Open the connection again, if an attempt is due."""
        if self._closed or self._now() < self._next_attempt:
            return
        try:
            await self._reopen()
        except BaseException as error:  # an adapter that is just being plugged in fails in many ways
            if not is_plugin_fault(error):
                raise
            log.debug("%s: not yet restored: %s", self.name, error)
            self._schedule_attempt()
            return
        self._restored()

    def _restored(self) -> None:
        self._lost = None
        for device in self.devices.values():
            device.retry_now()
        self._report(EventKind.PORT_RESTORED, "connection restored", None)

    def _schedule_attempt(self) -> None:
        """Set the time of the next attempt: soon at first, later seldom enough for the operating system."""
        self._next_attempt = self._now() + RETRY_SECONDS[min(self._attempts, len(RETRY_SECONDS) - 1)]
        self._attempts += 1

    def _now(self) -> float:
        return self._clock.monotonic_ns() / NS

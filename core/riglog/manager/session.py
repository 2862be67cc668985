"""What all sessions have in common: the loss of a connection, and the one way back, for polling and for listening.

While devices are recorded, ``maintain`` runs beside the polls of a session and uses the time between them: it notices a
loss, opens the connection again at once, and checks identities where the next slot leaves time for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from math import inf

import anyio

from riglog.device import Pace, is_plugin_fault
from riglog.errors import ConnectionLostError, RiglogError
from riglog.log import get_logger
from riglog.manager.managed_device import ManagedDevice, Report
from riglog.manager.mute import NOT_REOPENED, QUIET_ATTEMPTS, REOPENED, RESPONDING, MuteConnection
from riglog.model import NS, Clock, EventKind, Sample, Status

log = get_logger("riglog.manager")

RETRY_SECONDS = (0.1, 0.2, 0.5)
"""Between two attempts to open a lost connection; the last one until it is restored."""
LOSS_CHECK_SECONDS = 5.0
"""Without a poll, after which a connection is checked for a loss."""
MIN_PAUSE_SECONDS = 0.001
"""Between two rounds of ``maintain``: clocks differ by rounding."""

NextDue = Callable[[], int]
"""Returns when the next slot of a source is due, on the monotonic clock; not in the future while it is polled."""


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
        self._never_opened: RiglogError | None = None  # why not
        self._closed = False
        self._attempts = 0
        self._next_attempt = 0.0
        self._reopening = False
        self._mute = MuteConnection()
        self._closed_as_mute = False  # not reported: it is opened again at once
        self._schedules: list[NextDue] = []
        self._maintenance = anyio.Lock()
        self._wake = anyio.Event()
        self._poll_ended: anyio.Event | None = None  # while somebody waits for it
        self._last_poll = self._now()

    @abstractmethod
    async def poll(self, devices: Sequence[ManagedDevice], *, steadily: bool = False) -> list[Sample]:
        """Return one sample per channel of these devices, which are polled in turn.

        Args:
            steadily: see ``Device.poll_steadily``.
        """

    @abstractmethod
    async def settle(self, devices: Sequence[ManagedDevice]) -> None:
        """Make the checks that samples of earlier polls wait for; see ``Device.settle``."""

    def begin_lost(self, error: RiglogError) -> None:
        """Begin without the connection, which could not be opened: it is opened as after a loss."""
        self._lost = ConnectionLostError(error.message)
        self._never_opened = error
        self._schedule_attempt()

    @property
    def lost(self) -> RiglogError | None:
        """Why there is no connection; None: there is one."""
        return self._never_opened or self._lost

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection if it belongs to the session. Polls after that give rows, and do not open it again."""

    @abstractmethod
    async def _reopen(self) -> None:
        """Open the lost connection again; any exception means that it is not there yet."""

    @abstractmethod
    async def _open_absent(self, device: ManagedDevice) -> None:
        """Make an attempt to open an absent device; other devices of the session wait for it only if it is overdue.

        Raises:
            ConnectionLostError: the connection is gone.
        """

    @abstractmethod
    async def _release(self) -> None:
        """Close what is left of a lost connection."""

    @abstractmethod
    async def _verify(self, device: ManagedDevice) -> None:
        """Check the identity of a device between two polls; see ``ManagedDevice.verify_identity``."""

    async def _look_for_loss(self) -> None:
        """Notice without a request that the connection is gone.

        Raises:
            ConnectionLostError: it is.
        """
        return None

    def _can_be_mute(self) -> bool:
        """Return True if opening the connection again can help while no device responds."""
        return False

    def _must_reopen(self) -> bool:
        """Return True if no device has responded for so long that the connection is to be opened again."""
        usable = self._lost is None and not self._closed
        return usable and self._can_be_mute() and self._mute.must_reopen(self._now())

    async def _close_if_mute(self) -> bool:
        """Close the connection if no device responds over it: whoever uses it next notices the loss."""
        if not self._must_reopen():
            return False
        self._closed_as_mute = True
        await self._release()
        return True

    def _note_responses(self) -> None:
        """Note after a poll whether any device responds."""
        if self._lost is None:
            responding = not all(device.suspended for device in self.devices.values())
            if self._mute.note(self._now(), responding=responding):
                self._report(EventKind.PORT_RESTORED, RESPONDING, None)

    async def maintain(self, next_due: NextDue) -> None:
        """Use the time between the polls of a source, until cancelled. Of several sources, one does it for all."""
        self._schedules.append(next_due)
        try:
            async with self._maintenance:
                while True:
                    wake = self._wake
                    seconds = await (self._reconnect() if self._lost is not None else self._use_idle_time())
                    with anyio.move_on_after(max(seconds, MIN_PAUSE_SECONDS)):
                        await wake.wait()
        finally:
            self._schedules.remove(next_due)

    async def _reconnect(self) -> float:
        """Make an attempt to open the lost connection, if one is due. Return the seconds until the next one."""
        await self._try_reopen()
        if self._closed:
            return inf
        return self._next_attempt - self._now() if self._lost is not None else 0.0

    async def _use_idle_time(self) -> float:
        """Do what is due, if the next slot leaves time for it. Return the seconds until there is more to do."""
        now = self._now()
        try:
            if now >= self._last_poll + LOSS_CHECK_SECONDS or self._must_reopen():
                self._last_poll = now
                await self._look_for_loss()
            for device in [device for device in self.devices.values() if device.responding]:
                if device.device.pace is Pace.DEVICE:  # a request could end its output
                    continue
                if device.identity.is_due(self._now()) and self._idle_seconds() >= device.identity.needs_seconds:
                    await self._verify(device)
            await self._open_absent_devices()
        except ConnectionLostError as error:
            await self._handle_loss(error)
            return 0.0
        later = [due for due in self._due_times() if due > self._now()]  # what is due waits for the end of a poll
        return min([*later, self._last_poll + LOSS_CHECK_SECONDS]) - self._now()

    def _due_times(self) -> Iterator[float]:
        """Return when there is something to do between two polls, in seconds."""
        if self._can_be_mute() and self._mute.reopen_at is not None:
            yield self._mute.reopen_at
        for device in self.devices.values():
            if device.absence is not None:
                yield from device.absence.due_times
            elif (check := device.identity.next_check) is not None:
                yield check

    async def _open_absent_devices(self) -> None:
        """Make the attempts that are due.

        Raises:
            ConnectionLostError: the connection is gone.
        """
        for device in list(self.devices.values()):
            if device.absence is not None:
                await self._open_absent(device)

    def _idle_seconds(self) -> float:
        """Return the seconds until the next slot of any source is due; negative during a poll."""
        return min((next_due() / NS for next_due in self._schedules), default=inf) - self._now()

    def _polled(self) -> None:
        """Note that a poll has ended: what is due can be done until the next slot."""
        self._last_poll = now = self._now()
        self._note_responses()
        if any(due <= now for due in self._due_times()):
            self._wake_up()
        if self._poll_ended is not None:
            self._poll_ended.set()
            self._poll_ended = None

    async def _wait_for_poll(self) -> None:
        """Wait for the end of a poll of this session."""
        if self._poll_ended is None:
            self._poll_ended = anyio.Event()
        await self._poll_ended.wait()

    def _wake_up(self) -> None:
        self._wake.set()
        self._wake = anyio.Event()

    async def next_samples(self, device: ManagedDevice) -> Sequence[Sample]:
        """Return what a device that sets its own pace sends next.

        During a loss, and while the device is absent, there is one row per channel only.
        """
        if device.absence is not None and not device.absence.has_rows:
            device.absence.has_rows = True
            return device.absent_samples()
        while self._lost is not None or device.absence is not None:
            if self._lost is not None:
                await self._try_reopen()
            elif device.absence is not None:
                await self._open_for_listening(device)
            if self._lost is not None or device.absence is not None:
                await anyio.sleep(RETRY_SECONDS[0])
        await self._close_if_mute()
        samples = await self._attempt(device, device.listen)
        self._note_responses()
        return [] if self._closed_as_mute else samples

    async def _open_for_listening(self, device: ManagedDevice) -> None:
        try:
            await self._open_absent(device)
        except ConnectionLostError as error:
            await self._handle_loss(error)

    async def _attempt(
        self, device: ManagedDevice, take: Callable[[], Awaitable[Sequence[Sample]]]
    ) -> Sequence[Sample]:
        """Take samples if the connection and the device are there. Every loss is handled here."""
        if device.absence is not None:
            return device.absent_samples()
        lost = self._lost
        if lost is None:
            try:
                return await take()
            except ConnectionLostError as error:
                await self._handle_loss(error)
                lost = self._lost or error  # it can be open again: closing it took longer
        return device.missing(Status.SKIPPED, lost.message)

    async def _handle_loss(self, error: ConnectionLostError) -> None:
        """Release the connection at once, and report the loss."""
        if self._lost is not None:  # noticed by a poll and between two polls at the same time
            return
        self._lost = ConnectionLostError(REOPENED, port=self.name) if self._closed_as_mute else error
        self._attempts = 0
        self._schedule_attempt()
        for device in self.devices.values():
            device.require_identity_check()
        self._wake_up()
        if self._closed:
            return
        if not self._closed_as_mute:
            self._report(EventKind.PORT_LOST, error.message, None)
        with suppress(Exception):  # a lost connection may not even close
            await self._release()

    async def _try_reopen(self) -> None:
        """Open the connection again, if an attempt is due and none is under way."""
        if self._closed or self._reopening or self._now() < self._next_attempt:
            return
        self._reopening = True
        try:
            await self._reopen()
        except BaseException as error:  # an adapter that is just being plugged in fails in many ways
            if not is_plugin_fault(error):
                raise
            log.debug("%s: not yet restored: %s", self.name, error)
            if self._never_opened is not None:
                self._note_still_absent(error)
            self._schedule_attempt()
            if self._closed_as_mute and self._attempts > QUIET_ATTEMPTS:
                self._closed_as_mute = False
                self._report(EventKind.PORT_LOST, NOT_REOPENED, None)
            return
        finally:
            self._reopening = False
        self._restored()

    def _note_still_absent(self, error: BaseException) -> None:
        """Give the devices of a connection that was never open the reason of the last attempt."""
        for device in self.devices.values():
            device.note_still_absent(error)

    def _restored(self) -> None:
        self._lost = None
        for device in self.devices.values():
            device.retry_now()
        if self._never_opened is not None:  # what is news is the device
            self._never_opened = None
            return
        if self._closed_as_mute:
            self._closed_as_mute = False
            self._mute.note_reopened(self._now())
            return
        self._mute = MuteConnection()
        self._report(EventKind.PORT_RESTORED, "connection restored", None)

    def _schedule_attempt(self) -> None:
        """Set the time of the next attempt: soon at first, later seldom enough for the operating system."""
        self._next_attempt = self._now() + RETRY_SECONDS[min(self._attempts, len(RETRY_SECONDS) - 1)]
        self._attempts += 1

    def _now(self) -> float:
        return self._clock.monotonic_ns() / NS

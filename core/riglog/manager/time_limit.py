"""How long the core waits for the code of a plugin: longer than an honest call needs, but not for ever."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from riglog.device import DRIVER_ERROR, Device, Pace, PortDevice
from riglog.errors import DeviceError
from riglog.protocol.line import MAX_HOLD_OFFS
from riglog.transport.event_loop import asyncio_loop

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

CLOSE_SECONDS = 2.0
"""For closing one device or one port."""
OPEN_SECONDS = 120.0
"""For opening a device, at least."""
OPEN_TRANSACTIONS = 40
POLL_SECONDS = 30.0
"""For one poll of a device on a port, at least: other devices of the port wait for it."""
DIRECT_POLL_SECONDS = 300.0
"""For one poll of a device without a port, for which no other device waits."""
TRANSACTIONS_PER_CHANNEL = 2
MORE_TRANSACTIONS = 5
CANCEL_AGAIN_SECONDS = 0.1
"""A call that goes on after it was cancelled is cancelled again."""


class OverdueError(DeviceError):
    """A call of a plugin did not return within ``seconds``; it was cancelled."""

    def __init__(self, message: str, /, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


async def within(seconds: float | None, call: Awaitable[T], what: str) -> T:
    """Return the result of a call of a plugin.

    Args:
        seconds: None: no limit.
        what: the method, such as ``poll()``.

    Raises:
        OverdueError: it took longer than ``seconds``.
    """
    if seconds is None:
        return await call
    with anyio.move_on_after(seconds):
        return await call
    raise _overdue(what, seconds)


def _overdue(what: str, seconds: float) -> OverdueError:
    return OverdueError(f"{DRIVER_ERROR}: {what} did not return within {seconds:g} s", seconds=seconds)


class TimeLimit:
    """As ``within``, for the polls of one device on a port, which take turns.

    A cancel scope of anyio for each poll costs as much as all that the line does for a transaction (7 of 85 us). On an
    event loop of asyncio, one timer is therefore for all polls of a device, as nearly none of them is overdue.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None  # that makes the call under way
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None  # for this deadline, or that of an earlier call
        self._cancelled = 0  # how often the call under way was cancelled, by this time limit

    async def within(self, seconds: float, call: Awaitable[T], what: str) -> T:
        """Return the result of a call.

        Raises:
            OverdueError: it took longer than ``seconds``.
        """
        loop = self._loop = self._loop or asyncio_loop()
        if loop is None or self._task is not None:
            return await within(seconds, call, what)
        import asyncio

        task = self._task = asyncio.current_task(loop)
        assert task is not None
        by_others = task.cancelling()  # and not taken back: a program may ignore that it was cancelled
        self._deadline = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer(loop)
        try:
            return await call
        except asyncio.CancelledError:
            if self._cancelled and task.cancelling() == by_others + self._cancelled:  # by nobody else meanwhile
                raise _overdue(what, seconds) from None
            raise
        finally:
            self._task = None
            while self._cancelled:
                self._cancelled -= 1
                task.uncancel()

    def close(self) -> None:
        """Cancel the timer of the calls that have returned: it would hold this object until the last deadline."""
        if self._timer is not None and self._task is None:
            self._timer.cancel()
            self._timer = self._loop = None

    def _set_timer(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Set the timer for the deadline. One for an earlier time is moved on when it is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._deadline, self._time_over, loop)

    def _time_over(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._timer = None
        if self._task is None:
            return
        if loop.time() >= self._deadline:
            self._cancelled += 1
            self._deadline = loop.time() + CANCEL_AGAIN_SECONDS
            self._task.cancel()
        self._set_timer(loop)


def open_seconds(device: Device) -> float | None:
    """Return the limit for opening a device; None for one that waits for what the instrument sends."""
    if device.pace is Pace.DEVICE:
        return None
    return max(OPEN_SECONDS, _slowest(device, OPEN_TRANSACTIONS)) if isinstance(device, PortDevice) else OPEN_SECONDS


def poll_seconds(device: Device) -> float | None:
    """Return the limit for one poll; None for a device that waits for what the instrument sends."""
    if device.pace is Pace.DEVICE:
        return None
    if not isinstance(device, PortDevice):
        return DIRECT_POLL_SECONDS
    transactions = TRANSACTIONS_PER_CHANNEL * len(device.channels) + MORE_TRANSACTIONS
    return max(POLL_SECONDS, _slowest(device, transactions))


def _slowest(device: PortDevice[Any], transactions: int) -> float:
    """Return how long so many transactions take if each succeeds at its last retry, after the longest hold-offs.

    Each attempt can wait for the hold-offs, for the reply to the resync request, for its own, and for a second one.
    """
    client = device.client
    longest = max(client.timeout, client.codec.hold_off or 0.0)
    return float(transactions * (client.retries + 1) * (MAX_HOLD_OFFS + 3) * longest)

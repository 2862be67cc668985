"""How long the core waits for the code of a plugin: longer than an honest call needs, but not for ever."""

from collections.abc import Awaitable
from typing import TypeVar

import anyio

from riglog.device import DRIVER_ERROR, Device, Pace, PortDevice
from riglog.errors import DeviceError
from riglog.protocol.line import MAX_HOLD_OFFS

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
    raise OverdueError(f"{DRIVER_ERROR}: {what} did not return within {seconds:g} s", seconds=seconds)


def open_seconds(device: Device) -> float | None:
    """Return the limit for opening a device; None for one that waits for what the instrument sends."""
    return None if device.pace is Pace.DEVICE else max(OPEN_SECONDS, _slowest(device, OPEN_TRANSACTIONS))


def poll_seconds(device: Device) -> float | None:
    """Return the limit for one poll; None for a device that waits for what the instrument sends."""
    if device.pace is Pace.DEVICE:
        return None
    if not isinstance(device, PortDevice):
        return DIRECT_POLL_SECONDS
    transactions = TRANSACTIONS_PER_CHANNEL * len(device.channels) + MORE_TRANSACTIONS
    return max(POLL_SECONDS, _slowest(device, transactions))


def _slowest(device: Device, transactions: int) -> float:
    """Return how long so many transactions take if each succeeds at its last retry, after the longest hold-offs.

    Each attempt can wait for the hold-offs, for the reply to the resync request, for its own, and for a second one.
    """
    if not isinstance(device, PortDevice):
        return 0.0
    client = device.client
    longest = max(client.timeout, client.codec.hold_off or 0.0)
    return float(transactions * (client.retries + 1) * (MAX_HOLD_OFFS + 3) * longest)

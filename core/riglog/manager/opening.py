"""Opening a device more than once: one lost or damaged reply is no absent instrument."""

from collections.abc import Awaitable, Callable

from riglog.device import Device, PortDevice
from riglog.errors import ProtocolError
from riglog.log import get_logger

log = get_logger("riglog.manager")

ATTEMPTS_WITH_REPLIES = 5
"""For a device that sent any reply: then some replies are lost."""
ATTEMPTS_WITHOUT_REPLY = 2
REPEAT_SECONDS = 5.0
"""After so long, opening is not begun again."""


async def repeated(open_device: Callable[[], Awaitable[None]], device: Device, now: Callable[[], float]) -> None:
    """Open a device, again if a reply was lost or damaged.

    Args:
        now: the monotonic clock, in seconds.

    Raises:
        ProtocolError: the last attempt failed, too.
        Exception: any other error, of the first attempt that has it.
    """
    began, attempts, replied = now(), 0, False
    while True:
        replies = _replies(device)
        try:
            await open_device()
            return
        except ProtocolError as error:
            attempts += 1
            replied = replied or _replies(device) > replies
            limit = ATTEMPTS_WITH_REPLIES if replied else ATTEMPTS_WITHOUT_REPLY
            if attempts >= limit or now() - began > REPEAT_SECONDS:
                raise
            log.debug("%s: opening again: %s", device.name, error)


def _replies(device: Device) -> int:
    return device.client.counters.replies if isinstance(device, PortDevice) else 0

"""One poll as a list of reads: every read gives its samples, whatever fails."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from riglog.errors import AmbiguousReplyError, DeviceError, MalformedReplyError, ProtocolError, ReplyTimeoutError
from riglog.model import Channel, Clock, Sample, Stamp, Status, missing_sample, storable

Read = TypeVar("Read")
LINE_BUSY = "line_busy"


async def poll_reads(
    reads: Iterable[Read],
    channels_of: Callable[[Read], Sequence[Channel]],
    take: Callable[[Read], Awaitable[Sequence[Sample]]],
    clock: Clock,
) -> list[Sample]:
    """Perform the reads in turn; each gives one sample per channel.

    A refused or malformed reply costs only its own channels. When the device does not respond at all, the remaining
    reads are not sent: they would only wait for one timeout after the other while other devices on the bus are due.
    Their samples say whether the device responded to the reads before, which may have no channels of their own.
    """
    samples: list[Sample] = []
    failed: ProtocolError | None = None
    responded: bool | None = None
    for read in reads:
        if failed is not None:
            error = f"not read: an earlier read of this poll failed ({failed.message})"
            samples += missing(channels_of(read), error, clock, responded=responded)
            continue
        try:
            taken = await take(read)
            samples += taken
            if not taken or any(sample.responded for sample in taken):  # else it needed no request
                responded = True
        except (DeviceError, MalformedReplyError, AmbiguousReplyError) as error:
            samples += missing(channels_of(read), error.message, clock, responded=True)
            responded = True
        except ProtocolError as error:
            failed = error
            responded = responded or has_responded(error)
            samples += missing(channels_of(read), error.message, clock, responded=responded)
    return samples


def has_responded(error: ProtocolError | DeviceError) -> bool | None:
    """Return whether an error shows that the device sent a reply; None: it was not asked, as the line was busy."""
    if not isinstance(error, ReplyTimeoutError):
        return True
    return None if error.reason == LINE_BUSY else False


def missing(
    channels: Iterable[Channel],
    error: str,
    clock: Clock,
    status: Status = Status.MISSING,
    *,
    due_ns: int | None = None,
    responded: bool | None = False,
) -> list[Sample]:
    """Return a sample without a value for each channel.

    Args:
        due_ns: when it was due, on the monotonic clock; None: now.
        responded: whether the device sent a reply nevertheless; None: nothing was requested.
    """
    error = storable(error)
    now = clock.monotonic_ns()
    at = now if due_ns is None else due_ns
    stamp = Stamp(clock.utc_ns() - (now - at), None, at)
    return [missing_sample(channel, stamp, status, error, responded=responded) for channel in channels]

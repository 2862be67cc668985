"""One poll as a list of reads: every read gives its samples, whatever goes wrong on the way."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from riglog.errors import AmbiguousReplyError, DeviceError, MalformedReplyError, ProtocolError
from riglog.model import Channel, Clock, Sample, Stamp, Status, missing_sample

Read = TypeVar("Read")


async def poll_reads(
    reads: Iterable[Read],
    channels_of: Callable[[Read], Sequence[Channel]],
    take: Callable[[Read], Awaitable[Sequence[Sample]]],
    clock: Clock,
) -> list[Sample]:
    """Do the reads in turn, each with one sample per channel.

    A refused or senseless reply costs only its own channels. When the instrument does not answer at all, the reads that
    are left are not sent: they would only wait out one timeout after the other while neighbours on the line are due.
    """
    samples: list[Sample] = []
    silent: ProtocolError | None = None
    for read in reads:
        if silent is not None:
            samples += missing(channels_of(read), f"not asked, an earlier read got no reply: {silent.message}", clock)
            continue
        try:
            samples += await take(read)
        except (DeviceError, MalformedReplyError, AmbiguousReplyError) as error:
            samples += missing(channels_of(read), str(error), clock)
        except ProtocolError as error:
            silent = error
            samples += missing(channels_of(read), str(error), clock)
    return samples


def missing(
    channels: Iterable[Channel],
    error: str,
    clock: Clock,
    status: Status = Status.MISSING,
    *,
    due_ns: int | None = None,
) -> list[Sample]:
    """A sample without a value for each channel.

    Args:
        due_ns: when it was due, on the monotonic clock; None: now.
    """
    now = clock.monotonic_ns()
    at = now if due_ns is None else due_ns
    stamp = Stamp(clock.utc_ns() - (now - at), None, at)
    return [missing_sample(channel, stamp, status, error) for channel in channels]

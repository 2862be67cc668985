"""Bursts: many samples of one channel that arrive at once, each with the time at which the instrument measured it.

A card that is read a thousand times a second sends blocks; a converter in the network sends packets, and some are lost.
A burst becomes samples here, so that nothing behind a device needs to know of it.
"""

from collections.abc import Callable, Sequence, Sized
from operator import index

from riglog.model import NS, OK, Channel, Sample, Stamp, Status, missing_sample

MOST_LOST_ROWS = 10_000
"""Lost samples that have a row each; more of them at once are one row that states how many."""
LOST = "no value: the sample was lost before it arrived"
NO_VALUE = "no value in the burst"


def burst_samples(
    channel: Channel,
    values: Sequence[float | None],
    stamp: Stamp,
    *,
    rate_hz: float,
    unit: str | None,
    own_ns: int | Sequence[int] | None = None,
    lost: int = 0,
    status: Status = OK,
    flags: tuple[str, ...] = (),
) -> list[Sample]:
    """Return the samples of a burst, and before them one without a value for each that was lost.

    Args:
        values: in the order in which they were measured; None: the instrument has none.
        stamp: when the burst arrived: ``Stamp(clock.utc_ns(), None, clock.monotonic_ns())``.
        rate_hz: values per second that the instrument measures.
        own_ns: when the first value was measured, or each of them, by the clock of the instrument; UTC in ns since the
            epoch. None: it has no clock, and the last value is as old as the burst.
        lost: values directly before the first one that never arrived, as the numbers of packets or samples show.
    Raises:
        TypeError: a time that is not a whole number.
        ValueError: a rate that is not positive, a negative number of lost samples, or not one time for each value.
    """
    if not rate_hz > 0 or lost < 0:
        raise ValueError(f"a burst has a rate above 0 and lost samples from 0, not {rate_hz} and {lost}")
    times = _times(len(values), stamp, rate_hz, own_ns)
    started = None if own_ns is None or isinstance(own_ns, Sized) else index(own_ns)
    next_ns = times[0] if times else stamp.received_ns if started is None else started
    ahead = stamp.monotonic_ns - (times[-1] if times else next_ns)

    def at(own: int) -> Stamp:
        return Stamp(stamp.received_ns, None, own + ahead, own)

    samples = _lost_samples(channel, lost, at, next_ns, rate_hz) if lost else []
    for own, value in zip(times, values, strict=True):
        if value is None:
            samples.append(missing_sample(channel, at(own), Status.MISSING, NO_VALUE))
        else:
            samples.append(
                Sample(channel=channel, stamp=at(own), value=float(value), unit=unit, status=status, flags=flags)
            )
    return samples


def _times(number: int, stamp: Stamp, rate_hz: float, own_ns: int | Sequence[int] | None) -> Sequence[int]:
    """Return the time of each value."""
    if own_ns is None:
        first = stamp.received_ns - round((number - 1) * NS / rate_hz)
    elif not isinstance(own_ns, Sized):
        first = index(own_ns)
    else:  # a sequence, or an array of numpy
        times = [index(own) for own in own_ns]
        if len(times) != number:
            raise ValueError(f"{number} values with {len(times)} times")
        return times
    return [first + round(place * NS / rate_hz) for place in range(number)]


def _lost_samples(
    channel: Channel, lost: int, at: Callable[[int], Stamp], next_ns: int, rate_hz: float
) -> list[Sample]:
    """Return the rows of lost samples, at the times at which they were due before the next one."""
    if lost > MOST_LOST_ROWS:
        first = at(next_ns - round(lost * NS / rate_hz))
        return [
            missing_sample(channel, first, Status.MISSING, f"no value: {lost} samples were lost before they arrived")
        ]
    due = (next_ns - round(number * NS / rate_hz) for number in range(lost, 0, -1))
    return [missing_sample(channel, at(own), Status.MISSING, LOST) for own in due]

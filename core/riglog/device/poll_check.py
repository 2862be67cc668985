"""The check of what ``poll`` returned, by the kind of source. Pure.

A plugin is foreign code. What a sink cannot store, and what no channel was declared for, must cost neither the device's
other channels nor anybody else's rows.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, SupportsFloat

from msgspec import Struct, structs

from riglog.device.faults import DRIVER_ERROR
from riglog.device.polling import missing
from riglog.device.source import Pace
from riglog.errors import DeviceError
from riglog.model import OK, Channel, Clock, Sample, Stamp, Status, storable
from riglog.model.numbers import SMALLEST, is_measurable

MAX_REPORTED_PROBLEMS = 20
"""Different bugs of one source that become events; the rows name all of them."""

FIRST_NS, END_NS = -(2**62), 2**62
"""Times from 1823 to 2116, in ns since the epoch: what every store can hold."""
RESOLUTION_NS = 50_000_000
"""Of a clock: three ticks of that of Windows. A stamp is within the poll, give or take so much."""
AHEAD = "the time of reception is later than the end of the poll"
EARLIER = "the value was received before the poll began"
WITH_VALUE = frozenset({Status.OK, Status.SUSPECT, Status.OUT_OF_RANGE, Status.FAULT})
"""Statuses that a sample with a value may have."""


class Began(Struct, frozen=True):
    """When a poll began, by both clocks."""

    utc_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls, clock: Clock) -> "Began":
        return cls(clock.utc_ns(), clock.monotonic_ns())


class CheckedPoll(Struct, frozen=True):
    """``samples`` can be stored; ``problems`` are the faults of the plugin that was found, one text each."""

    samples: Sequence[Sample]
    problems: tuple[str, ...] = ()


def check_channels(channels: Sequence[Channel], device: str) -> None:
    """Check the channels that a device declares.

    Raises:
        DeviceError: a channel of another device, or one that is declared twice.
    """
    seen: set[tuple[str, int]] = set()
    for channel in channels:
        key = (channel.parameter, channel.instance)
        if channel.device != device:
            raise DeviceError(f"{DRIVER_ERROR}: channel {channel} belongs to another device", device=device)
        if key in seen:
            raise DeviceError(f"{DRIVER_ERROR}: channel {channel} is declared twice", device=device)
        seen.add(key)


def check_poll(
    polled: object,
    channels: Sequence[Channel],
    pace: Pace,
    clock: Clock,
    *,
    wanted: Sequence[Channel] | None = None,
    began: Began | None = None,
) -> CheckedPoll:
    """Check the result of one poll.

    A host-paced source must return exactly one sample per channel; what it lacks becomes ``missing``. A device-paced
    one may return any number of samples of its declared channels. A number that cannot have been measured becomes
    ``out_of_range``.

    Args:
        wanted: the channels that are recorded; others may be missing. None: all.
        began: when the poll began. A sample that was received later than now has no value; a value of a host-paced
            source that was received before the poll was not read for it, and is ``suspect``. None: not checked.
    """
    window = WHOLE_TIME if began is None else _window(began, pace, clock)
    if type(polled) is list and len(polled) == len(channels) and _are_plain(polled, channels, window):
        return CheckedPoll(polled)
    if not isinstance(polled, Sequence) or isinstance(polled, str | bytes):
        problem = f"poll() returned {type(polled).__name__} instead of a list of samples"
        return CheckedPoll([] if pace is Pace.DEVICE else _failed(channels, problem, clock), (problem,))
    return _checked_one_by_one(polled, channels, pace, clock, channels if wanted is None else wanted, window)


class _Window(NamedTuple):
    """The times that stamps can have: received, and the midpoint on the monotonic clock; first and last."""

    first_ns: int
    last_ns: int
    first_monotonic_ns: float
    last_monotonic_ns: float


WHOLE_TIME = _Window(FIRST_NS, END_NS - 1, -math.inf, math.inf)


def _window(began: Began, pace: Pace, clock: Clock) -> _Window:
    """Return the window of a poll that ends now, wider by what the system clock was adjusted meanwhile."""
    utc_ns, monotonic_ns = clock.utc_ns(), clock.monotonic_ns()
    adjusted = abs(utc_ns - began.utc_ns - (monotonic_ns - began.monotonic_ns))
    off = RESOLUTION_NS + adjusted
    if pace is Pace.DEVICE:  # what comes without a request may have waited
        return _Window(FIRST_NS, utc_ns + off, -math.inf, monotonic_ns + off)
    return _Window(began.utc_ns - off, utc_ns + off, began.monotonic_ns - off, monotonic_ns + off)


def _are_plain(samples: Sequence[object], channels: Sequence[Channel], window: _Window) -> bool:
    """True for what nearly all samples are: plain numbers of the expected channels, with texts that can be stored."""
    stamp = object()  # the one that was looked at last: samples of one reply share it
    for sample, channel in zip(samples, channels, strict=True):
        if not (
            type(sample) is Sample
            and sample.channel is channel
            and type(value := sample.value) is float
            and (value == 0 or SMALLEST <= abs(value) < math.inf)
            and (sample.status is OK or (type(sample.status) is Status and sample.status in WITH_VALUE))
            and (sample.stamp is stamp or _is_plain_stamp(sample.stamp, window))
            and (sample.unit is channel.unit or _is_plain_text(sample.unit))
            and (not sample.flags or all(map(_is_word, sample.flags)))
            and (sample.text is None or _is_plain_text(sample.text))
            and (sample.error is None or _is_plain_text(sample.error))
        ):
            return False
        stamp = sample.stamp
    return True


def _is_plain_stamp(stamp: object, window: _Window) -> bool:
    """True for the times of nearly every sample: whole numbers, and none of the instrument itself."""
    return (
        type(stamp) is Stamp
        and stamp.own_ns is None
        and type(stamp.received_ns) is int
        and window.first_ns <= stamp.received_ns <= window.last_ns
        and type(stamp.monotonic_ns) is int
        and window.first_monotonic_ns <= stamp.monotonic_ns <= window.last_monotonic_ns
        and (stamp.latency_ns is None or (type(stamp.latency_ns) is int and stamp.latency_ns >= 0))
    )


def _is_word(text: object) -> bool:
    return type(text) is str and text.isascii() and text.isprintable() and bool(text) and " " not in text


def _is_plain_text(text: object) -> bool:
    return type(text) is str and text.isascii() and "\0" not in text


def _checked_one_by_one(
    polled: Sequence[object],
    channels: Sequence[Channel],
    pace: Pace,
    clock: Clock,
    wanted: Sequence[Channel],
    window: _Window,
) -> CheckedPoll:
    problems: list[str] = []
    found: dict[Channel, list[Sample]] = {channel: [] for channel in channels}
    kept: list[Sample] = []
    for sample in polled:
        if not isinstance(sample, Sample):
            problems.append(f"poll() returned a {type(sample).__name__} among the samples")
        elif sample.channel not in found:
            problems.append(f"poll() returned a sample of {sample.channel}, which is not a declared channel")
        else:
            sample = with_plain_number(sample)
            problem = problem_of(sample) or _ahead(sample.stamp, window)
            if problem is not None:
                problems.append(f"{sample.channel}: {problem}")
                sample = _failed([sample.channel], problem, clock)[0]
            elif sample.value is not None and _is_earlier(sample.stamp, window):
                problems.append(f"{sample.channel}: {EARLIER}")
                sample = _suspect(sample, EARLIER)
            sample = without_impossible(sample)
            found[sample.channel].append(sample)
            kept.append(sample)
    if pace is Pace.DEVICE:
        return CheckedPoll(kept, tuple(problems))
    samples: list[Sample] = []
    for channel, given in found.items():
        if len(given) == 1:
            samples += given
            continue
        if not given and channel not in wanted:
            continue
        problem = f"poll() returned {len(given)} samples of one channel" if given else "poll() returned no sample"
        problems.append(f"{channel}: {problem}")
        samples += _failed([channel], problem, clock)
    return CheckedPoll(samples, tuple(problems))


def _ahead(stamp: Stamp, window: _Window) -> str | None:
    """Return what is wrong with a stamp that is later than now; None if it is not."""
    ahead = stamp.received_ns > window.last_ns or stamp.monotonic_ns > window.last_monotonic_ns
    return AHEAD if ahead else None


def _is_earlier(stamp: Stamp, window: _Window) -> bool:
    """True for what was received before a poll that is to read it. The time of the instrument itself does not count."""
    return stamp.received_ns < window.first_ns or (
        stamp.own_ns is None and stamp.monotonic_ns < window.first_monotonic_ns
    )


def _suspect(sample: Sample, reason: str) -> Sample:
    """Return a sample with its value, which is not ``ok``."""
    status = Status.SUSPECT if sample.status is OK else sample.status
    return structs.replace(sample, status=status, error=sample.error or f"{DRIVER_ERROR}: {reason}")


def problem_of(sample: Sample) -> str | None:
    """Return why a sample cannot be a row; None if it can."""
    value = sample.value
    if not isinstance(sample.status, Status):
        return f"status is a {type(sample.status).__name__}"
    if not isinstance(sample.stamp, Stamp):
        return f"stamp is a {type(sample.stamp).__name__}"
    if (wrong := _wrong_time(sample.stamp)) is not None:
        return wrong
    if value is None:
        if sample.status is OK and sample.text is None:
            return "a sample without a value has status ok"
    elif not isinstance(value, float | int | str):
        return f"a value of type {type(value).__name__} cannot be stored"
    elif sample.status in (Status.MISSING, Status.SKIPPED):
        return f"a sample with a value has status {sample.status.value}"
    for what, text in (("unit", sample.unit), ("text", sample.text), ("error", sample.error), ("value", value)):
        if what != "value" and text is not None and not isinstance(text, str):
            return f"{what} is a {type(text).__name__}, not a text"
        if isinstance(text, str) and storable(text) != text:
            return f"{what} contains characters that cannot be stored"
    if not all(isinstance(flag, str) for flag in sample.flags):
        return "flags are not texts"
    if any(flag.split() != [flag] for flag in sample.flags):
        return "a flag is empty or contains a blank"
    return None


def _wrong_time(stamp: Stamp) -> str | None:
    """Return why the times of a sample cannot be stored; None if they can."""
    for name in ("received_ns", "latency_ns", "monotonic_ns", "own_ns"):
        time = getattr(stamp, name)
        if time is None and name in ("latency_ns", "own_ns"):
            continue
        if type(time) is not int:
            return f"{name} of the stamp is a {type(time).__name__}, not a whole number"
        if name == "latency_ns" and time < 0:
            return "latency_ns of the stamp is negative"
        if name in ("received_ns", "own_ns") and not FIRST_NS <= time < END_NS:
            return f"{name} of the stamp is no time between the years 1824 and 2115"
    return None


def with_plain_number(sample: Sample) -> Sample:
    """Return the sample; the number of a numeric library (numpy, decimal) becomes a float."""
    value: object = sample.value
    if value is None or isinstance(value, float | int | str | bytes) or not isinstance(value, SupportsFloat):
        return sample
    return structs.replace(sample, value=float(value))


def without_impossible(sample: Sample) -> Sample:
    """Return the sample; a number that no instrument can have measured becomes ``out_of_range`` without a value."""
    value = sample.value
    if not isinstance(value, float | int) or isinstance(value, bool):
        return sample
    problem = "not finite"
    try:
        if is_measurable(value):
            return sample
        if math.isfinite(value):
            problem = "nearer to zero than any measurement"
    except OverflowError:
        pass
    status = Status.OUT_OF_RANGE if sample.status in (OK, Status.SUSPECT) else sample.status
    error = sample.error or f"no value: the number is {problem}"
    return structs.replace(sample, value=None, text=None, status=status, error=error)


def _failed(channels: Sequence[Channel], problem: str, clock: Clock) -> list[Sample]:
    return missing(channels, f"{DRIVER_ERROR}: {problem}", clock, responded=True)

"""What poll returned is checked in one place: a plugin's mistake costs its own channels only, and is named."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pytest

from riglog.device import Began, Pace, check_channels, check_poll
from riglog.errors import DeviceError
from riglog.model import NS, Channel, Sample, Stamp, Status
from riglog.testing import LoopClock

CLOCK = LoopClock()
X, Y = (Channel(device="d", driver="drv", protocol="p", address=None, parameter=name, unit="V") for name in "xy")
STRANGE = Channel(device="other", driver="drv", protocol="p", address=None, parameter="x", unit="V")
STAMP = Stamp(1, 1000, 1)


def sample(channel: Channel = X, value: Any = 1.0, **more: Any) -> Sample:
    return Sample(**({"channel": channel, "stamp": STAMP, "value": value, "unit": "V"} | more))


def checked(polled: object, pace: Pace = Pace.HOST) -> tuple[list[tuple[str, Any, str]], tuple[str, ...]]:
    result = check_poll(polled, (X, Y), pace, CLOCK)
    return [(one.parameter, one.value, one.status.value) for one in result.samples], result.problems


@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (Stamp(1, 1000, 1, numpy.int64(5)), "own_ns of the stamp is a int64, not a whole number"),
        (Stamp(1, 1000, 1, numpy.array([5, 6])), "own_ns of the stamp is a ndarray, not a whole number"),
        (Stamp(1, 1000, 1, 1.5), "own_ns of the stamp is a float"),
        (Stamp(1, 1000, 1, 2**62), "own_ns of the stamp is no time between the years 1824 and 2115"),
        (Stamp(numpy.int64(1), None, 1), "received_ns of the stamp is a int64"),
        (Stamp(2**70, None, 1), "received_ns of the stamp is no time"),
        (Stamp(1, 1.5, 1), "latency_ns of the stamp is a float"),
        (Stamp(1, -1, 1), "latency_ns of the stamp is negative"),
        (Stamp(1, None, True), "monotonic_ns of the stamp is a bool"),
    ],
)
async def test_a_time_that_no_store_can_hold_is_a_bug_of_the_driver(stamp: Stamp, words: str, pace: Pace) -> None:
    """SQLite stored a number of numpy as bytes, and the recording could not be read any more."""
    result = check_poll([sample(X, stamp=stamp), sample(Y)], (X, Y), pace, CLOCK)
    assert [(one.value, type(one.stamp.received_ns), one.stamp.own_ns) for one in result.samples] == [
        (None, int, None),
        (1.0, int, None),
    ]
    assert words in result.problems[0]


async def test_a_time_of_the_instrument_is_kept() -> None:
    polled = [sample(X, stamp=Stamp(1, None, 1, -(2**61))), sample(Y)]
    result = check_poll(polled, (X, Y), Pace.HOST, CLOCK)
    assert (result.samples[0].stamp, result.problems) == (polled[0].stamp, ())


def stamp_at(utc_s: float, monotonic_s: float | None = None, latency_ns: int | None = 1000) -> Stamp:
    """Return a stamp so many seconds after now."""
    moved = utc_s if monotonic_s is None else monotonic_s
    return Stamp(CLOCK.utc_ns() + round(utc_s * NS), latency_ns, CLOCK.monotonic_ns() + round(moved * NS))


def in_window(stamp: Stamp, pace: Pace = Pace.HOST, took_s: float = 0.0, step_s: float = 0.0) -> tuple[Any, str, str]:
    began = Began(CLOCK.utc_ns() - round((took_s + step_s) * NS), CLOCK.monotonic_ns() - round(took_s * NS))
    result = check_poll([sample(X, stamp=stamp), sample(Y, stamp=stamp_at(0))], (X, Y), pace, CLOCK, began=began)
    assert (result.samples[1].value, result.samples[1].status) == (1.0, Status.OK)
    one = result.samples[0]
    assert (result.problems == ()) == (one.status is Status.OK)
    return one.value, one.status.value, one.error or ""


@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize("ahead", [(1e9,), (0.2,), (0, 0.2), (0.2, 0, None)])
async def test_what_is_received_later_than_now_is_no_value(ahead: Any, pace: Pace) -> None:
    """A row 31 years ahead was stored as ``ok``."""
    value, status, error = in_window(stamp_at(*ahead), pace)
    assert (value, status) == (None, "missing")
    assert error.endswith("the time of reception is later than the end of the poll")


@pytest.mark.parametrize("at", [(-1e9,), (-0.2,), (0, -0.2)])
async def test_what_was_received_before_the_poll_was_not_read_for_it(at: Any) -> None:
    stamp = stamp_at(*at)
    value, status, error = in_window(stamp)
    assert (value, status) == (1.0, "suspect")
    assert error.endswith("the value was received before the poll began")
    assert in_window(stamp, took_s=1e10) == (1.0, "ok", "")
    assert in_window(stamp, Pace.DEVICE) == (1.0, "ok", "")  # it comes when it wants, and may have waited


@pytest.mark.parametrize("at", [(0.04,), (-0.04,), (0, 0.04), (-0.5,)])
async def test_a_clock_ticks_seldom_and_a_poll_takes_time(at: Any) -> None:
    assert in_window(stamp_at(*at), took_s=0.48) == (1.0, "ok", "")


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
async def test_a_clock_that_is_set_during_a_poll_is_no_bug_of_the_driver(step: float) -> None:
    """The recorder drops what was polled meanwhile."""
    assert in_window(stamp_at(-step, 0), took_s=0.1, step_s=step) == (1.0, "ok", "")


async def test_the_clock_of_an_instrument_may_be_wrong() -> None:
    now = stamp_at(0)
    for own_ns in (now.received_ns + 10**17, now.received_ns - 10**17):
        assert in_window(Stamp(now.received_ns, None, now.monotonic_ns - 10**12, own_ns)) == (1.0, "ok", "")


async def test_what_is_right_is_handed_on_as_it_is() -> None:
    polled = [sample(X), sample(Y, 2.5)]
    result = check_poll(polled, (X, Y), Pace.HOST, CLOCK)
    assert result.samples is polled
    assert not result.problems


@pytest.mark.parametrize("polled", [None, 7, "xy", {"x": 1}, object()])
async def test_what_is_no_list_of_samples_is_missing_for_every_channel(polled: object) -> None:
    samples, problems = checked(polled)
    assert samples == [("x", None, "missing"), ("y", None, "missing")]
    assert problems == (f"poll() returned {type(polled).__name__} instead of a list of samples",)


MISTAKES: dict[str, tuple[Callable[[], list[Any]], list[tuple[str, Any, str]], str]] = {
    "too few": (lambda: [sample(X)], [("x", 1.0, "ok"), ("y", None, "missing")], "d.y: poll() returned no sample"),
    "the same twice": (
        lambda: [sample(X), sample(X, 2.0), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: poll() returned 2 samples of one channel",
    ),
    "of another device": (
        lambda: [sample(X), sample(Y), sample(STRANGE)],
        [("x", 1.0, "ok"), ("y", 1.0, "ok")],
        "poll() returned a sample of other.x, which is not a declared channel",
    ),
    "not a sample": (
        lambda: [sample(X), 3.0],
        [("x", 1.0, "ok"), ("y", None, "missing")],
        "poll() returned a float among the samples",
    ),
    "a list as value": (
        lambda: [sample(X, [1.0, 2.0]), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: a value of type list cannot be stored",
    ),
    "bytes": (
        lambda: [sample(X, b"1"), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: a value of type bytes cannot be stored",
    ),
    "a complex number": (
        lambda: [sample(X, 1j), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: a value of type complex cannot be stored",
    ),
    "nothing, and ok": (
        lambda: [sample(X, None), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: a sample without a value has status ok",
    ),
    "missing with a value": (
        lambda: [sample(X, 1.0, status=Status.MISSING), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: a sample with a value has status missing",
    ),
    "a unit that is no text": (
        lambda: [sample(X, unit=7), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: unit is a int, not a text",
    ),
    "half a character": (
        lambda: [sample(X, "\ud800"), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: value contains characters that cannot be stored",
    ),
    "a flag of two words": (
        lambda: [sample(X, flags=("not stable",)), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: a flag is empty or contains a blank",
    ),
    "flags that are no texts": (
        lambda: [sample(X, flags=(1,)), sample(Y)],
        [("x", None, "missing"), ("y", 1.0, "ok")],
        "d.x: flags are not texts",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_costs_its_own_channel_and_is_named(mistake: str) -> None:
    make, samples, problem = MISTAKES[mistake]
    found, problems = checked(make())
    assert found == samples
    assert problems[0] == problem


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
async def test_a_number_that_is_not_finite_is_out_of_range_without_a_value(value: float) -> None:
    result = check_poll([sample(X, value, flags=("stable",)), sample(Y)], (X, Y), Pace.HOST, CLOCK)
    first = result.samples[0]
    assert (first.value, first.status, first.flags) == (None, Status.OUT_OF_RANGE, ("stable",))
    assert first.error == "no value: the number is not finite"
    assert not result.problems  # the instrument sent it; the plugin is sound


@pytest.mark.parametrize("value", [2.4e-41, -1e-38, 1e-320])
async def test_a_number_nearer_to_zero_than_any_measurement_is_out_of_range(value: float) -> None:
    first, second = check_poll([sample(X, value), sample(Y, 0.0)], (X, Y), Pace.HOST, CLOCK).samples
    assert (first.value, first.status) == (None, Status.OUT_OF_RANGE)
    assert first.error == "no value: the number is nearer to zero than any measurement"
    assert (second.value, second.status) == (0.0, Status.OK)


async def test_samples_in_another_order_are_put_into_the_order_of_the_channels() -> None:
    assert checked([sample(Y, 2.0), sample(X, 1.0)]) == ([("x", 1.0, "ok"), ("y", 2.0, "ok")], ())


async def test_a_device_that_sets_its_own_pace_may_return_any_number_of_samples_of_its_channels() -> None:
    assert checked([sample(X, float(number)) for number in range(3)], Pace.DEVICE) == (
        [("x", 0.0, "ok"), ("x", 1.0, "ok"), ("x", 2.0, "ok")],
        (),
    )
    assert checked([], Pace.DEVICE) == ([], ())
    samples, problems = checked([sample(STRANGE)], Pace.DEVICE)
    assert (samples, len(problems)) == ([], 1)
    assert checked(None, Pace.DEVICE)[0] == []


@pytest.mark.parametrize("value", [True, 3, "heat", 1.5])
async def test_numbers_words_and_bools_are_values(value: object) -> None:
    assert checked([sample(X, value), sample(Y)]) == ([("x", value, "ok"), ("y", 1.0, "ok")], ())


@pytest.mark.parametrize("value", [Decimal("1.5"), Fraction(3, 2)])
async def test_the_number_of_a_numeric_library_becomes_a_float(value: object) -> None:
    result = check_poll([sample(X, value), sample(Y)], (X, Y), Pace.HOST, CLOCK)
    assert (type(result.samples[0].value), result.samples[0].value, result.problems) == (float, 1.5, ())


async def test_a_fault_with_a_number_that_is_not_finite_stays_a_fault() -> None:
    polled = [sample(X, math.nan, status=Status.FAULT, error="sensor broken"), sample(Y)]
    first = check_poll(polled, (X, Y), Pace.HOST, CLOCK).samples[0]
    assert (first.value, first.status, first.error) == (None, Status.FAULT, "sensor broken")


def test_channels_of_another_device_or_declared_twice_are_refused() -> None:
    check_channels([X, Y], "d")
    with pytest.raises(DeviceError, match=r"channel other\.x belongs to another device"):
        check_channels([X, STRANGE], "d")
    with pytest.raises(DeviceError, match=r"channel d\.x is declared twice"):
        check_channels([X, Y, X], "d")

"""Bursts: many samples of one channel at once, with the times of the instrument, and what was lost of them."""

from typing import Any

import numpy
import pytest

from riglog.device import burst_samples
from riglog.device.burst import LOST, MOST_LOST_ROWS
from riglog.model import NS, Channel, Stamp, Status

CHANNEL = Channel(device="card", driver="card", protocol="card", address=None, parameter="voltage", unit="V")
ARRIVED = Stamp(1_000 * NS, None, 50 * NS)


def test_without_a_clock_of_the_instrument_the_last_value_is_as_old_as_the_burst() -> None:
    samples = burst_samples(CHANNEL, [1, 2.5, 3], ARRIVED, rate_hz=1000, unit="V")
    assert [sample.value for sample in samples] == [1.0, 2.5, 3.0]
    assert [sample.stamp.midpoint_ns for sample in samples] == [1_000 * NS - ms * 1_000_000 for ms in (2, 1, 0)]
    assert [sample.stamp.monotonic_ns for sample in samples] == [50 * NS - ms * 1_000_000 for ms in (2, 1, 0)]
    assert {sample.stamp.received_ns for sample in samples} == {1_000 * NS}
    assert {sample.unit for sample in samples} == {"V"}


def test_times_are_those_of_the_instrument_whatever_its_clock_is() -> None:
    samples = burst_samples(CHANNEL, [1.0, 2.0], ARRIVED, rate_hz=10, unit=None, own_ns=7 * NS)
    assert [sample.stamp.own_ns for sample in samples] == [7 * NS, 7 * NS + NS // 10]
    assert [sample.stamp.monotonic_ns for sample in samples] == [50 * NS - NS // 10, 50 * NS]
    uneven = burst_samples(CHANNEL, [1.0, 2.0, 3.0], ARRIVED, rate_hz=10, unit=None, own_ns=[5, 5, 9])
    assert [sample.stamp.own_ns for sample in uneven] == [5, 5, 9]


def test_steps_do_not_add_up_an_error() -> None:
    """A step of a third of a second is no whole number of nanoseconds."""
    samples = burst_samples(CHANNEL, [0.0] * 3001, ARRIVED, rate_hz=3, unit=None, own_ns=0)
    assert samples[-1].stamp.own_ns == 1000 * NS


def test_each_lost_sample_is_a_row_at_the_time_at_which_it_was_due() -> None:
    samples = burst_samples(CHANNEL, [1.0], ARRIVED, rate_hz=1000, unit="V", own_ns=9 * NS, lost=3)
    lost = samples[:3]
    assert [sample.stamp.own_ns for sample in lost] == [9 * NS - ms * 1_000_000 for ms in (3, 2, 1)]
    assert {(sample.value, sample.status, sample.error) for sample in lost} == {(None, Status.MISSING, LOST)}
    assert samples[3].value == 1.0


def test_very_many_lost_samples_are_one_row_that_says_how_many() -> None:
    samples = burst_samples(CHANNEL, [1.0], ARRIVED, rate_hz=1000, unit="V", lost=MOST_LOST_ROWS + 1)
    assert len(samples) == 2
    assert samples[0].error == "no value: 10001 samples were lost before they arrived"
    assert samples[0].stamp.own_ns == ARRIVED.received_ns - 10_001_000_000


def test_a_burst_can_have_lost_samples_only_and_values_that_are_none() -> None:
    (lost,) = burst_samples(CHANNEL, [], ARRIVED, rate_hz=1000, unit="V", lost=1)
    assert lost.stamp.own_ns == ARRIVED.received_ns - 1_000_000
    assert lost.stamp.monotonic_ns == ARRIVED.monotonic_ns - 1_000_000
    nothing, value = burst_samples(CHANNEL, [None, 1.0], ARRIVED, rate_hz=1000, unit="V")
    assert (nothing.value, nothing.status, value.value) == (None, Status.MISSING, 1.0)


@pytest.mark.parametrize("own_ns", [numpy.int64(5), numpy.array([5, 105]), [numpy.int64(5), 105]])
def test_numbers_of_numpy_become_whole_numbers(own_ns: Any) -> None:
    values: Any = numpy.array([1.0, 2.0], dtype=numpy.float32)
    samples = burst_samples(CHANNEL, values, ARRIVED, rate_hz=1e7, unit="V", own_ns=own_ns)
    assert [sample.stamp.own_ns for sample in samples] == [5, 105]
    assert {type(sample.stamp.own_ns) for sample in samples} | {type(one.stamp.monotonic_ns) for one in samples} == {
        int
    }
    assert {type(sample.value) for sample in samples} == {float}


def test_a_time_with_a_fraction_is_refused() -> None:
    """A float has not enough digits for a time in nanoseconds."""
    own_ns: Any = 1.8e18
    with pytest.raises(TypeError, match="integer"):
        burst_samples(CHANNEL, [1.0], ARRIVED, rate_hz=10, unit=None, own_ns=own_ns)


@pytest.mark.parametrize(
    ("rate_hz", "lost", "own_ns"), [(0, 0, None), (-1, 0, None), (float("nan"), 0, None), (1, -1, None), (1, 0, [1])]
)
def test_what_makes_no_sense_is_refused(rate_hz: float, lost: int, own_ns: list[int] | None) -> None:
    with pytest.raises(ValueError, match=r"burst|values"):
        burst_samples(CHANNEL, [1.0, 2.0], ARRIVED, rate_hz=rate_hz, unit=None, own_ns=own_ns, lost=lost)

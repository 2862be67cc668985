"""Samples and channels: keyword-only, and what they say of themselves."""

import pytest

from riglog.model import Channel, EventKind, Sample, Stamp, Status, iso, missing_sample
from riglog.model.stamp import iso_times

CHANNEL = Channel(device="oven", driver="toy", protocol="toy", address=3, parameter="level", unit="mm")
STAMP = Stamp(2_000_000_000, 500_000_000, 1_000_000_000)


def test_sample_and_channel_take_no_positional_arguments() -> None:
    """A field that is added later must not move the others."""
    with pytest.raises(TypeError):
        Sample(CHANNEL, STAMP, 1.0, "mm")  # type: ignore[misc, call-arg]
    with pytest.raises(TypeError):
        Channel("oven", "toy", "toy", 3, "level")  # type: ignore[misc, call-arg]


def test_a_sample_knows_its_channel() -> None:
    sample = Sample(channel=CHANNEL, stamp=STAMP, value=1.0, unit="mm")
    assert (sample.device, sample.protocol, sample.address, sample.parameter, sample.instance) == (
        "oven",
        "toy",
        3,
        "level",
        1,
    )
    assert (sample.status, sample.responded) == (Status.OK, True)


def test_a_missing_sample_has_the_unit_of_its_channel_and_the_reason() -> None:
    sample = missing_sample(CHANNEL, STAMP, Status.MISSING, "no reply within 0.5 s", responded=False)
    assert (sample.value, sample.unit, sample.error, sample.responded) == (None, "mm", "no reply within 0.5 s", False)


def test_a_channel_is_named_after_its_device_and_its_instance_if_it_is_not_the_first() -> None:
    second = Channel(device="oven", driver="toy", protocol="toy", address=3, parameter="level", instance=2)
    assert (str(CHANNEL), str(second)) == ("oven.level", "oven.level[2]")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("port_back", EventKind.PORT_RESTORED),
        ("device_silent", EventKind.DEVICE_NOT_RESPONDING),
        ("device_back", EventKind.DEVICE_RESPONDING),
        ("late", EventKind.SLOTS_SKIPPED),
        ("dropped", EventKind.SAMPLES_DROPPED),
        ("sink_back", EventKind.SINK_RECOVERED),
    ],
)
def test_the_event_kinds_of_older_recordings_are_still_understood(old: str, new: EventKind) -> None:
    assert EventKind(old) is new


def test_the_times_of_a_stamp_belong_together() -> None:
    assert STAMP.requested_ns == 1_500_000_000
    assert STAMP.midpoint_ns == 1_750_000_000
    assert STAMP.latency_s == 0.5


@pytest.mark.parametrize("received", [1_700_000_000_000_000_000, 1_700_000_000_999_999_999, 1_700_000_000_000_500_000])
@pytest.mark.parametrize("latency", [None, 0, 1, 999, 1_000, 4_012_345, 1_000_000_000, 3_000_000_001, -1])
def test_the_three_times_of_a_row_are_those_of_its_stamp(received: int, latency: int | None) -> None:
    stamp = Stamp(received, latency, 0)
    requested = None if stamp.requested_ns is None else iso(stamp.requested_ns)
    assert iso_times(stamp.received_ns, stamp.latency_ns, stamp.own_ns) == (
        requested,
        iso(received),
        iso(stamp.midpoint_ns),
    )

"""Runs, events and stamps: names, earlier names, and times."""

import pytest

from riglog.errors import ConfigError
from riglog.model import (
    NS,
    RENAMED_KINDS,
    Channel,
    EventKind,
    Stamp,
    Status,
    current_kind,
    iso,
    missing_sample,
    new_run,
)
from riglog.testing import LoopClock


async def test_a_run_has_a_readable_name_that_no_other_run_has() -> None:
    clock = LoopClock()
    first, second = new_run("kiln-7", clock), new_run("kiln-7", clock)
    assert first.id.startswith("kiln-7.20270115T080000Z.")
    assert first.id != second.id


@pytest.mark.parametrize("name", ["", "a b", ".hidden", "a/b", "x" * 65, "größe"])
def test_a_run_name_that_cannot_be_part_of_a_file_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="invalid run name"):
        new_run(name)


def test_every_earlier_kind_of_event_is_a_present_one() -> None:
    for stored, present in RENAMED_KINDS.items():
        assert EventKind(stored) is EventKind(present)
        assert current_kind(stored) == present
    assert not set(RENAMED_KINDS) & set(EventKind)


def test_a_kind_of_a_newer_version_is_kept_by_readers_and_is_not_an_event_kind() -> None:
    assert current_kind("lamp_replaced") == "lamp_replaced"
    with pytest.raises(ValueError, match="lamp_replaced"):
        EventKind("lamp_replaced")


def test_a_stamp_has_the_time_of_the_request_and_the_middle() -> None:
    stamp = Stamp(10 * NS, 2 * NS, 500)
    assert (stamp.requested_ns, stamp.midpoint_ns, stamp.latency_s) == (8 * NS, 9 * NS, 2.0)
    unsolicited = Stamp(10 * NS, None, 500)
    assert (unsolicited.requested_at, unsolicited.midpoint_ns, unsolicited.latency_s) == (None, 10 * NS, None)


def test_times_are_printed_in_utc_with_microseconds_truncated() -> None:
    assert iso(1_795_176_000 * NS + 123_456_789) == "2026-11-20T12:00:00.123456Z"


def test_a_missing_sample_has_the_unit_of_its_channel_and_the_reason() -> None:
    channel = Channel(device="oven", driver="toy", protocol="toy", address=1, parameter="p", instance=2, unit="degC")
    sample = missing_sample(channel, Stamp(0, None, 0), Status.SKIPPED, "port lost")
    assert (sample.value, sample.unit, sample.status, sample.error) == (None, "degC", Status.SKIPPED, "port lost")
    assert str(channel) == "oven.p[2]"

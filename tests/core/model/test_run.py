"""Runs, kinds of events and times: their names, now and in earlier recordings."""

import pytest

from riglog.errors import ConfigError
from riglog.model import NS, RENAMED_KINDS, EventKind, Stamp, current_kind, iso, new_run
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


def test_a_stamp_without_a_request_has_no_time_of_it() -> None:
    stamp = Stamp(10 * NS, None, 500)
    assert (stamp.requested_at, stamp.midpoint_ns, stamp.latency_s) == (None, 10 * NS, None)


def test_times_are_printed_in_utc_with_microseconds_truncated() -> None:
    assert iso(1_795_176_000 * NS + 123_456_789) == "2026-11-20T12:00:00.123456Z"

"""The schedule: slots by number, no drift, and skipped slots are reported."""

import pytest

from riglog.acquire.schedule import Schedule
from riglog.model import NS

WEEK = 7 * 86400


@pytest.mark.parametrize("rate", [0.1, 1.0, 3.0, 7.0, 10.0, 997.0])
def test_a_slot_is_due_at_its_number_over_the_rate_however_late_in_the_run(rate: float) -> None:
    schedule = Schedule(5 * NS, rate)
    tick = int(WEEK * rate)
    assert abs(schedule.due_ns(tick) - 5 * NS - tick / rate * NS) <= NS * 1e-6


def test_slots_are_served_one_after_the_other_when_nothing_is_late() -> None:
    schedule = Schedule(0, 10.0, ticks=5)
    served = []
    now = 0
    while (slot := schedule.next(now)).tick is not None:
        assert not slot.skipped
        served.append(slot.tick)
        schedule.mark_served(slot.tick)
        now = schedule.due_ns(slot.tick) + 1
    assert served == [0, 1, 2, 3, 4]


def test_a_poll_that_overruns_skips_the_slots_whose_successor_is_due() -> None:
    schedule = Schedule(0, 10.0)
    assert schedule.next(0).tick == 0
    schedule.mark_served(0)
    slot = schedule.next(350_000_000)  # slots 1 and 2 are skipped, 3 is late but slot 4 is not due yet
    assert (slot.tick, list(slot.skipped)) == (3, [1, 2])
    schedule.mark_served(3)
    assert schedule.next(360_000_000).tick == 4


def test_every_slot_of_a_run_is_either_served_or_reported_as_skipped() -> None:
    schedule = Schedule(0, 10.0, ticks=100)
    seen: list[int] = []
    now = 0
    while True:
        slot = schedule.next(now)
        seen += slot.skipped
        if slot.tick is None:
            break
        seen.append(slot.tick)
        schedule.mark_served(slot.tick)
        now = max(now, schedule.due_ns(slot.tick)) + (slot.tick * 7919 % 400) * 1_000_000
    assert seen == list(range(100))


def test_a_source_that_is_added_later_has_no_slots_from_before() -> None:
    schedule = Schedule(0, 10.0)
    schedule.start_after(1_030_000_000)
    slot = schedule.next(1_030_000_000)
    assert (slot.tick, list(slot.skipped)) == (11, [])


def test_a_slot_that_is_due_when_a_source_is_added_is_not_its_slot() -> None:
    schedule = Schedule(0, 10.0)
    schedule.start_after(1_000_000_000)
    assert schedule.next(1_000_000_000).tick == 11


def test_slots_that_are_due_and_not_served_still_need_a_row() -> None:
    schedule = Schedule(0, 10.0, ticks=5)
    assert list(schedule.due(250_000_000)) == [0, 1, 2]
    schedule.mark_served(1)
    assert list(schedule.due(250_000_000)) == [2]
    assert list(schedule.due(9_000_000_000)) == [2, 3, 4]


@pytest.mark.parametrize(
    ("duration", "rate", "slots"), [(60, 10, 600), (1, 3, 3), (0.1, 30, 3), (0.01, 1, 1), (1.01, 1, 2)]
)
def test_how_many_slots_fall_into_a_duration(duration: float, rate: float, slots: int) -> None:
    schedule = Schedule(7, rate)
    schedule.end_at(7 + round(duration * NS))
    assert schedule.ticks == slots


def test_after_a_suspend_slots_keep_their_times_and_the_end_stays_where_it_is() -> None:
    schedule = Schedule(0, 2.0)
    schedule.end_at(20 * NS)
    schedule.mark_served(19)
    schedule.move(3600 * NS, 10 * NS)
    assert schedule.next(10 * NS).tick == 20 + 7200
    assert schedule.due_ns(20 + 7200) == 10 * NS
    assert schedule.ticks == 40 + 7200

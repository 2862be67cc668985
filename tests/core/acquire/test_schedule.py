"""The absolute schedule: slots by number, nothing drifts, what is passed over is told."""

import pytest

from riglog.acquire.schedule import Schedule, slots_in
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
        assert not slot.missed
        served.append(slot.tick)
        schedule.done(slot.tick)
        now = schedule.due_ns(slot.tick) + 1
    assert served == [0, 1, 2, 3, 4]


def test_a_poll_that_overruns_passes_over_the_slots_whose_successor_is_due() -> None:
    schedule = Schedule(0, 10.0)
    assert schedule.next(0).tick == 0
    schedule.done(0)
    slot = schedule.next(350_000_000)  # slots 1 and 2 are gone, 3 is late but not yet overtaken
    assert (slot.tick, list(slot.missed)) == (3, [1, 2])
    schedule.done(3)
    assert schedule.next(360_000_000).tick == 4


def test_every_slot_of_a_run_is_either_served_or_told_as_missed() -> None:
    schedule = Schedule(0, 10.0, ticks=100)
    seen: list[int] = []
    now = 0
    while True:
        slot = schedule.next(now)
        seen += slot.missed
        if slot.tick is None:
            break
        seen.append(slot.tick)
        schedule.done(slot.tick)
        now = max(now, schedule.due_ns(slot.tick)) + (slot.tick * 7919 % 400) * 1_000_000
    assert seen == list(range(100))


def test_a_source_that_joins_later_owes_nothing_from_before() -> None:
    schedule = Schedule(0, 10.0)
    schedule.join(1_030_000_000)
    slot = schedule.next(1_030_000_000)
    assert (slot.tick, list(slot.missed)) == (11, [])


def test_what_is_due_and_not_done_is_what_still_needs_a_row() -> None:
    schedule = Schedule(0, 10.0, ticks=5)
    assert list(schedule.due(250_000_000)) == [0, 1, 2]
    schedule.done(1)
    assert list(schedule.due(250_000_000)) == [2]
    assert list(schedule.due(9_000_000_000)) == [2, 3, 4]


@pytest.mark.parametrize(
    ("duration", "rate", "slots"), [(60, 10, 600), (1, 3, 3), (0.1, 30, 3), (0.01, 1, 1), (1.01, 1, 2)]
)
def test_how_many_slots_fall_into_a_duration(duration: float, rate: float, slots: int) -> None:
    assert slots_in(duration, rate) == slots

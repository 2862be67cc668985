"""What a simulated instrument had at any time, and what happens to it at a given time."""

from collections.abc import Iterator

import pytest

from riglog.model import Channel
from riglog.simulation import Course, ScheduledSimulator, Timeline, Truth, TruthfulSimulator

CHANNEL = Channel(device="a", driver="d", protocol="p", address=1, parameter="level")


class Level(TruthfulSimulator):
    """Sends its level, from a course, with its unit; every ten seconds also without a request."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.unit = Timeline("mm")
        self.sent = 0

    def receive(self, data: bytes, now: float) -> bytes:
        return f"{self.course.at(now):.1f} {self.unit.at(now)};".encode()

    def idle(self, now: float) -> bytes:
        lines = b""
        while self.next_due(now) <= now:
            lines += self.receive(b"", self.next_due(now))
            self.sent += 1
        return lines

    def next_due(self, now: float) -> float:
        return 10.0 * (self.sent + 1)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        for since, until, unit in self.unit.between(start, end):
            yield Truth(*self.course.extremes(since, until), unit, 0.05)


RISING = Course(0.0, 128.0, 256.0)
FALLING = Course(0.0, 128.0, 256.0, 128.0)


def switched_to(unit: str):  # type: ignore[no-untyped-def]
    def change(level: TruthfulSimulator, now: float) -> None:
        assert isinstance(level, Level)
        level.unit.set(now, unit)

    return change


def test_a_course_rises_and_falls_and_has_no_jump() -> None:
    assert [RISING.at(now) for now in (0.0, 64.0, 128.0, 192.0, 256.0)] == [0.0, 64.0, 128.0, 64.0, 0.0]


@pytest.mark.parametrize(
    ("start", "end", "extremes"),
    [
        (10.0, 20.0, (10.0, 20.0)),
        (100.0, 150.0, (100.0, 128.0)),
        (200.0, 270.0, (0.0, 56.0)),
        (90.0, 260.0, (0.0, 128.0)),
    ],
)
def test_the_extremes_of_a_course_include_the_turns(start: float, end: float, extremes: tuple[float, float]) -> None:
    assert RISING.extremes(start, end) == pytest.approx(extremes)


def test_a_timeline_returns_every_setting_with_its_part_of_the_time() -> None:
    unit = Timeline("mm")
    unit.set(10.0, "cm")
    unit.set(20.0, "m")
    assert [unit.at(now) for now in (-5.0, 9.9, 10.0, 25.0)] == ["mm", "mm", "cm", "m"]
    assert list(unit.between(5.0, 30.0)) == [(5.0, 10.0, "mm"), (10.0, 20.0, "cm"), (20.0, 30.0, "m")]
    assert list(unit.between(12.0, 13.0)) == [(12.0, 13.0, "cm")]


def test_a_truth_holds_what_can_be_sent_for_its_value_in_its_unit() -> None:
    truth = Truth(1.0, 2.0, "mm", 0.05)
    assert truth.holds(1.5, "mm")
    assert truth.holds(2.04, None)
    assert not truth.holds(2.06, "mm")
    assert not truth.holds(1.5, "cm")
    assert not Truth(None, None, "mm").holds(0.0, "mm")


def test_a_scheduled_change_is_there_from_its_time_on() -> None:
    place = ScheduledSimulator(Level(RISING))
    place.schedule(30.0, switched_to("cm"))
    assert place.receive(b"?", 29.0) == b"29.0 mm;"
    assert place.receive(b"?", 31.0) == b"31.0 cm;"
    assert list(place.truths(CHANNEL, 29.0, 31.0)) == [Truth(29.0, 30.0, "mm", 0.05), Truth(30.0, 31.0, "cm", 0.05)]


def test_a_change_between_two_requests_comes_after_the_reply_to_the_first() -> None:
    place = ScheduledSimulator(Level(RISING))
    place.schedule_after(5.0, 2, switched_to("cm"))
    assert [place.receive(b"?", now) for now in (4.0, 6.0, 7.0, 8.0)] == [
        b"4.0 mm;",
        b"6.0 mm;",
        b"7.0 mm;",
        b"8.0 cm;",
    ]


def test_another_instrument_in_the_place_is_not_the_truth_of_the_first() -> None:
    place = ScheduledSimulator(Level(RISING))
    place.schedule_swap(20.0, Level(FALLING))
    assert place.receive(b"?", 19.0) == b"19.0 mm;"
    assert place.receive(b"?", 21.0) == b"107.0 mm;"
    assert place.truth(CHANNEL, 21.0) is None
    assert place.truth(CHANNEL, 19.0) == Truth(19.0, 19.0, "mm", 0.05)


def test_what_is_sent_without_a_request_has_the_settings_of_its_time() -> None:
    place = ScheduledSimulator(Level(RISING))
    place.schedule(15.0, switched_to("cm"))
    place.schedule_power(25.0, False)
    place.schedule_power(35.0, True)
    assert place.idle(45.0) == b"10.0 mm;20.0 cm;40.0 cm;"


def test_an_instrument_without_power_does_not_respond() -> None:
    place = ScheduledSimulator(Level(RISING))
    place.schedule_power(10.0, False)
    place.schedule_power(20.0, True)
    assert [place.receive(b"?", now) for now in (9.0, 11.0, 21.0)] == [b"9.0 mm;", b"", b"21.0 mm;"]

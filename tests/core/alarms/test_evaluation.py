"""One alarm on one channel: what raises it, what clears it, and what does neither."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from recorded import WARM

from riglog.alarms import Alarm, ChannelAlarm, Condition, Turn
from riglog.model import NS, Sample, Stamp, Status, Value


class Watched:
    """An alarm and a channel whose samples come at given seconds."""

    def __init__(self, **conditions: Any) -> None:
        self.alarm = Alarm(name="a", channels=(str(WARM),), **{"stale_s": 1000.0} | conditions)
        self.watch = ChannelAlarm(self.alarm, str(WARM), 0)

    def take(
        self, at: float, value: Value, status: Status = Status.OK, *, unit: str | None = "degC", text: str | None = None
    ) -> str:
        sample = Sample(
            channel=WARM,
            stamp=Stamp(round(at * NS), None, round(at * NS)),
            value=value,
            unit=unit,
            status=status,
            text=text,
        )
        return shown(self.watch.take(sample))

    def look(self, at: float) -> str:
        return shown(self.watch.look(round(at * NS)))


def shown(turn: Turn | None) -> str:
    if turn is None:
        return "-"
    return "+".join(turn.conditions) if turn.raised else "cleared"


def test_a_limit_raises_at_once_and_clears_at_once() -> None:
    watched = Watched(high=200.0)
    assert [watched.take(n, value) for n, value in enumerate((199, 200, 200.1, 250, 200, 201))] == [
        *("-", "-", "high", "-", "cleared", "high"),
    ]
    low = Watched(low=-5.0)
    assert [low.take(n, value) for n, value in enumerate((0, -5, -5.5, -5))] == ["-", "-", "low", "cleared"]


def test_hysteresis_keeps_it_raised_and_does_not_delay_it() -> None:
    watched = Watched(high=200.0, low=100.0, hysteresis=5.0)
    values = [201, 199, 195.1, 195, 99, 104, 105]
    assert [watched.take(n, value) for n, value in enumerate(values)] == [
        "high",
        "-",
        "-",
        "cleared",
        "low",
        "-",
        "cleared",
    ]


def test_a_condition_must_last() -> None:
    watched = Watched(high=200.0, hysteresis=5.0, hold_s=10.0)
    assert [watched.take(at, value) for at, value in ((0, 201), (5, 201), (9, 199), (10, 201), (19.9, 201))] == [
        "-"
    ] * 5
    assert watched.take(20, 201) == "high"
    assert watched.take(21, 194) == "cleared"


def test_a_condition_lasts_also_while_nothing_is_received() -> None:
    watched = Watched(high=200.0, hold_s=10.0)
    assert watched.take(0, 201) == "-"
    assert watched.take(5, None, Status.MISSING) == "-"
    assert watched.watch.due_ns() == 10 * NS
    assert (watched.look(9.9), watched.look(10)) == ("-", "high")


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_only_a_value_that_is_ok_clears(status: Status) -> None:
    watched = Watched(high=200.0, rate=1e9, text=("OL",), status=(Status.FAULT,))
    assert watched.take(0, 201) == "high"
    assert watched.take(1, None if status in (Status.MISSING, Status.SKIPPED) else 20.0, status) in ("-", "status")
    assert Condition.HIGH in watched.watch.active
    assert watched.take(2, 20.0) == "cleared"


def test_a_suspect_value_raises() -> None:
    assert Watched(high=200.0).take(0, 201, Status.SUSPECT) == "high"
    assert Watched(low=0.0).take(0, -1, Status.FAULT) == "low"


def test_missing_data_is_an_alarm_of_its_own() -> None:
    watched = Watched(high=200.0, stale_s=30.0)
    assert watched.watch.due_ns() == 30 * NS + 1
    assert (watched.look(30), watched.look(30.1), watched.look(31)) == ("-", "stale", "-")
    assert watched.take(40, 20.0, Status.SUSPECT) == "-"
    assert watched.take(41, None, Status.OUT_OF_RANGE) == "-"
    assert watched.take(42, 20.0) == "cleared"
    assert [watched.take(at, None, Status.SKIPPED) for at in (60, 72, 72.1)] == ["-", "-", "stale"]


def test_a_second_reason_raises_again_and_wants_a_new_acknowledgement() -> None:
    watched = Watched(high=200.0, stale_s=30.0)
    assert watched.take(0, 201) == "high"
    watched.watch.acknowledged = True
    assert watched.look(31) == "stale"
    assert not watched.watch.acknowledged
    assert watched.take(32, 201) == "-"  # not stale any more, still high
    assert watched.take(33, 199) == "cleared"
    assert watched.watch.is_shown


def test_a_change_that_is_too_fast() -> None:
    watched = Watched(rate=2.0)
    values = [(0, 20), (1, 22), (2, 24.1), (3, 24.2), (4, 20), (4.5, 20)]
    assert [watched.take(at, value) for at, value in values] == ["-", "-", "rate", "cleared", "rate", "cleared"]


def test_the_rate_is_not_taken_across_units_nor_from_values_that_are_not_ok() -> None:
    watched = Watched(rate=2.0)
    assert watched.take(0, 20.0) == "-"
    assert watched.take(1, 68.0, unit="degF") == "-"
    assert watched.take(2, 69.0, unit="degF") == "-"
    assert watched.take(3, 500.0, Status.SUSPECT, unit="degF") == "rate"
    assert watched.take(4, 70.0, unit="degF") == "cleared"


def test_values_in_another_unit_are_not_compared_and_do_not_count_as_data() -> None:
    watched = Watched(high=200.0, unit="degC", stale_s=10.0)
    assert watched.take(0, 201.0, unit="degF") == "-"
    assert watched.take(1, 201.0) == "high"
    assert watched.take(2, 20.0, unit="degF") == "-"
    assert watched.take(12, 20.0, unit=None) == "stale"
    assert watched.take(13, 20.0) == "cleared"


def test_status_and_text() -> None:
    status = Watched(status=(Status.FAULT, Status.MISSING))
    assert [
        status.take(0, 1.0, Status.FAULT),
        status.take(1, 1.0, Status.SUSPECT),
        status.take(2, None, Status.SKIPPED),
        status.take(3, 1.0),
        status.take(4, None, Status.MISSING),
    ] == ["status", "-", "-", "cleared", "status"]
    text = Watched(text=("alarm", "OL"))
    assert [text.take(0, 62, text="alarm"), text.take(1, "OL"), text.take(2, None), text.take(3, "auto")] == [
        *("text", "-", "-", "cleared")
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_no_value(value: float) -> None:
    watched = Watched(high=200.0, stale_s=5.0)
    assert [watched.take(0, value), watched.take(6, value)] == ["-", "stale"]


def test_an_alarm_of_a_run_that_broke_off_stays_until_a_value_shows_otherwise() -> None:
    watched = Watched(high=200.0, hysteresis=5.0)
    watched.watch.resume(0, active=True, acknowledged=True)
    assert [watched.take(0, None, Status.SKIPPED), watched.take(1, 20.0, Status.SUSPECT), watched.take(2, 199)] == [
        "-"
    ] * 3
    assert watched.take(3, 195) == "cleared"
    again = Watched(high=200.0)
    again.watch.resume(0, active=True, acknowledged=False)
    assert again.take(1, 201) == "high"
    assert again.take(2, 20) == "cleared"


def test_every_order_of_good_and_bad_rows_ends_as_the_last_good_value_says() -> None:
    """After any rows, an ``ok`` value decides: above the limit it is raised, well below it is not."""

    def orders(length: int) -> Iterator[tuple[tuple[Value, Status], ...]]:
        rows: list[tuple[Value, Status]] = [
            *((201.0, Status.OK), (20.0, Status.OK), (201.0, Status.SUSPECT), (20.0, Status.SUSPECT)),
            (None, Status.MISSING),
        ]
        if not length:
            yield ()
            return
        for rest in orders(length - 1):
            yield from ((row, *rest) for row in rows)

    for order in orders(4):
        watched, expected = Watched(high=200.0), False
        for at, (value, status) in enumerate(order):
            watched.take(at, value, status)
            if value == 201.0 or (value == 20.0 and status is Status.OK):
                expected = value == 201.0
            assert bool(watched.watch.active) is expected, order


def test_the_definition_names_everything_that_was_set() -> None:
    alarm = Alarm(name="a", channels=("x.y",), high=1.0, hold_s=2.0, stale_s=60.0, status=(Status.FAULT,))
    assert alarm.summary == "above 1 or status fault for 2 s, or no usable value for 60 s"
    assert alarm.definition("x.y") == (
        '{"channel":"x.y","name":"a","high":1.0,"hysteresis":0.0,"status":["fault"],"stale_s":60.0,"hold_s":2.0}'
    )
    assert structs.replace(alarm, high=None, status=()).summary == "no usable value for 60 s"

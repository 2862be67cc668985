"""Which rows of inputs belong together: slots, other rates, missing and suspect inputs, windows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from riglog.derived import Derived, Deriver, read_formula
from riglog.model import NS, Batch, Channel, Sample, Stamp, Status, Value


class FixedClock:
    now_ns = 0

    def utc_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


CLOCK = FixedClock()


@pytest.fixture(autouse=True)
def start() -> None:
    CLOCK.now_ns = 0


def derived(formula: str, name: str = "d", *, slow: Mapping[str, float] | None = None, **more: Any) -> Derived:
    """A derived channel whose inputs have a period of 1 s, except those in ``slow``, which do not lead."""
    read = read_formula(formula)
    periods = dict.fromkeys(read.inputs, 1.0) | dict(slow or {})
    leads = tuple(each for each in read.inputs if each not in (slow or {}))
    return Derived(name=name, formula=read, leads=leads, periods=periods, **more)


def sample(name: str, value: Value, at_s: float, status: Status = Status.OK, unit: str | None = "mm") -> Sample:
    device, _, parameter = name.partition(".")
    channel = Channel(device=device, driver="toy", protocol="toy", address=None, parameter=parameter, unit=unit)
    return Sample(channel=channel, stamp=Stamp(round(at_s * NS), None, round(at_s * NS)), value=value, unit=unit,
                  status=status)  # fmt: skip


def batch(source: str, tick: int | None, *samples: Sample) -> Batch:
    return Batch(source, tick, samples)


def rows(batches: Sequence[Batch]) -> list[tuple[int | None, str, Value, str, str | None]]:
    return [
        (each.tick, row.parameter, row.value, row.status.value, row.error)
        for each in batches
        for row in each.samples
        if row.channel.formula is not None
    ]


def test_the_row_of_a_slot_comes_with_the_input_that_completes_it() -> None:
    deriver = Deriver([derived("a.x - b.x", unit="K")], CLOCK)
    assert rows(deriver.derive(batch("A", 0, sample("a.x", 5, 0.1)))) == []
    (found,) = deriver.derive(batch("B", 0, sample("b.x", 2, 0.3), sample("b.y", 9, 0.3)))
    assert (found.source, found.tick, len(found)) == ("B", 0, 3)
    row = found[-1]
    assert (row.value, row.unit, row.status, row.channel.driver, row.channel.protocol) == (
        3, "K", "ok", "derived", "formula",
    )  # fmt: skip
    assert (row.channel.formula, row.channel.inputs, row.latency_s) == ("a.x - b.x", ("a.x", "b.x"), None)
    assert row.stamp.received_ns == 300_000_000
    assert deriver.rest() == []


def test_a_batch_without_inputs_is_passed_as_it_is() -> None:
    given = batch("A", 0, sample("z.x", 5, 0.1))
    assert Deriver([derived("a.x")], CLOCK).derive(given) == (given,)


@pytest.mark.parametrize(
    ("value", "status", "unit", "expected"),
    [
        (None, Status.MISSING, "mm", (None, "missing", "no number from a.x: missing")),
        (None, Status.SKIPPED, "mm", (None, "missing", "no number from a.x: skipped")),
        (5.0, Status.FAULT, "mm", (None, "missing", "no number from a.x: fault")),
        ("OL", Status.OK, "mm", (None, "missing", "no number from a.x")),
        (float("nan"), Status.OK, "mm", (None, "missing", "no number from a.x")),
        (5.0, Status.SUSPECT, "mm", (0.2, "suspect", "a.x: suspect")),
        (0.0, Status.OK, "mm", (None, "out_of_range", "the formula has no finite value")),
        (True, Status.OK, "mm", (1.0, "ok", None)),
        (5.0, Status.OK, "cm", (None, "missing", "a.x is in cm, not in mm")),
    ],
)
def test_a_row_is_not_better_than_its_input(
    value: Value, status: Status, unit: str, expected: tuple[Value, str, str | None]
) -> None:
    deriver = Deriver([derived("1 / a.x", input_units={"a.x": "mm"})], CLOCK)
    assert [row[2:] for row in rows(deriver.derive(batch("A", 0, sample("a.x", value, 0, status, unit))))] == [expected]


def test_a_unit_that_changes_during_a_run_gives_no_value() -> None:
    deriver = Deriver([derived("a.x * 2")], CLOCK)
    found = [
        rows(deriver.derive(batch("A", tick, sample("a.x", 1, tick, unit=unit))))[0][2:4]
        for tick, unit in enumerate(["C", "C", "F", "C"])
    ]
    assert found == [(2, "ok"), (2, "ok"), (None, "missing"), (2, "ok")]


def test_every_slot_has_one_row_also_if_an_input_has_none() -> None:
    deriver = Deriver([derived("a.x + b.x")], CLOCK)
    for tick in range(3):
        assert rows(deriver.derive(batch("A", tick, sample("a.x", 1, tick)))) == []
    found = deriver.derive(batch("B", 2, sample("b.x", 1, 2)))  # b was added during the run
    gone = "no row of b.x for this slot"
    assert rows(found) == [(0, "d", None, "missing", gone), (1, "d", None, "missing", gone), (2, "d", 2, "ok", None)]
    deriver.derive(batch("A", 3, sample("a.x", 1, 3)))
    CLOCK.now_ns = 14 * NS
    assert deriver.late() == []
    CLOCK.now_ns = 15 * NS
    late = deriver.late()
    assert (rows(late), late[0].source) == ([(3, "d", None, "missing", gone)], "A")
    assert rows(deriver.derive(batch("B", 3, sample("b.x", 1, 3)))) == []  # its slot has its row
    deriver.derive(batch("B", 4, sample("b.x", 1, 4)))
    assert rows(deriver.rest()) == [(4, "d", None, "missing", "no row of a.x for this slot")]
    assert deriver.rest() == []


def test_a_slot_that_is_completed_late_has_the_values_of_its_time() -> None:
    made = derived("mean(a.x, 2) + b.x + s.x", slow={"s.x": 10.0})
    deriver = Deriver([made], CLOCK)
    deriver.derive(batch("S", 0, sample("s.x", 100, 0)))
    for tick in range(4):
        deriver.derive(batch("A", tick, sample("a.x", 10.0 * tick, tick)))
    deriver.derive(batch("S", 1, sample("s.x", 900, 3.5)))
    assert [row[2] for row in rows(deriver.derive(batch("B", 1, sample("b.x", 1, 1.5))))] == [None, 5 + 1 + 100]


def test_an_input_of_another_rate_counts_for_two_of_its_periods() -> None:
    deriver = Deriver([derived("a.x + s.x", slow={"s.x": 4.0})], CLOCK)
    found = []
    for tick in range(12):
        if tick == 1:
            deriver.derive(batch("S", 0, sample("s.x", 100, tick - 0.1)))
        found += [row[2] for row in rows(deriver.derive(batch("A", tick, sample("a.x", tick, tick))))]
    assert found == [None, *(100 + tick for tick in range(1, 9)), None, None, None]
    deriver.derive(batch("S", 3, sample("s.x", None, 11.5, Status.MISSING)))  # not replaced by an older value
    assert rows(deriver.derive(batch("A", 12, sample("a.x", 1, 12)))) == [
        (12, "d", None, "missing", "no number from s.x: missing")
    ]


def test_a_device_that_sets_the_pace_gives_a_row_for_each_of_its_rows() -> None:
    deriver = Deriver([derived("p.x * 2", slow={"p.x": 1.0})], CLOCK)
    (found,) = deriver.derive(batch("P", None, sample("p.x", 1, 0.1), sample("p.x", 2, 0.2)))
    assert [row.value for row in found] == [1, 2, 2, 4]
    assert found.tick is None


def test_a_driver_may_not_have_known_that_its_device_sets_the_pace() -> None:
    deriver = Deriver([derived("p.x * 2")], CLOCK)
    assert rows(deriver.derive(batch("P", None, sample("p.x", 1, 0.1)))) == [(None, "d", 2, "ok", None)]


def test_derived_channels_are_inputs_of_others() -> None:
    both = [derived("a.x + b.x", "sum"), derived("derived.sum * 2 - a.x", "twice")]
    deriver = Deriver(both, CLOCK)
    deriver.derive(batch("A", 0, sample("a.x", 1, 0)))
    assert [row[2] for row in rows(deriver.derive(batch("B", 0, sample("b.x", 2, 0))))] == [3, 5]
    deriver.derive(batch("A", 1, sample("a.x", 1, 1)))
    assert [row[:2] for row in rows(deriver.rest())] == [(1, "sum"), (1, "twice")]


def test_times_of_a_derived_channel_do_not_go_back_while_the_clock_does_not() -> None:
    deriver = Deriver([derived("a.x + b.x")], CLOCK)
    times = []
    for tick, (a, b) in enumerate([(0.0, 1.7), (1.0, 1.1), (2.0, 2.1)]):
        deriver.derive(batch("A", tick, sample("a.x", 1, a)))
        (found,) = deriver.derive(batch("B", tick, sample("b.x", 1, b)))
        times.append(found[-1].stamp.received_ns)
    assert times == [1_700_000_000, 1_700_000_000, 2_100_000_000]


def windowed(function: str, values: Sequence[float | None], *, seconds: float = 4, skip: int = 0) -> list[Any]:
    """The derived values and statuses of rows of 1 Hz; ``skip``: so many slots have no rows before the last value."""
    deriver, found = Deriver([derived(f"{function}(a.x, {seconds})")], CLOCK), []
    for number, value in enumerate(values):
        tick = number + (skip if number == len(values) - 1 else 0)
        status = Status.OK if value is not None else Status.MISSING
        found += [row[2:4] for row in rows(deriver.derive(batch("A", tick, sample("a.x", value, tick, status))))]
    return found


@pytest.mark.parametrize(
    ("function", "expected"),
    [("mean", 4.5), ("lowest", 3), ("highest", 6), ("rate", 1), ("stdev", (5 / 3) ** 0.5)],
)
def test_a_function_over_a_time_uses_the_rows_in_it(function: str, expected: float) -> None:
    assert windowed(function, [1, 2, 3, 4, 5, 6])[-1] == (pytest.approx(expected), "ok")


def test_less_than_half_of_a_window_is_suspect() -> None:
    assert windowed("mean", [1, 2, 3]) == [(1, "suspect"), (1.5, "ok"), (2, "ok")]
    assert windowed("mean", [1, 2, 3, 4, None, 6])[-2:] == [(None, "missing"), (pytest.approx(13 / 3), "ok")]
    assert windowed("mean", [1, 2, 3, None, None, None, 6])[-1] == (6, "suspect")


def test_a_window_forgets_what_was_before_a_gap() -> None:
    assert windowed("mean", [1, 2, 3, 4, 6], skip=1)[-1] == (6, "suspect")
    assert windowed("rate", [1, 2, 3, 4, 6], skip=1)[-1] == (None, "missing")
    assert windowed("rate", [1])[-1] == (None, "missing")


def test_a_suspect_value_in_a_window_makes_its_result_suspect() -> None:
    deriver = Deriver([derived("mean(a.x, 3)")], CLOCK)
    statuses = [Status.OK, Status.SUSPECT, Status.OK, Status.OK, Status.OK]
    found = [
        rows(deriver.derive(batch("A", tick, sample("a.x", 1, tick, status))))[0][3]
        for tick, status in enumerate(statuses)
    ]
    assert found == ["suspect", "suspect", "suspect", "suspect", "ok"]

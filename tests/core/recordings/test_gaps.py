"""Gaps: when they start and end, their first cause, and the availability of each channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from msgspec import structs

from riglog.model import iso
from riglog.recordings import GapFinder
from riglog.recordings.gaps import NO_ROWS
from riglog.recordings.slot_order import MOST_HELD, in_slot_order
from riglog.sinks import COLUMNS, Row

SECOND = 1_000_000_000


def row(tick: int | None, value: float | None, error: str | None = None, *, device: str = "oven", at: int = 0) -> Row:
    columns = dict.fromkeys(COLUMNS) | {
        "run": "run",
        "tick": tick,
        "device": device,
        "driver": "toy",
        "protocol": "toy",
        "parameter": "level",
        "instance": 1,
        "value": value,
        "status": "ok" if value is not None else "missing",
        "flags": "",
        "error": error,
        "received_at": iso((tick if tick is not None else at) * SECOND),
        "midpoint_at": iso((tick if tick is not None else at) * SECOND),
        "monotonic_ns": 0,
    }
    return Row(**columns)  # type: ignore[arg-type]


@dataclass
class Case:
    rows: Sequence[Row]
    gaps: list[tuple[float, int, str]]
    share: float


@pytest.mark.parametrize(
    "case",
    [
        Case([row(tick, 1.0) for tick in range(10)], [], 1.0),
        Case([row(0, 1.0), row(1, None, "no reply"), row(2, None, "not read"), row(3, 1.0)], [(2, 2, "no reply")], 0.5),
        Case([row(0, 1.0), row(5, 1.0)], [(5, 4, NO_ROWS)], 2 / 6),
        Case([row(0, 1.0), row(1, None, "port lost"), row(5, None, "x"), row(6, 1.0)], [(5, 5, "port lost")], 2 / 7),
        Case([row(0, 1.0), row(1, None, "no reply"), row(2, None, "no reply")], [(1, 2, "no reply")], 1 / 3),
        Case(
            [row(None, 1.0, at=0), row(None, None, "no broadcast", at=4), row(None, 1.0, at=9)],
            [(5, 1, "no broadcast")],
            2 / 3,
        ),
    ],
    ids=["none", "missing rows", "slots without rows", "slots without rows in a gap", "to the end", "device-paced"],
)
def test_gaps_are_found_with_their_length_and_first_cause(case: Case) -> None:
    finder = GapFinder()
    found = [(gap.seconds, gap.slots, gap.first_cause) for gap in finder.find(case.rows)]
    assert found == case.gaps
    (availability,) = finder.channels.values()
    assert availability.share == pytest.approx(case.share)
    assert availability.gaps == len(case.gaps)


def test_channels_and_runs_do_not_share_their_gaps() -> None:
    rows = [row(0, 1.0), row(0, 1.0, device="kiln"), row(1, None, "no reply"), row(1, 2.0, device="kiln"), row(2, 1.0)]
    other = [structs.replace(row, run="later") for row in rows]
    finder = GapFinder()
    assert len(list(finder.find([*rows, *other]))) == 2
    assert {(key.run, key.device): seen.gaps for key, seen in finder.channels.items()} == {
        ("run", "oven"): 1,
        ("run", "kiln"): 0,
        ("later", "oven"): 1,
        ("later", "kiln"): 0,
    }


def slept(tick: int | None, at: float, monotonic: float, value: float | None = 1.0) -> Row:
    """A row of which both times are given, in seconds."""
    time = iso(round(at * SECOND))
    return structs.replace(
        row(tick, value), received_at=time, midpoint_at=time, monotonic_ns=round(monotonic * SECOND) + SECOND
    )


@pytest.mark.parametrize("numbered", [True, False], ids=["host-paced", "device-paced"])
def test_a_time_in_which_the_computer_was_suspended_is_a_gap(numbered: bool) -> None:
    """UTC gains an hour on the monotonic clock; a recorder of an early version did not notice it."""
    rows = [slept(n if numbered else None, n / 2 + (3600 if n >= 20 else 0), n / 2) for n in range(40)]
    finder = GapFinder()
    assert [(gap.seconds, gap.slots, gap.first_cause) for gap in finder.find(rows)] == [(3600.5, 7200, NO_ROWS)]
    (seen,) = finder.channels.values()
    assert (seen.slots_due, seen.slots_with_value) == (7240, 40)


def test_slots_that_were_counted_by_their_numbers_are_not_counted_again() -> None:
    rows = [slept(n + (7200 if n >= 20 else 0), n / 2 + (3600 if n >= 20 else 0), n / 2) for n in range(40)]
    assert [(gap.seconds, gap.slots) for gap in GapFinder().find(rows)] == [(3600.5, 7200)]


def test_a_run_that_is_resumed_after_a_restart_has_one_gap() -> None:
    before = [slept(n, n / 2, 9000 + n / 2) for n in range(20)]
    after = [slept(n, n / 2, 30 + n / 2) for n in range(1000, 1020)]
    later = [slept(n, n / 2, 40_000 + n / 2) for n in range(2000, 2020)]
    assert [gap.slots for gap in GapFinder().find([*before, *after, *later])] == [980, 980]


def test_a_clock_that_is_set_back_or_drifts_is_no_gap() -> None:
    rows = [slept(n, n / 2 * 1.0001 - (7200 if n >= 20_000 else 0), n / 2) for n in range(40_000)]
    assert list(GapFinder().find(rows)) == []


def test_the_row_of_a_poll_that_overran_comes_after_those_of_the_slots_skipped_meanwhile() -> None:
    """Rows are stored in the order of receipt."""
    finder = GapFinder()
    rows = [row(0, 1.0), *(row(tick, None, "skipped") for tick in (2, 3)), row(1, 2.0), row(4, None), row(5, 3.0)]
    (gap,) = finder.find(rows)
    (channel,) = finder.channels.values()
    assert (channel.slots_due, channel.slots_with_value, gap.slots, gap.first_cause) == (6, 3, 3, "skipped")


def test_rows_of_lost_slots_are_not_waited_for_without_end() -> None:
    ticks = [0, *range(2, 3 * MOST_HELD)]
    found = list(in_slot_order(row(tick, 1.0) for tick in ticks))
    assert [each.tick for each in found] == ticks
    too_late = [1, *range(3, MOST_HELD + 9), 0, 2]
    assert [each.tick for each in in_slot_order(row(tick, 1.0) for tick in too_late)] == too_late


def test_rows_without_a_slot_stay_where_they_are() -> None:
    rows = [row(None, 1.0, at=3), row(1, 1.0), row(None, 1.0, at=2), row(0, 1.0)]
    assert list(in_slot_order(rows)) == rows

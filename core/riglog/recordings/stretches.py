"""The rows of a channel of schema 2 as stretches: what gaps and availability need of them, at little cost.

An hour or minute of the overviews whose rows all have a value, whose numbers of slots leave none out from the first to
the last row, and in which neither clock was set, is one stretch: its first and last row are all that is read of it.
Elsewhere the readings are looked at one by one, and only those at which something changes become rows.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator

from riglog.model import EventKind
from riglog.recordings.parts import TABLES, Readings
from riglog.recordings.slot_order import Stretch
from riglog.sinks.sqlite.overviews import HOUR_NS, MINUTE_NS
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, Reading, StoredRows

PAGE_ROWS = 5_000
STEADY_NS = 400_000_000
"""Clocks that come apart by more between two rows begin a stretch; less than what counts as a step."""
OWN_NS = 1_000
"""An instrument's own time counts from here on: times of rows are in microseconds."""
COLUMNS = READING_COLUMNS.replace("channel.id", ":channel")
FIRST, LAST = (
    f"SELECT {COLUMNS} {TABLES} ORDER BY block.id {order}, received_ns {order}, n {order} LIMIT 1"
    for order in ("ASC", "DESC")
)
PAGE = (
    f"SELECT {COLUMNS} {TABLES} AND (received_ns, n) > (:start, :after) ORDER BY block.id, received_ns, n LIMIT :rows"
)
COMPLETE = {
    table: f"SELECT {table}, rows FROM {table} WHERE channel_id = :channel"  # noqa: S608 - constants
    f" AND {table} >= :first AND {table} < :end AND rows = count ORDER BY {table}"
    for table in ("hour", "minute")
}
STEPS = "SELECT at_ns FROM event WHERE run_id = :run AND kind = :kind"
Stretches = Iterator[Stretch]


class StretchReader:
    """Reads channels of one recording of schema 2 as stretches."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self._stored = StoredRows(database)
        self._with_text: dict[int, bool] = {}
        self._steps: dict[int, list[int]] = {}

    def stretches(self, run: int, channel: int, start: int, end: int) -> Stretches:
        """Return the rows of a channel from ``start`` on and before ``end``, in the order of receipt."""
        readings = Readings(self.database, run, channel)
        steps = self._steps_of(run)

        def singly(first: int, last: int) -> Stretches:
            return self._singly(readings, first, last)

        def minutes(first: int, last: int) -> Stretches:
            return self._complete(readings, steps, "minute", MINUTE_NS, channel, first, last, singly)

        return self._complete(readings, steps, "hour", HOUR_NS, channel, start, end, minutes)

    def _complete(
        self,
        readings: Readings,
        steps: list[int],
        table: str,
        unit: int,
        channel: int,
        start: int,
        end: int,
        elsewhere: Callable[[int, int], Stretches],
    ) -> Stretches:
        """Return the hours or minutes that are one stretch each, and from ``elsewhere`` what is between them."""
        place = {"channel": channel, "first": -(-start // unit), "end": end // unit}
        done = start
        for at, rows in self.database.execute(COMPLETE[table], place).fetchall():
            begins = at * unit
            if (whole := self._whole(readings, steps, begins, begins + unit, rows)) is not None:
                if begins > done:
                    yield from elsewhere(done, begins)
                yield whole
                done = begins + unit
        if done < end:
            yield from elsewhere(done, end)

    def _whole(self, readings: Readings, steps: list[int], start: int, end: int, rows: int) -> Stretch | None:
        """Return a time in which all rows have a value as one stretch; None if something else can be in it."""
        near = bisect_left(steps, start - MINUTE_NS)
        if near < len(steps) and steps[near] < end + MINUTE_NS:
            return None
        place = readings.place(start, end)
        first, last = (self.database.execute(edge, place).fetchone() for edge in (FIRST, LAST))
        if first is None or last is None or first[8] is not None or last[8] is not None:
            return None
        slots = rows - 1 if first[5] is None and last[5] is None else (last[5] or 0) - (first[5] or 0)
        if slots != rows - 1 or abs((last[7] or 0) - (first[7] or 0)) > STEADY_NS:
            return None
        return Stretch(self._stored.row(first), self._stored.row(last), rows)

    def _singly(self, readings: Readings, start: int, end: int) -> Stretches:
        first: Reading | None = None
        last: Reading | None = None
        valued, rows, slot, clock_ns, skew_ns = False, 0, None, 0, 0
        for reading in self._readings(readings, start, end):
            received, _, _, value, annotation, tick, latency, skew, own = reading
            has_value = value is not None or (annotation is not None and self._has_text(annotation))
            clock = (received - (latency or 0) // 2 if own is None else own) + (skew or 0)
            if (
                last is not None
                and has_value == valued
                and (tick == slot or (own is not None and tick == last[5]))
                and (own is None) == (last[8] is None)
                and (own is None or (latency is None and abs(own - received) >= OWN_NS))
                and clock > clock_ns
                and -STEADY_NS <= (skew or 0) - skew_ns <= STEADY_NS
            ):
                rows += 1
            else:
                if first is not None and last is not None:
                    yield self._stretch(first, last, rows)
                first, valued, rows = reading, has_value, 1
            last, slot, clock_ns, skew_ns = reading, None if tick is None else tick + 1, clock, skew or 0
        if first is not None and last is not None:
            yield self._stretch(first, last, rows)

    def _stretch(self, first: Reading, last: Reading, rows: int) -> Stretch:
        row = self._stored.row(first)
        return Stretch(row, row if rows == 1 else self._stored.row(last), rows)

    def _readings(self, readings: Readings, start: int, end: int) -> Iterator[Reading]:
        after = -1
        place = readings.place(start, end)
        while True:
            page = self.database.execute(PAGE, place | {"start": start, "after": after, "rows": PAGE_ROWS}).fetchall()
            yield from page
            if len(page) < PAGE_ROWS:
                return
            start, after = page[-1][:2]
            place["oldest"] = readings.place(start, end)["oldest"]

    def _has_text(self, annotation: int) -> bool:
        """Return True if an annotation has the text of a value."""
        if annotation not in self._with_text:
            self._with_text[annotation] = self._stored.annotation(annotation)[0] is not None
        return self._with_text[annotation]

    def _steps_of(self, run: int) -> list[int]:
        """Return when a clock was set or the run resumed: what is near is not taken from the overviews."""
        if run not in self._steps:
            kinds = (EventKind.CLOCK_STEP.value, EventKind.RUN_RESUMED.value)
            found = [self.database.execute(STEPS, {"run": run, "kind": kind}).fetchall() for kind in kinds]
            self._steps[run] = sorted(at for events in found for (at,) in events)
        return self._steps[run]

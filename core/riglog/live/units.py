"""Which rows of a channel are in the unit of its panel, and which are suspect or faulty.

A page that is moved and zoomed requests the same time again and again. So it is looked up once for each time of a
channel whether it is in one unit, and which of its rows are marked.
"""

import sqlite3
from collections.abc import Iterator

from riglog.model import NS
from riglog.recordings.marks import Mark, first_marks
from riglog.recordings.parts import Part
from riglog.recordings.units import ROWS, StoredChannel, UnitReader

MARKED_NS = 5 * NS
"""Of each channel, the first suspect and the first faulty row of so long a time are remembered. Wider buckets are
multiples of it."""
MOST_MARKS = 100_000
OTHER_UNITS = "SELECT id FROM annotation WHERE unit IS NOT :unit AND status NOT IN ('missing', 'skipped')"
ANY = f"SELECT EXISTS ({OTHER_UNITS})"
FIRST = f"""
SELECT EXISTS (SELECT 1 {ROWS} AND reading.value IS NOT NULL
    AND (reading.annotation_id IN ({OTHER_UNITS}) OR (reading.annotation_id IS NULL AND NOT :usual)))"""
NEWEST = f"SELECT reading.received_ns {ROWS} ORDER BY block.id DESC, reading.received_ns DESC LIMIT 1"


class Units:
    """What is known about the units of a recording; only as long as it is the same file."""

    def __init__(self) -> None:
        self._checked: dict[tuple[int, str | None], tuple[int, int]] = {}

    def is_one(
        self, database: sqlite3.Connection, channel: StoredChannel, unit: str | None, start: int, end: int
    ) -> bool:
        """Return whether all values of a channel in a time are in one unit."""
        usual = channel.unit == unit
        if usual and not database.execute(ANY, {"unit": unit}).fetchone()[0]:
            return True
        key = channel.id, unit
        first, last = self._checked.get(key, (start, start))
        if start > last or end < first:
            first = last = start  # not side by side: only one time is remembered
        values = {"channel": channel.id, "run": channel.run_id, "unit": unit, "usual": usual}
        for earlier, later in ((start, first), (last, end)):
            times = {"start": earlier, "end": later}
            if earlier < later and database.execute(FIRST, values | times).fetchone()[0]:
                return False
        newest = database.execute(NEWEST, values | {"start": start, "end": end}).fetchone()
        if newest is not None:  # what is stored later was not looked at
            self._checked[key] = min(start, first), max(last, newest[0])
        return True


class Marks:
    """The suspect and faulty rows of a recording, as far as charts have looked; only as long as it is the same file."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int, list[Mark]]] = {}

    def of(
        self, database: sqlite3.Connection, channel: StoredChannel, start: int, end: int, width: int
    ) -> Iterator[Mark]:
        """Return the first marked readings of each bucket in a time, some of them perhaps twice."""
        if width < MARKED_NS:
            yield from first_marks(database, channel, start, end, width)
            return
        first, last, found = self._known.get(channel.id, (start, start, []))
        if start > last or end < first or len(found) > MOST_MARKS:
            first, last, found = start, start, []  # not side by side: only one time is remembered
        before = first_marks(database, channel, start, first, MARKED_NS) if start < first else ()
        behind = first_marks(database, channel, last, end, MARKED_NS) if last < end else ()
        found = [*before, *found, *behind]
        newest = database.execute(NEWEST, _place(channel, start, end)).fetchone()
        if newest is not None:  # what is stored later was not looked at
            self._known[channel.id] = min(start, first), max(last, newest[0]), found
        yield from (mark for mark in found if start <= mark[0] < end)


def _place(channel: StoredChannel, start: int, end: int) -> dict[str, int]:
    return {"channel": channel.id, "run": channel.run_id, "start": start, "end": end}


def parts_in_unit(
    database: sqlite3.Connection, channel: StoredChannel, unit: str | None, start: int, end: int, width: int
) -> Iterator[tuple[int, Part]]:
    """Return the parts of a channel in buckets, as ``channel_parts`` does; only values in this unit count as values."""
    for found, at, part in UnitReader(database).parts(channel, start, end, width, edges=False):
        yield at, part if found == unit else Part(part.rows)

"""Which rows of a channel are in the unit of its panel.

A page that is moved and zoomed requests the same time again and again. So it is looked up once for each time of a
channel whether it is in one unit.
"""

import sqlite3
from collections.abc import Iterator

from riglog.recordings.parts import Part
from riglog.recordings.units import ROWS, StoredChannel, UnitReader

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


def parts_in_unit(
    database: sqlite3.Connection, channel: StoredChannel, unit: str | None, start: int, end: int, width: int
) -> Iterator[tuple[int, Part]]:
    """Return the parts of a channel in buckets, as ``channel_parts`` does; only values in this unit count as values."""
    for found, at, part in UnitReader(database).parts(channel, start, end, width, edges=False):
        yield at, part if found == unit else Part(part.rows)

"""Which rows of a channel are in one unit. The minutes and hours of an overview do not distinguish units.

A unit hardly ever changes, so it is looked up once for each time of a channel whether it has, and not at all where no
row of the recording can be in another unit.
"""

import sqlite3
from collections.abc import Iterator

from msgspec import Struct

from riglog.recordings.overview import Part

ROWS = """
FROM block CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = :channel
    AND reading.received_ns >= :start AND reading.received_ns < :end
WHERE block.run_id = :run"""
OTHER_UNITS = "SELECT id FROM annotation WHERE unit IS NOT :unit AND status NOT IN ('missing', 'skipped')"
ANY = f"SELECT EXISTS ({OTHER_UNITS})"
FIRST = f"""
SELECT EXISTS (SELECT 1 {ROWS} AND reading.value IS NOT NULL
    AND (reading.annotation_id IN ({OTHER_UNITS}) OR (reading.annotation_id IS NULL AND NOT :usual)))"""
SUMS = f"""
SELECT bucket, count(*), count(value), min(value), max(value), sum(value) FROM (
    SELECT reading.received_ns / :width AS bucket,
        CASE WHEN (reading.annotation_id IS NULL AND :usual) OR reading.annotation_id IN
            (SELECT id FROM annotation WHERE unit IS :unit) THEN reading.value END AS value {ROWS}
) GROUP BY bucket ORDER BY bucket"""  # noqa: S608 - constants of this file


class StoredChannel(Struct, frozen=True):
    """A channel of the file. ``unit`` is that of its rows without an annotation."""

    id: int
    run_id: int
    unit: str | None


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
        self._checked[key] = min(start, first), max(last, end)
        return True


def parts_in_unit(
    database: sqlite3.Connection, channel: StoredChannel, unit: str | None, start: int, end: int, width: int
) -> Iterator[tuple[int, Part]]:
    """Return the parts of a channel in buckets, as ``channel_parts`` does; only values in this unit count as values."""
    values = {"channel": channel.id, "run": channel.run_id, "unit": unit, "usual": channel.unit == unit}
    for bucket, rows, count, low, high, total in database.execute(
        SUMS, values | {"start": start, "end": end, "width": width}
    ):
        yield bucket * width, Part(rows, count, low, high, total or 0.0)

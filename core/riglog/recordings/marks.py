"""Readings whose status a chart marks. Overviews do not have them: nothing but the readings themselves shows them."""

import sqlite3
from collections.abc import Iterator

from riglog.model import Status
from riglog.recordings.units import ROWS, StoredChannel

MARKED = (Status.SUSPECT.value, Status.FAULT.value)
ANY = f"SELECT EXISTS (SELECT 1 FROM annotation WHERE status IN {MARKED})"  # noqa: S608 - constants
FIRST_OF_BUCKETS = f"""
SELECT min(received_ns), at, value, unit, status FROM (
    SELECT received_ns, received_ns + coalesce(own_ns, 0) AS at, value,
        (SELECT unit FROM annotation WHERE id = annotation_id) AS unit,
        (SELECT status FROM annotation WHERE id = annotation_id) AS status {ROWS} AND annotation_id IS NOT NULL
) WHERE status IN {MARKED} GROUP BY received_ns / :width, status, unit ORDER BY 1"""  # noqa: S608 - constants
Mark = tuple[int, int, float | None, str | None, str]
"""When it was received, time, value, unit, status."""


def has_marks(database: sqlite3.Connection) -> bool:
    """Return whether a row of the recording can be marked."""
    return bool(database.execute(ANY).fetchone()[0])


def first_marks(
    database: sqlite3.Connection, channel: StoredChannel, start: int, end: int, width: int
) -> Iterator[Mark]:
    """Return the first reading of each marked status and unit in each bucket of ``width`` ns, in the order of time.

    All readings in the time are looked at, unless the recording has no such status: 0.1 s of CPU for a million.
    """
    if has_marks(database):
        place = {"channel": channel.id, "run": channel.run_id, "start": start, "end": end, "width": width}
        yield from database.execute(FIRST_OF_BUCKETS, place)

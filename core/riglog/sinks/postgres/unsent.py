"""Which readings of a recording are not forwarded yet, for each schema of a recording."""

import sqlite3
from typing import Any, Protocol

from msgspec import Struct, structs

from riglog.sinks.rows import Row
from riglog.sinks.sqlite.recorded import PAGE_ROWS, Key, Recorded, Recorded1, Recorded2, recorded

GROUPED_FLUSHES = 1000


class Cursor(Struct, frozen=True):
    """The newest row of each table that the central database has committed.

    ``reading`` is for a recording of schema 1. In one of schema 2, the readings of all flushes up to ``flush`` are
    forwarded; and of those up to ``until``, the readings up to the key ``within``.

    ``received_ns`` and ``at_ns`` are their times: a file that was replaced, or that lost rows in a power failure, has
    other rows under these numbers. None in cursors of early versions.
    """

    reading: int = 0
    event: int = 0
    received_ns: int | None = None
    at_ns: int | None = None
    flush: int = 0
    until: int = 0
    within: Key | None = None


Numbered = list[tuple[int, Row]]
"""Rows with the number that each has in its file, the column ``sequence``."""


class Unsent(Protocol):
    """The readings after a cursor."""

    def has_read(self, cursor: Cursor) -> bool:
        """Return whether the row at the cursor is still the one that was forwarded."""

    def remaining(self, cursor: Cursor) -> int:
        """Return about how many readings there are."""

    def next(self, cursor: Cursor) -> tuple[Numbered, Cursor]:
        """Return the oldest of them, at most a page, and the cursor after them."""


def unsent(database: sqlite3.Connection) -> Unsent:
    """Return the readings of a recording that is open."""
    found = recorded(database)
    return Unsent1(found) if isinstance(found, Recorded1) else Unsent2(found)


class Unsent1:
    """Schema 1: ``reading.id`` grows with every row."""

    def __init__(self, recording: Recorded1) -> None:
        self._recording = recording

    def has_read(self, cursor: Cursor) -> bool:
        return cursor.received_ns in (None, self._received_ns(cursor.reading))

    def remaining(self, cursor: Cursor) -> int:
        return max(0, self._recording.count() - cursor.reading)

    def next(self, cursor: Cursor) -> tuple[Numbered, Cursor]:
        found = self._recording.numbered(cursor.reading, PAGE_ROWS)
        if not found:
            return [], cursor
        last = found[-1][0]
        return found, structs.replace(cursor, reading=last, received_ns=self._received_ns(last))

    def _received_ns(self, reading: int) -> Any:
        found = self._recording.database.execute(
            "SELECT started_ns + received_ns FROM reading JOIN channel ON channel.id = channel_id"
            " JOIN run ON run.id = run_id WHERE reading.id = ?",
            (reading,),
        ).fetchone()
        return found[0] if found else None


class Unsent2:
    """Schema 2: all readings in the ranges of the flushes after the cursor.

    Readings of several ports overlap in time, so that some are sent twice: the database ignores what it has. None is
    missed, because the range of a flush is read after the flush was committed.
    """

    def __init__(self, recording: Recorded) -> None:
        assert isinstance(recording, Recorded2)
        self._recording = recording
        self._after = self._newest = 0  # flushes: those between them have so many rows
        self._rows = 0

    def has_read(self, cursor: Cursor) -> bool:
        found = self._query("SELECT last_ns FROM flush WHERE id = ?", cursor.flush)
        return not cursor.flush or found == [(cursor.received_ns,)]

    def remaining(self, cursor: Cursor) -> int:
        """Count each flush when it is new, and when it is forwarded: this is asked after every page."""
        if cursor.flush < self._after:
            self._after = self._newest = self._rows = 0
        ((newest,),) = self._query("SELECT coalesce(max(id), 0) FROM flush")
        between = "SELECT coalesce(sum(rows), 0) FROM flush WHERE id > ? AND id <= ?"
        ((added,),) = self._query(between, self._newest, newest)
        ((gone,),) = self._query(between, self._after, cursor.flush)
        self._newest = newest
        self._rows += added - gone
        self._after = cursor.flush
        return self._rows

    def next(self, cursor: Cursor) -> tuple[Numbered, Cursor]:
        group = self._group(cursor)
        if not group:
            return [], cursor
        (until, run_id, segment, _, last_ns, _) = group[-1]
        start, end = min(flush[3] for flush in group), max(flush[4] for flush in group)
        page = self._recording.window(run_id, segment, start, end + 1, cursor.within)
        if len(page) >= PAGE_ROWS:
            after = structs.replace(cursor, until=until, within=page[-1][0])
        else:
            after = structs.replace(cursor, flush=until, received_ns=last_ns, until=0, within=None)
        return [(sequence(key), row) for key, row in page], after

    def _group(self, cursor: Cursor) -> list[Any]:
        """Return the next flushes of one segment that have about a page of rows together."""
        found = self._query(
            "SELECT id, run_id, segment, first_ns, last_ns, rows FROM flush WHERE id > ? AND rows > 0"
            " AND (? = 0 OR id <= ?) ORDER BY id LIMIT ?",
            cursor.flush,
            cursor.until,
            cursor.until,
            GROUPED_FLUSHES,
        )
        group: list[Any] = []
        for flush in found:
            full = not cursor.until and sum(other[5] for other in group) + flush[5] > PAGE_ROWS // 2
            if group and (flush[1:3] != group[0][1:3] or full):
                break
            group.append(flush)
        return group

    def _query(self, sql: str, *values: object) -> list[Any]:
        return self._recording.database.execute(sql, values).fetchall()


def sequence(key: Key) -> int:
    """Return a number for a reading that, with the microsecond in which it was received, is unique in its file."""
    received_ns, n, channel_id = key
    return channel_id << 39 | n << 10 | received_ns % 1000

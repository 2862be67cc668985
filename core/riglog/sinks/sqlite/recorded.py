"""The rows of a recording, whatever its schema: page by page in the order of recording, and the SQL to ask for them."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import NS
from riglog.sinks.rows import Row
from riglog.sinks.sqlite import schema1, views
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, StoredRows

PAGE_ROWS = 5_000
"""Reads are short: a long one prevents SQLite from writing the write-ahead log of a growing file back."""
FIRST_WINDOW_NS = 10 * NS
EARLIEST_NS, LATEST_NS = -(2**63), 2**63 - 1
SLOT_ZERO_NS = """coalesce((SELECT at_ns FROM event WHERE run_id = run.id AND kind = 'run_started' ORDER BY id LIMIT 1),
    run.started_ns)"""
"""The SQL of when a run began: the file knew it before its clock was started, which may have been set since."""
Moment = datetime | str | None
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Selection(Struct, frozen=True):
    """``run`` is an id or a name. Received at ``start`` or later and before ``end``; UTC if they have no time zone."""

    run: str | None = None
    device: str | None = None
    parameter: str | None = None
    start: Moment = None
    end: Moment = None

    def __bool__(self) -> bool:
        return self != Selection()

    @property
    def start_ns(self) -> int | None:
        """In nanoseconds since the epoch.

        Raises:
            ConfigError: invalid time.
        """
        return None if self.start is None else nanoseconds(self.start)

    @property
    def end_ns(self) -> int | None:
        """As ``start_ns``."""
        return None if self.end is None else nanoseconds(self.end)

    def condition(self, received: str) -> tuple[str, list[object]]:
        """Return an SQL condition over run, series and reading, and the values for its placeholders.

        Args:
            received: the SQL of the time of receipt.
        Raises:
            ConfigError: invalid time.
        """
        clauses = {
            "channel.run_id IN (SELECT id FROM run WHERE ? IN (run, name))": self.run,
            "series.device = ?": self.device,
            "series.parameter = ?": self.parameter,
            f"{received} >= ?": self.start_ns,
            f"{received} < ?": self.end_ns,
        }
        used = {clause: value for clause, value in clauses.items() if value is not None}
        return " AND ".join(used) or "true", list(used.values())


ALL = Selection()


class Page(Struct, frozen=True):
    """Rows, and the share of the recording that is read after them, 0 to 1."""

    rows: list[Row]
    share: float


class Recorded(ABC):
    """A recording that is open for reading.

    ``columns`` of ``tables`` are a Row. ``received`` is the time of receipt in ns. ``own`` is that of the instrument
    for a sample of a burst, or NULL, and ``at`` the same by the clock of the computer, or else the time of receipt.
    ``unit`` and ``text`` are those of a value, ``order`` is the order of recording within a run: all in SQL.
    """

    columns: str
    tables: str
    received: str
    at: str
    own: str
    unit: str
    text: str
    order: str

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    @abstractmethod
    def pages(self, selection: Selection = ALL) -> Iterator[Page]:
        """Return the rows that are present now, oldest first. Each page is one short read."""

    @abstractmethod
    def count(self) -> int:
        """Return about how many rows there are."""


def recorded(database: sqlite3.Connection) -> Recorded:
    """Return the recording that a connection reads."""
    return Recorded1(database) if schema_of(database) == schema1.SCHEMA_1 else Recorded2(database)


class Recorded1(Recorded):
    """Schema 1: ``reading.id`` is the order of recording."""

    columns = schema1.SAMPLE_COLUMNS
    tables = schema1.SAMPLE_TABLES
    received = at = schema1.RECEIVED
    own = "NULL"
    unit = schema1.SHARED["unit"]
    text = schema1.SHARED["text"]
    order = "reading.id"

    def pages(self, selection: Selection = ALL) -> Iterator[Page]:
        total, after = max(1, self.count()), 0
        while page := self.numbered(after, PAGE_ROWS, selection):
            after = page[-1][0]
            yield Page([row for _, row in page], min(1.0, after / total))

    def numbered(self, after: int, limit: int, selection: Selection = ALL) -> list[tuple[int, Row]]:
        """Return the next rows with their ``reading.id``."""
        where, values = selection.condition(self.received)
        found = self.database.execute(
            f"SELECT reading.id, {self.columns} {self.tables}"
            f" WHERE reading.id > ? AND {where} ORDER BY reading.id LIMIT ?",
            (after, *values, limit),
        )
        return [(number, Row(*columns)) for number, *columns in found]

    def count(self) -> int:
        return int(self.database.execute("SELECT coalesce(max(id), 0) FROM reading").fetchone()[0])


Key = tuple[int, int, int]
"""Where a reading is in a segment: ``received_ns``, ``n``, ``channel_id``."""


class Recorded2(Recorded):
    """Schema 2: readings are clustered by channel; in windows of time they are in the order of recording again."""

    columns = views.SAMPLE_COLUMNS
    tables = views.SAMPLE_TABLES
    received = "reading.received_ns"
    at = (
        f"CASE WHEN reading.own_ns IS NULL THEN reading.received_ns ELSE {views.OWN} + coalesce(reading.skew_ns, 0) END"
    )
    own = views.OWN
    unit = views.SHARED["unit"]
    text = views.SHARED["text"]
    order = "channel.segment, reading.received_ns, reading.n, channel.id"

    def __init__(self, database: sqlite3.Connection) -> None:
        super().__init__(database)
        self._row = StoredRows(database).row

    def pages(self, selection: Selection = ALL) -> Iterator[Page]:
        done, total = 0, max(1, self.count())
        for run_id, segment in self.segments(selection):
            for page in self.keyed_pages(run_id, segment, selection.start_ns, selection.end_ns, selection):
                done += len(page)
                yield Page([row for _, row in page], min(1.0, done / total))

    def segments(self, selection: Selection = ALL) -> list[tuple[int, int]]:
        """Return the runs and segments in the order of recording."""
        return self.database.execute(
            "SELECT DISTINCT run_id, segment FROM channel"
            " WHERE :run IS NULL OR run_id IN (SELECT id FROM run WHERE :run IN (run, name)) ORDER BY run_id, segment",
            {"run": selection.run},
        ).fetchall()

    def keyed_pages(
        self, run_id: int, segment: int, start_ns: int | None, end_ns: int | None, selection: Selection = ALL
    ) -> Iterator[list[tuple[Key, Row]]]:
        """Return the rows of a segment from ``start_ns`` up to and without ``end_ns``, with their keys.

        A window has so many nanoseconds that it holds about a page. What of it does not fit is read by the next query.
        """
        width = FIRST_WINDOW_NS
        after: Key | None = None
        start = self._next_ns(run_id, segment, EARLIEST_NS if start_ns is None else start_ns)
        end = LATEST_NS if end_ns is None else end_ns
        while start is not None and start < end:
            window_end = min(start + width, end)
            page = self.window(run_id, segment, start, window_end, after, selection)
            if page:
                yield page
            if len(page) >= PAGE_ROWS:
                after, width = page[-1][0], max(1, width // 2)
                start = after[0]
                continue
            if len(page) < PAGE_ROWS // 4:
                width = min(width * 4, 2**55)
            after, start = None, self._next_ns(run_id, segment, window_end)

    def window(
        self, run_id: int, segment: int, start: int, end: int, after: Key | None, selection: Selection = ALL
    ) -> list[tuple[Key, Row]]:
        where, values = selection.condition(self.received)
        found = self.database.execute(
            f"SELECT {READING_COLUMNS} {self.tables}"
            " WHERE channel.run_id = ? AND channel.segment = ? AND reading.received_ns >= ?"
            " AND (reading.received_ns < ?) AND (reading.received_ns, reading.n, channel.id) > (?, ?, ?)"
            f" AND {where} ORDER BY reading.received_ns, reading.n, channel.id LIMIT ?",
            (run_id, segment, start, end, *(after or (EARLIEST_NS, 0, 0)), *values, PAGE_ROWS),
        ).fetchall()
        return [(reading[:3], self._row(reading)) for reading in found]

    def _next_ns(self, run_id: int, segment: int, start: int) -> int | None:
        """Return the time of the first reading that is not before ``start``: a seek in each channel and block."""
        (found,) = self.database.execute(
            "SELECT min((SELECT received_ns FROM reading WHERE block_id = block.id AND channel_id = channel.id"
            " AND received_ns >= ? ORDER BY received_ns LIMIT 1))"
            " FROM channel CROSS JOIN block ON block.run_id = channel.run_id"
            " WHERE channel.run_id = ? AND channel.segment = ?",
            (start, run_id, segment),
        ).fetchone()
        return None if found is None else int(found)

    def count(self) -> int:
        return int(self.database.execute("SELECT coalesce(sum(rows), 0) FROM flush").fetchone()[0])


def nanoseconds(moment: datetime | str) -> int:
    """Return a time as nanoseconds since the epoch, UTC.

    Raises:
        ConfigError: a text that is not ISO 8601.
    """
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        hint = "Use ISO 8601, for example 2026-11-20T12:00:00Z or 2026-11-20"
        raise ConfigError(f"invalid time {moment!r}", hint=hint) from None
    since = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000

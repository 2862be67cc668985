"""The part of a recording that is not forwarded yet, and the cursor in its ``meta`` table that marks the position."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from riglog.model import current_kind, utc
from riglog.sinks.other_files import refuse_known_files, refuse_row_files
from riglog.sinks.postgres.central import Records
from riglog.sinks.postgres.tables import EVENTS, RUNS, SAMPLES, Table
from riglog.sinks.rows import Kind, Row
from riglog.sinks.sqlite.reader import PAGE_ROWS, read_page
from riglog.sinks.sqlite.schema import check_recording, sqlite_errors


class Cursor(Struct, frozen=True):
    """The newest row of each table that the central database has committed."""

    reading: int = 0
    event: int = 0


Record = tuple[Any, ...]


class Page(Struct):
    """The rows of one transaction, and the cursor after it."""

    records: Records
    samples: int
    cursor: Cursor
    runs: dict[int, Record]


class ForwardQueue:
    """A recording as the forwarder uses it. Only the cursor is written. Blocking."""

    def __init__(self, path: Path) -> None:
        refuse_known_files(path)
        refuse_row_files(path)
        check_recording(path, hint="Give a riglog recording in SQLite")
        self.path = path
        self._forwarded_runs: dict[int, Record] = {}
        with sqlite_errors(path):
            self._database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA synchronous = NORMAL")  # losing the newest cursor in a power failure is safe

    def cursor(self, target: str) -> Cursor:
        """Return the cursor for the database with this identity."""
        self._forwarded_runs = {}
        found = self._query("SELECT value FROM meta WHERE key = ?", _key(target))
        return msgspec.json.decode(found[0][0], type=Cursor) if found else Cursor()

    def mark_forwarded(self, target: str, page: Page) -> None:
        """Move the cursor after a page that the database has committed."""
        cursor = msgspec.json.encode(page.cursor).decode()
        self._query("INSERT OR REPLACE INTO meta VALUES (?, ?)", _key(target), cursor)
        self._forwarded_runs |= page.runs

    def reset(self, target: str) -> None:
        """Move the cursor back to the oldest row."""
        self._query("DELETE FROM meta WHERE key = ?", _key(target))

    def remaining(self, cursor: Cursor) -> int:
        """Return the approximate number of samples after the cursor."""
        return max(0, int(self._query("SELECT coalesce(max(id), 0) FROM reading")[0][0]) - cursor.reading)

    def next(self, cursor: Cursor) -> Page | None:
        """Return the oldest rows after the cursor; None if there are none."""
        with sqlite_errors(self.path):
            found = read_page(self._database, cursor.reading, PAGE_ROWS)
        events = self._query(
            "SELECT event.id, run.run, at_ns, kind, device, port, message, host FROM event"
            " JOIN run ON run.id = run_id WHERE event.id > ? ORDER BY event.id LIMIT ?",
            cursor.event,
            PAGE_ROWS,
        )
        runs = self._changed_runs()
        if not (found or events or runs):
            return None
        hosts = dict(self._query("SELECT run, host FROM run"))
        records = {
            RUNS: list(runs.values()),
            EVENTS: [
                _record(EVENTS, (run, utc(at), current_kind(kind), device, port, message, host, number))
                for number, run, at, kind, device, port, message, host in events
            ],
            SAMPLES: [_sample(number, row, hosts[row.run]) for number, row in found],
        }
        return Page(
            records,
            len(found),
            Cursor(found[-1][0] if found else cursor.reading, events[-1][0] if events else cursor.event),
            runs,
        )

    def close(self) -> None:
        self._database.close()

    def _changed_runs(self) -> dict[int, Record]:
        """Return the runs that were not forwarded in their present state."""
        changed: dict[int, Record] = {}
        for number, run, name, started, finished, rate, host, versions, rig in self._query(
            "SELECT id, run, name, started_ns, coalesce(finished_ns,"
            " (SELECT max(at_ns) FROM event WHERE run_id = run.id AND kind = 'run_finished')),"
            " rate_hz, host, versions, rig FROM run"
        ):
            ended = None if finished is None else utc(finished)
            record = _record(RUNS, (run, name, utc(started), ended, rate, host, versions, rig))
            if self._forwarded_runs.get(number) != record:
                changed[number] = record
        return changed

    def _query(self, sql: str, *values: object) -> list[Any]:
        with sqlite_errors(self.path):
            return self._database.execute(sql, values).fetchall()


def _key(target: str) -> str:
    return f"forward:{target}"


def _sample(number: int, row: Row, host: str) -> Record:
    return _record(SAMPLES, (*structs.astuple(row), host, number))


def _record(table: Table, values: Iterable[Any]) -> Record:
    """Return values as PostgreSQL accepts them: times as datetime, addresses as text, no text with a NUL character."""
    return tuple(_converted(column.kind, value) for column, value in zip(table.columns, values, strict=True))


def _converted(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.TEXT:
        return str(value).replace("\0", "\ufffd")
    if kind is Kind.TIME and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value

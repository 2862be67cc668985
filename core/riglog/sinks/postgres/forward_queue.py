"""The part of a recording that is not forwarded yet, and the cursor beside it that marks the position."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from riglog.model import EventKind, current_kind, utc
from riglog.sinks.carried import ROWS_BEFORE
from riglog.sinks.files import appearing, file_error
from riglog.sinks.other_files import refuse_known_files, refuse_row_files
from riglog.sinks.postgres.central import Records
from riglog.sinks.postgres.tables import EVENTS, RUNS, SAMPLES, SEALS, Table
from riglog.sinks.postgres.unsent import Cursor, unsent
from riglog.sinks.rows import Kind, Row
from riglog.sinks.sqlite.recorded import PAGE_ROWS
from riglog.sinks.sqlite.schema import check_recording, sqlite_errors

Record = tuple[Any, ...]
HEAD = """
SELECT flush.id, hash, run.run, host, coalesce(last_ns, event.at_ns), started_ns
FROM seal JOIN flush ON flush.id = flush_id JOIN run ON run.id = flush.run_id LEFT JOIN event ON event.id = event_id
ORDER BY flush_id DESC LIMIT 1"""


class Page(Struct):
    """The rows of one transaction, and the cursor after it."""

    records: Records
    samples: int
    cursor: Cursor
    runs: dict[int, Record]


def remaining(path: Path, target: str) -> int:
    """Return the approximate number of samples of a recording that the database with this identity does not have."""
    queue = ForwardQueue(path)
    try:
        return queue.remaining(queue.cursor(target))
    finally:
        queue.close()


class ForwardQueue:
    """A recording as the forwarder uses it. Blocking.

    The recording is only read: a second connection that writes could make SQLite lose the order of a write-ahead log
    that a recorder is writing. The cursor is in a file beside it, ``NAME.forward.json``.
    """

    def __init__(self, path: Path) -> None:
        refuse_known_files(path)
        refuse_row_files(path)
        check_recording(path, hint="Give a riglog recording in SQLite")
        self.path = path
        self._forwarded_runs: dict[int, Record] = {}
        with sqlite_errors(path):
            self._database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA query_only = ON")
            self._unsent = unsent(self._database)
        self._repeated_events = self._last_repeated_event()

    @property
    def cursor_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.forward.json")

    def cursor(self, target: str) -> Cursor:
        """Return the cursor for the database with this identity; the oldest row if the file has other rows now."""
        self._forwarded_runs = {}
        cursor = self._cursors().get(target) or self._early_cursor(target)
        event = self._query("SELECT at_ns FROM event WHERE id = ?", cursor.event)
        with sqlite_errors(self.path):
            same_rows = self._unsent.has_read(cursor)
        same_events = cursor.at_ns is None or event == [(cursor.at_ns,)]
        return cursor if same_rows and same_events else Cursor()

    def mark_forwarded(self, target: str, page: Page) -> None:
        """Move the cursor after a page that the database has committed."""
        self._store_cursors(self._cursors() | {target: page.cursor})
        self._forwarded_runs |= page.runs

    def reset(self, target: str) -> None:
        """Move the cursor back to the oldest row."""
        self._store_cursors(self._cursors() | {target: Cursor()})

    def _cursors(self) -> dict[str, Cursor]:
        """Return the cursor of each database. A damaged file costs time only: rows are sent again, and not doubled."""
        try:
            return msgspec.json.decode(self.cursor_path.read_bytes(), type=dict[str, Cursor])
        except (OSError, msgspec.DecodeError):
            return {}

    def _store_cursors(self, cursors: dict[str, Cursor]) -> None:
        try:
            with appearing(self.cursor_path, replace=True) as file:
                file.write(msgspec.json.encode(cursors))
        except OSError as error:
            raise file_error(error, self.cursor_path) from error

    def _early_cursor(self, target: str) -> Cursor:
        """Return the cursor that an early version has stored in the recording."""
        found = self._query("SELECT value FROM meta WHERE key = ?", f"forward:{target}")
        return msgspec.json.decode(found[0][0], type=Cursor) if found else Cursor()

    def remaining(self, cursor: Cursor) -> int:
        """Return the approximate number of samples after the cursor."""
        with sqlite_errors(self.path):
            return self._unsent.remaining(cursor)

    def next(self, cursor: Cursor) -> Page | None:
        """Return the oldest rows after the cursor; None if there are none."""
        with sqlite_errors(self.path):
            found, after = self._unsent.next(cursor)
        events = self._query(
            "SELECT event.id, run.run, at_ns, kind, device, port, message, host FROM event"
            " JOIN run ON run.id = run_id WHERE event.id > max(?, ?) ORDER BY event.id LIMIT ?",
            cursor.event,
            self._repeated_events,
            PAGE_ROWS,
        )
        runs = self._changed_runs()
        if not (found or events or runs) and after == cursor:
            return None
        hosts = dict(self._query("SELECT run, host FROM run"))
        records = {
            RUNS: list(runs.values()),
            EVENTS: [
                _record(EVENTS, (run, utc(at), current_kind(kind), device, port, message, host, number))
                for number, run, at, kind, device, port, message, host in events
            ],
            SAMPLES: [_sample(number, row, hosts[row.run]) for number, row in found],
            SEALS: [
                _record(SEALS, (run, utc(at_ns or started_ns), bytes(hash).hex(), host, number))
                for number, hash, run, host, at_ns, started_ns in self._heads()
            ],
        }
        return Page(
            records,
            len(found),
            structs.replace(after, event=events[-1][0], at_ns=events[-1][2]) if events else after,
            runs,
        )

    def _heads(self) -> list[Any]:
        """Return the newest seal; a file of schema 1 has none."""
        return self._query(HEAD) if self._query("SELECT 1 FROM sqlite_master WHERE name = 'seal'") else []

    def close(self) -> None:
        self._database.close()

    def _last_repeated_event(self) -> int:
        """Return the last event that a further file of a rotation repeats from the file before it; 0 if none."""
        marker = "SELECT min(id) - 1 FROM event WHERE kind = ? AND instr(message, ?)"
        ((found,),) = self._query(marker, EventKind.RECORDING_CONTINUED.value, ROWS_BEFORE)
        return found or 0

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

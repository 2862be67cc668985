"""What of a recording is still to be shipped, and the cursor in its ``meta`` table that says so."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from riglog.errors import StorageError
from riglog.model import utc
from riglog.sinks.columns import Kind
from riglog.sinks.postgres.central import Records
from riglog.sinks.postgres.tables import EVENTS, RUNS, SAMPLES, Table
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import PAGE_ROWS, read_page
from riglog.sinks.sqlite.schema import check_recording, storage_error


class Cursor(Struct, frozen=True):
    """The newest row of each table that is known to be committed at the other side."""

    reading: int = 0
    event: int = 0


Record = tuple[Any, ...]


class Page(Struct):
    """What goes over in one transaction, and where the cursor stands after it."""

    records: Records
    samples: int
    cursor: Cursor
    runs: dict[int, Record]


class Outbox:
    """The file as the forwarder sees it; it writes nothing but its cursor. Blocking."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StorageError("there is no such file", hint="check the path", path=path)
        check_recording(path)
        self.path = path
        self._shipped_runs: dict[int, Record] = {}
        self._database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA synchronous = NORMAL")  # a cursor that a power cut sets back does no harm

    def cursor(self, target: str) -> Cursor:
        """Where we stand with the database of that identity; what was said to another does not count."""
        self._shipped_runs = {}
        found = self._ask("SELECT value FROM meta WHERE key = ?", _key(target))
        return msgspec.json.decode(found[0][0], type=Cursor) if found else Cursor()

    def shipped(self, target: str, page: Page) -> None:
        """Move the cursor: the page is committed at the other side."""
        self._ask("INSERT OR REPLACE INTO meta VALUES (?, ?)", _key(target), msgspec.json.encode(page.cursor).decode())
        self._shipped_runs |= page.runs

    def forget(self, target: str) -> None:
        """Begin again with the oldest row."""
        self._ask("DELETE FROM meta WHERE key = ?", _key(target))

    def remaining(self, cursor: Cursor) -> int:
        """About how many samples are still to be shipped."""
        return max(0, int(self._ask("SELECT coalesce(max(id), 0) FROM reading")[0][0]) - cursor.reading)

    def next(self, cursor: Cursor) -> Page | None:
        """The oldest things that are not shipped yet; None if there are none."""
        try:
            found = read_page(self._database, cursor.reading, PAGE_ROWS)
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error
        events = self._ask(
            "SELECT event.id, run.run, at_ns, kind, device, port, message, host FROM event"
            " JOIN run ON run.id = run_id WHERE event.id > ? ORDER BY event.id LIMIT ?",
            cursor.event,
            PAGE_ROWS,
        )
        runs = self._new_runs()
        if not (found or events or runs):
            return None
        hosts = dict(self._ask("SELECT run, host FROM run"))
        records = {
            RUNS: list(runs.values()),
            EVENTS: [
                _record(EVENTS, (run, utc(at), kind, device, port, message, host, number))
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

    def _new_runs(self) -> dict[int, Record]:
        """Runs that were not shipped as they now stand."""
        new: dict[int, Record] = {}
        for number, run, name, started, finished, rate, host, versions, rig in self._ask(
            "SELECT id, run, name, started_ns, coalesce(finished_ns,"
            " (SELECT max(at_ns) FROM event WHERE run_id = run.id AND kind = 'run_finished')),"
            " rate_hz, host, versions, rig FROM run"
        ):
            ended = None if finished is None else utc(finished)
            record = _record(RUNS, (run, name, utc(started), ended, rate, host, versions, rig))
            if self._shipped_runs.get(number) != record:
                new[number] = record
        return new

    def _ask(self, sql: str, *values: object) -> list[Any]:
        try:
            return self._database.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


def _key(target: str) -> str:
    return f"forward:{target}"


def _sample(number: int, row: Row, host: str) -> Record:
    return _record(SAMPLES, (*structs.astuple(row), host, number))


def _record(table: Table, values: Iterable[Any]) -> Record:
    """Values as PostgreSQL takes them: times as moments, addresses as text, and no text with a NUL."""
    return tuple(_fit(column.kind, value) for column, value in zip(table.columns, values, strict=True))


def _fit(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.TEXT:
        return str(value).replace("\0", "\ufffd")
    if kind is Kind.TIME and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value

"""Opens an SQLite recording for reading, also while it is being written; and its events."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.model import current_kind
from riglog.sinks.base import Damage, Format
from riglog.sinks.disk import beside
from riglog.sinks.other_files import refuse_known_files, refuse_row_files
from riglog.sinks.rows import EventRow, Row
from riglog.sinks.sqlite.recorded import recorded
from riglog.sinks.sqlite.schema import HEADER, check_recording, create_tables, is_reserved, schema_of, sqlite_errors
from riglog.sinks.sqlite.tables import SCHEMA_VERSION
from riglog.sinks.sqlite.views import iso

SHOWN_NAMES = 12
AT = iso("event.at_ns")
Database = sqlite3.Connection
RUNS = "SELECT name FROM run UNION SELECT run FROM run"


def open_recording(path: Path) -> sqlite3.Connection:
    """Open a recording for reading; nothing in it can be changed through the connection.

    Raises:
        NotARecordingError, NewerSchemaError: the file is not a recording that this version can read.
        StorageError: it cannot be read.
    """
    refuse_known_files(path)
    refuse_row_files(path)
    if is_reserved(path):
        return _empty_recording()
    check_recording(path, hint="Give a riglog recording in SQLite")
    location = f"file:{quote(os.fsencode(path.absolute()))}"
    with sqlite_errors(path):
        try:
            return _connect(location + "?mode=rw")  # with "ro", SQLite leaves its -wal and -shm files behind
        except sqlite3.OperationalError:
            if beside(path, "-wal").exists():
                raise
            return _connect(location + "?immutable=1")  # a finished recording in a folder without write permission


@contextmanager
def opened_recording(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a recording for reading while the block runs; errors in it name the file.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: as ``open_recording``.
    """
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        yield database


def _empty_recording() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    create_tables(database)
    return database


def read_sqlite(path: Path, damage: Damage) -> Iterator[Row]:
    """Return the rows of a recording, oldest first."""
    with opened_recording(path) as database:
        for page in recorded(database).pages():
            yield from page.rows


def read_events(path: str | Path, *, run: str | None = None) -> Iterator[EventRow]:
    """Return the events of a recording, oldest first.

    Args:
        run: only those of the run with this id, or of the runs with this name.
    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
        ConfigError: there is no such run in it.
    """
    path = Path(path)
    with opened_recording(path) as database:
        refuse_unknown(database, "run", run, RUNS)
        for run_id, at, kind, *about in database.execute(
            f"SELECT run.run, {AT}, kind, device, port, message{_who(database)}"
            " WHERE :run IS NULL OR :run IN (run.run, run.name) ORDER BY event.at_ns, event.id",
            {"run": run},
        ):
            yield EventRow(run_id, at, current_kind(kind), *about)


def newest_events(path: str | Path, count: int) -> list[EventRow]:
    """Return the events of a recording that were stored last, oldest first. The others are not read.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    with opened_recording(path) as database:
        found = database.execute(
            f"SELECT run.run, {AT}, kind, device, port, message{_who(database)} ORDER BY event.id DESC LIMIT ?",
            (count,),
        ).fetchall()
    events = [EventRow(run, at, current_kind(kind), *about) for run, at, kind, *about in reversed(found)]
    return sorted(events, key=lambda event: event.at)


def _who(database: sqlite3.Connection) -> str:
    """Return the SQL of who and why, and of the tables; a recording of schema 1 does not know them."""
    tables = " FROM event CROSS JOIN run ON run.id = event.run_id"
    if schema_of(database) == SCHEMA_VERSION:
        who = ", actor.user, actor.program, actor.host, event.reason"
        return f"{who}{tables} LEFT JOIN actor ON actor.id = event.actor_id"
    return f", NULL, NULL, NULL, NULL{tables}"


def refuse_unknown(database: sqlite3.Connection, what: str, wanted: str | None, query: str) -> None:
    """Refuse a name that a query does not give: what is selected by it would be empty.

    Raises:
        ConfigError: the hint has the names that are there.
    """
    if wanted is None:
        return
    known = [name for (name,) in database.execute(query)]
    if wanted not in known:
        shown = ", ".join([*known[:SHOWN_NAMES], *(["…"] if len(known) > SHOWN_NAMES else [])])
        raise ConfigError(
            f"no {what} {wanted!r} in the recording", hint=f"{did_you_mean(wanted, known)}It has: {shown or 'none'}"
        )


def _connect(location: str) -> sqlite3.Connection:
    database = sqlite3.connect(location, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA query_only = ON")
        database.execute("SELECT count(*) FROM meta")
    except BaseException:
        database.close()
        raise
    return database


SQLITE_FORMAT = Format("sqlite", lambda first: first.startswith(HEADER.rstrip(b"\0")), read_sqlite)

"""Schema 1 of a riglog recording in SQLite, and the check that a file is one. Stored small, read long.

``reading`` holds integers and the value; the words stand once in ``channel`` and ``note``. Times are nanoseconds:
``received_ns`` counts from ``run.started_ns``, ``skew_ns`` is what the monotonic clock was off the run's anchor.
The view ``samples`` is the long-format row of docs/reference/schema.md.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from riglog.errors import NewerSchemaError, NotARecordingError, StorageError
from riglog.sinks.rows import SCHEMA_VERSION

APPLICATION_ID = 0x7269676C  # "rigl"
HEADER = b"SQLite format 3\0"

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    anchor_ns INTEGER NOT NULL,
    finished_ns INTEGER,
    rate_hz REAL,
    host TEXT NOT NULL,
    versions TEXT NOT NULL,
    rig TEXT
);
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    device TEXT NOT NULL,
    driver TEXT NOT NULL,
    protocol TEXT NOT NULL,
    address,
    parameter TEXT NOT NULL,
    parameter_id INTEGER,
    instance INTEGER NOT NULL,
    unit TEXT
);
CREATE TABLE note (
    id INTEGER PRIMARY KEY,
    text TEXT,
    unit TEXT,
    status TEXT NOT NULL,
    flags TEXT NOT NULL,
    error TEXT
);
CREATE TABLE reading (
    id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channel (id),
    tick INTEGER,
    received_ns INTEGER NOT NULL,
    latency_ns INTEGER,
    skew_ns INTEGER,
    value REAL,
    note_id INTEGER REFERENCES note (id)
);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    at_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    device TEXT,
    port TEXT,
    message TEXT NOT NULL
);
"""


def _iso(ns: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%S', {ns} / 1000000000, 'unixepoch') || printf('.%06dZ', {ns} / 1000 % 1000000)"


_RECEIVED = "(run.started_ns + reading.received_ns)"
_MIDPOINT = "(run.started_ns + reading.received_ns - coalesce(reading.latency_ns, 0) / 2)"

SAMPLE_COLUMNS = f"""
    run.run AS run,
    reading.tick AS tick,
    channel.device AS device,
    channel.driver AS driver,
    channel.protocol AS protocol,
    channel.address AS address,
    channel.parameter AS parameter,
    channel.parameter_id AS parameter_id,
    channel.instance AS instance,
    reading.value AS value,
    note.text AS text,
    CASE WHEN reading.note_id IS NULL THEN channel.unit ELSE note.unit END AS unit,
    coalesce(note.status, 'ok') AS status,
    coalesce(note.flags, '') AS flags,
    note.error AS error,
    CASE WHEN reading.latency_ns IS NOT NULL THEN {_iso(f"({_RECEIVED} - reading.latency_ns)")} END AS requested_at,
    {_iso(_RECEIVED)} AS received_at,
    {_iso(_MIDPOINT)} AS midpoint_at,
    reading.latency_ns / 1e9 AS latency_s,
    run.anchor_ns + {_MIDPOINT} - run.started_ns + coalesce(reading.skew_ns, 0) AS monotonic_ns"""
"""The row of schema 1, out of …"""
SAMPLE_TABLES = """
FROM reading
JOIN channel ON channel.id = reading.channel_id
JOIN run ON run.id = channel.run_id
LEFT JOIN note ON note.id = reading.note_id"""

VIEWS = f"""
CREATE VIEW samples AS SELECT {SAMPLE_COLUMNS} {SAMPLE_TABLES};
CREATE VIEW events AS SELECT
    run.run AS run, {_iso("event.at_ns")} AS at, event.kind AS kind, event.device AS device, event.port AS port,
    event.message AS message
FROM event JOIN run ON run.id = event.run_id;
"""  # noqa: S608 - made of constants of this file


def open_database(path: Path) -> sqlite3.Connection:
    """Open a recording for writing; make it if there is no file, continue it if it is one.

    Raises:
        NotARecordingError, NewerSchemaError: the file is something else; it was left as it was.
        StorageError: it cannot be opened.
    """
    check_path(path)
    try:
        database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            make_tables(database)  # before the write-ahead log is there: then the file itself says at once what it is
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA wal_autocheckpoint = 4000")
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    return database


def make_tables(database: sqlite3.Connection) -> None:
    """Make a recording of an empty file. Two programs may begin one at the same moment; one of them does it."""
    if _application(database):
        return
    database.execute("BEGIN IMMEDIATE")
    if not _application(database):
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in (TABLES + VIEWS).split(";\n"):
            database.execute(statement)
    database.execute("COMMIT")


def _application(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA application_id").fetchone()[0])


def check_path(path: Path) -> None:
    """See that a recording can be written there. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: the directory is missing, or it or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise StorageError("the directory does not exist", hint=f"mkdir -p {path.parent}", path=path)
    if path.exists() and path.stat().st_size:
        check_recording(path)
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise StorageError("permission denied", hint=f"make {needed} writable, or choose another path", path=path)


def check_recording(path: Path) -> None:
    """See that a file is a riglog recording this version can read and continue. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it is not.
    """
    if path.is_dir():
        raise NotARecordingError("a directory is no recording", hint="name a file in it", path=path)
    other = "choose another file name; the file was not touched"
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", hint="check the permissions", path=path) from error
    if not header.startswith(HEADER) or len(header) < 100:
        raise NotARecordingError("the file exists and is no SQLite database", hint=other, path=path)
    application, version = (int.from_bytes(header[at : at + 4], "big") for at in (68, 60))
    if application != APPLICATION_ID:
        raise NotARecordingError("the file is an SQLite database of another program", hint=other, path=path)
    if version > SCHEMA_VERSION:
        hint = "update riglog to read it, or choose another file name"
        raise NewerSchemaError(
            f"the file has schema {version}, this riglog knows {SCHEMA_VERSION}", hint=hint, path=path
        )


def remove_recording(path: Path, *, unless_run: str) -> None:
    """Take away what ``overwrite`` gives up: the recording and SQLite's files beside it.

    Args:
        unless_run: a recording that holds this run is kept, because the run is being resumed.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else; it was left as it was.
    """
    check_path(path)
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as database:
        resumed = database.execute("SELECT 1 FROM run WHERE run = ?", (unless_run,)).fetchone()
    if not resumed:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """What SQLite says, with what to do about it."""
    text = str(error)
    if "full" in text:
        return StorageError("the disk is full", hint="free some space", path=path)
    if "locked" in text or "busy" in text:
        return StorageError("the database is locked by another program", hint="close it there", path=path)
    if "readonly" in text or "unable to open" in text:
        return StorageError(f"cannot be written: {text}", hint="check file and directory permissions", path=path)
    return StorageError(f"SQLite says: {text}", path=path)

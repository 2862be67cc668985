"""Schema 1 of a riglog recording in SQLite, and the check that a file is one. Stored compactly, read as long rows.

A row of ``reading`` holds integers and the value; texts are stored once, in ``channel`` and ``note`` (annotations).
Times are nanoseconds: ``received_ns`` counts from ``run.started_ns``; ``skew_ns`` is the deviation of the monotonic
clock from the anchor of the run. The view ``samples`` is the long-format row of docs/reference/schema.md.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from riglog.errors import NewerSchemaError, NotARecordingError, StorageError
from riglog.sinks.disk import create_hidden, has_locks, publish, sync_file
from riglog.sinks.files import NOT_MODIFIED, check_writable, file_error, read_error
from riglog.sinks.rows import SCHEMA_VERSION

APPLICATION_ID = 0x7269676C  # "rigl"
HEADER = b"SQLite format 3\0"
CHECKED_BYTES = 256 * 1024 * 1024
"""A file of this size is checked within about a second when it is opened for writing."""
DATA_ERRORS = (sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.IntegrityError)
"""Errors of SQLite about the data of a statement. All others are about the file."""

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

UNIT = "CASE WHEN reading.note_id IS NULL THEN channel.unit ELSE note.unit END"
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
    {UNIT} AS unit,
    coalesce(note.status, 'ok') AS status,
    coalesce(note.flags, '') AS flags,
    note.error AS error,
    CASE WHEN reading.latency_ns IS NOT NULL THEN {_iso(f"({_RECEIVED} - reading.latency_ns)")} END AS requested_at,
    {_iso(_RECEIVED)} AS received_at,
    {_iso(_MIDPOINT)} AS midpoint_at,
    reading.latency_ns / 1e9 AS latency_s,
    run.anchor_ns + {_MIDPOINT} - run.started_ns + coalesce(reading.skew_ns, 0) AS monotonic_ns"""
"""The row of schema 1, selected from SAMPLE_TABLES."""
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


def open_database(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """Open a recording for writing; create it if the file does not exist.

    Args:
        durable: every transaction is on the disk when it is committed, safe from a power failure.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else; it was not modified.
        StorageError: it cannot be opened, or is damaged.
    """
    check_path(path)
    if not path.exists():
        _create_file(path)
    with sqlite_errors(path):
        database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            create_tables(database)  # of an empty file that somebody else has created
            check_sound(database, path)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute(f"PRAGMA fullfsync = {int(durable)}")  # macOS: through the cache of the drive
            database.execute("PRAGMA wal_autocheckpoint = 4000")
        except BaseException:
            database.close()
            raise
    return database


def _create_file(path: Path) -> None:
    """Create an empty recording in one step: a power failure leaves all of it or nothing."""
    try:
        file, hidden = create_hidden(path)
        try:
            with sqlite_errors(path), closing(sqlite3.connect(hidden, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = MEMORY")
                create_tables(database)
            sync_file(file)
            with suppress(FileExistsError):  # another program was faster: its file is continued
                publish(hidden, path)
        finally:
            os.close(file)
            hidden.unlink(missing_ok=True)
    except OSError as error:
        raise file_error(error, path) from error


def check_sound(database: sqlite3.Connection, path: Path) -> None:
    """Check that a recording is not damaged: nothing is appended to a file whose tables SQLite cannot follow.

    Up to CHECKED_BYTES the whole file is checked; of a larger one, the newest rows.

    Raises:
        StorageError: it is damaged; it was not modified.
    """
    if path.stat().st_size <= CHECKED_BYTES:
        sound = database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        if not sound:
            raise _damaged(path)
    for table in ("run", "channel", "note", "reading", "event"):
        database.execute(f"SELECT * FROM {table} ORDER BY id DESC LIMIT 10000").fetchall()  # noqa: S608 - a constant


def _damaged(path: Path) -> StorageError:
    hint = f"Save what can be read: riglog salvage {path} --out NEW.sqlite. The file was not modified"
    return StorageError("recording is damaged", hint=hint, path=path)


def create_tables(database: sqlite3.Connection) -> None:
    """Make a recording of an empty file. If two programs do it at the same moment, one of them creates the tables."""
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
    """Check that a recording can be written at a path. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: the directory does not exist, or no permission to write.
    """
    if not is_unused(path):
        check_recording(path)
    check_writable(path)


def is_unused(path: Path) -> bool:
    """Return True if nothing is at a path yet, or an empty file: a program was killed while it created it."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def check_recording(path: Path, *, hint: str = NOT_MODIFIED) -> None:
    """Check that a file is a riglog recording that this version can read and continue. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it is not.
    """
    if path.is_dir():
        raise NotARecordingError("path is a directory", hint="Give the name of a file in it", path=path)
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise read_error(error, path) from error
    if not header.startswith(HEADER) or len(header) < 100:
        raise NotARecordingError("file exists and is not an SQLite database", hint=hint, path=path)
    application, version = (int.from_bytes(header[at : at + 4], "big") for at in (68, 60))
    if application != APPLICATION_ID:
        raise NotARecordingError("SQLite database of another program", hint=hint, path=path)
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"schema version {version} is newer than this riglog supports ({SCHEMA_VERSION})",
            hint="Update riglog, or use another file",
            path=path,
        )


def remove_recording(path: Path, *, unless_run: str) -> None:
    """Remove a recording that is to be overwritten, with the -wal and -shm files of SQLite.

    Args:
        unless_run: a recording that holds this run is kept, because the run is being resumed.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else; it was not modified.
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
    """Return an error of SQLite as a StorageError, with the next step."""
    text = str(error)
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(path)
    if "full" in text:
        return StorageError("disk full", hint="Free disk space", path=path)
    if name.startswith("SQLITE_PROTOCOL") or ("locked" in text and not _has_locks(path)):
        hint = "Record onto a local disk, and copy the finished recording"
        return StorageError("the file system of this directory does not support locks", hint=hint, path=path)
    if "locked" in text or "busy" in text:
        hint = "Close it in the other program"
        return StorageError("database locked by another program", hint=hint, path=path)
    if "readonly" in text or "unable to open" in text:
        hint = "Check the permissions of the file and its directory"
        return StorageError(f"cannot write: {text}", hint=hint, path=path)
    if name.startswith("SQLITE_IOERR"):
        hint = "Check the disk and its cable; if they are sound, the free space and the permissions"
        return StorageError(f"SQLite error: {text} ({name})", hint=hint, path=path)
    return StorageError(f"SQLite error: {text}", path=path)


def _has_locks(path: Path) -> bool:
    try:
        return has_locks(path.parent)
    except OSError:  # no permission, or no space for another file: nothing is known
        return True


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise the errors of SQLite as StorageError."""
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(error, path) from error

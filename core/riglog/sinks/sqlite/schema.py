"""A riglog recording in SQLite as a file: created, opened for writing, and told from other files."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from riglog.errors import NewerSchemaError, NotARecordingError, StorageError
from riglog.sinks.disk import create_hidden, has_locks, publish, read_beginning, sync_file
from riglog.sinks.files import NOT_MODIFIED, check_writable, file_error, read_error, refuse_special_file
from riglog.sinks.sqlite.schema1 import SCHEMA_1
from riglog.sinks.sqlite.tables import APPLICATION_ID, PAGE_BYTES, SCHEMA_VERSION, TABLES
from riglog.sinks.sqlite.views import CORRECTED_VIEW, VIEWS

HEADER = b"SQLite format 3\0"
CHECKED_BYTES = 256 * 1024 * 1024
"""A file of this size is checked within about a second when it is opened for writing."""
LOG_BYTES = 16 * 1024 * 1024
"""How far the write-ahead log grows before it is written back into the file."""
MOST_LOG_BYTES = 4 * LOG_BYTES
"""Above this the recorder says so: only a reader whose transaction does not end lets the log grow further."""
FULL_ERRORS = ("SQLITE_IOERR_SHMSIZE",)
"""How SQLite calls a full disk besides "database or disk is full"."""
SQLITE_VERSION = sqlite3.sqlite_version_info
DATA_ERRORS = (sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.IntegrityError)
"""Errors of SQLite about the data of a statement. All others are about the file."""
UNREADABLE = (sqlite3.Error, UnicodeDecodeError, msgspec.DecodeError)
"""What reading a file can raise. Python raises the second for a damaged text, also for one in a message of SQLite."""


class DanglingError(sqlite3.DatabaseError):
    """A row refers to one that does not exist. SQLite does not see this damage."""


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
            _add_later(database)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute(f"PRAGMA fullfsync = {int(durable)}")  # macOS: through the cache of the drive
            database.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}")
            database.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")  # after a reader has let the log grow
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
    for table in ("run", "series", "channel", "annotation", "block", "event", "flush"):
        database.execute(f"SELECT * FROM {table} ORDER BY id DESC LIMIT 10000").fetchall()  # noqa: S608 - a constant
    for (block,) in database.execute("SELECT id FROM block ORDER BY id DESC LIMIT 100").fetchall():
        database.execute(
            "SELECT * FROM reading WHERE block_id = ? ORDER BY channel_id DESC, received_ns DESC, n DESC LIMIT 1000",
            (block,),
        ).fetchall()


def _damaged(path: Path) -> StorageError:
    hint = f"Save what can be read: riglog salvage {path} --out NEW.sqlite. The file was not modified"
    return StorageError("recording is damaged", hint=hint, path=path)


def create_tables(database: sqlite3.Connection) -> None:
    """Make a recording of an empty file. If two programs do it at the same moment, one of them creates the tables."""
    if _application(database):
        return
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of an empty file; of any other it has no effect
    database.execute("BEGIN IMMEDIATE")
    if not _application(database):
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in (TABLES + VIEWS).split(";\n"):
            database.execute(statement)
    database.execute("COMMIT")


def _add_later(database: sqlite3.Connection) -> None:
    """Give an older file what it lacks: a column that nothing else reads, and the view of corrected values."""
    if "extent" not in (column[1] for column in database.execute("PRAGMA table_info(seal)")):
        database.execute("ALTER TABLE seal ADD COLUMN extent TEXT")
    database.execute(CORRECTED_VIEW)


def _application(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA application_id").fetchone()[0])


def check_path(path: Path, *, overwrite: bool = False) -> None:
    """Check that a recording can be written at a path. Reads only.

    Args:
        overwrite: a recording there will be replaced; otherwise it is continued.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: the directory does not exist, no permission to write, a recording of schema 1, or a file with a
            second name.
    """
    if not is_unused(path) and check_recording(path) == SCHEMA_1 and not overwrite:
        raise earlier_schema(path)
    if not overwrite and path.is_file() and path.stat().st_nlink > 1:
        hint = f"Remove the other name (find / -samefile {path}), or use another file name"
        raise StorageError("file has a second name (hard link): two writers would destroy it", hint=hint, path=path)
    check_writable(path)


def earlier_schema(path: Path) -> StorageError:
    """Return the error of a recording that can be read, and not continued."""
    hint = f"Use another file name, or convert it: riglog upgrade {path}. The file was not modified"
    return StorageError("recording has schema 1, which is only read", hint=hint, path=path)


def is_unused(path: Path) -> bool:
    """Return True if nothing is at a path yet, or an empty file: a program was killed while it created it."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def is_reserved(path: Path) -> bool:
    """Return True if a power failure has left the name of a recording, and nothing of its content."""
    return path.suffix == ".sqlite" and path.is_file() and not path.stat().st_size


def check_recording(path: Path, *, hint: str = NOT_MODIFIED) -> int:
    """Check that a file is a riglog recording that this version can read, and return its schema. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it is not.
    """
    if path.is_dir():
        raise NotARecordingError("path is a directory", hint="Give the name of a file in it", path=path)
    refuse_special_file(path)
    try:
        header = read_beginning(path, 100)
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
    return version


def schema_of(database: sqlite3.Connection) -> int:
    """Return the schema of an open recording."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def remove_recording(path: Path, *, unless_run: str) -> None:
    """Remove a recording that is to be overwritten, with the -wal and -shm files of SQLite.

    Args:
        unless_run: a recording that holds this run is kept, because the run is being resumed.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else; it was not modified.
    """
    check_path(path, overwrite=True)
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as database:
        resumed = database.execute("SELECT 1 FROM run WHERE run = ?", (unless_run,)).fetchone()
    if not resumed:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def storage_error(error: Exception, path: Path) -> StorageError:
    """Return one of UNREADABLE as a StorageError, with the next step."""
    text = str(error)
    name = getattr(error, "sqlite_errorname", "")
    is_garbled = not isinstance(error, sqlite3.Error) or text.startswith("Could not decode")
    if is_garbled or isinstance(error, DanglingError) or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(path)
    if "full" in text or name in FULL_ERRORS:
        return StorageError("disk full", hint="Free disk space", path=path)
    if is_lock_lost(error) or ("locked" in text and not _has_locks(path)):
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


def is_lock_lost(error: BaseException) -> bool:
    """Return True if SQLite cannot lock, although no other connection has a lock."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_PROTOCOL")


def _has_locks(path: Path) -> bool:
    try:
        return has_locks(path.parent)
    except OSError:  # no permission, or no space for another file: nothing is known
        return True


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise UNREADABLE as StorageError."""
    try:
        yield
    except UNREADABLE as error:
        raise storage_error(error, path) from error
    except UnicodeDecodeError as error:  # sqlite3 makes it of the message about a statement that was changed
        raise _damaged(path) from error

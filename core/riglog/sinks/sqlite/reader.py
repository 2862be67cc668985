"""Reads a recording back, page by page and oldest first, also while it is being written."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from riglog.errors import StorageError
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.schema import SAMPLE_COLUMNS, SAMPLE_TABLES, check_recording, storage_error

PAGE_ROWS = 5_000
"""Short reads: a long one would keep SQLite from folding the write-ahead log of a growing file."""


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a recording; nothing in it can be changed through the connection.

    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: it cannot be read.
    """
    if not path.exists():
        raise StorageError("there is no such file", hint="check the path", path=path)
    check_recording(path)
    location = f"file:{quote(str(path.absolute()))}"
    try:
        return _connected(location + "?mode=rw")  # not "ro": that would leave SQLite's files beside it behind
    except sqlite3.OperationalError as error:
        if path.with_name(path.name + "-wal").exists():
            raise storage_error(error, path) from error
        return _connected(location + "?immutable=1")  # a finished recording in a folder nobody may write to


def _connected(location: str) -> sqlite3.Connection:
    database = sqlite3.connect(location, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA query_only = ON")
        database.execute("SELECT count(*) FROM meta")
    except BaseException:
        database.close()
        raise
    return database


def read_page(
    database: sqlite3.Connection, after: int, limit: int = PAGE_ROWS, where: str = "", values: Sequence[object] = ()
) -> list[tuple[int, Row]]:
    """The next rows with their numbers: ``reading.id``, which grows with every row a file takes.

    Args:
        after: the number behind which to begin; 0 for the oldest.
        where: an SQL condition over reading, channel and run, with ``values`` for its question marks.
    """
    found = database.execute(
        f"SELECT reading.id, {SAMPLE_COLUMNS} {SAMPLE_TABLES}"
        f" WHERE reading.id > ? {f'AND ({where})' if where else ''} ORDER BY reading.id LIMIT ?",
        (after, *values, limit),
    )
    return [(number, Row(*columns)) for number, *columns in found]


def read_pages(
    database: sqlite3.Connection, where: str = "", values: Sequence[object] = ()
) -> Iterator[list[tuple[int, Row]]]:
    """All pages there are now."""
    after = 0
    while page := read_page(database, after, PAGE_ROWS, where, values):
        yield page
        after = page[-1][0]

"""``salvage``: what can be read of a damaged SQLite recording, copied into a new one.

The damaged file is not changed: SQLite works on a copy of it and of its write-ahead log. SQLite stores no checksums. A
row is therefore kept only if it belongs to a run, a channel and an annotation that exist, and if its columns have the
types that riglog writes; everything else is counted as unreadable.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from riglog.errors import StorageError
from riglog.sinks.files import file_error, read_error
from riglog.sinks.sqlite.schema import open_database, sqlite_errors

TABLES = ("run", "channel", "note", "event", "reading")
STEP = 500
"""Rows per query while nothing is damaged."""
LAST_ID = 2**48
INTEGER, TEXT, NUMBER, ANY = (int,), (str,), (int, float), (int, str)


class _Table(Struct, frozen=True):
    """The types of each column, and the columns that refer to a row of another table."""

    types: dict[str, tuple[type, ...]]
    optional: frozenset[str] = frozenset()
    references: dict[str, str] = {}


RECORDED: dict[str, _Table] = {
    "run": _Table(
        {
            "id": INTEGER,
            "run": TEXT,
            "name": TEXT,
            "started_ns": INTEGER,
            "anchor_ns": INTEGER,
            "finished_ns": INTEGER,
            "rate_hz": NUMBER,
            "host": TEXT,
            "versions": TEXT,
            "rig": TEXT,
        },
        frozenset({"finished_ns", "rate_hz", "rig"}),
    ),
    "channel": _Table(
        {
            "id": INTEGER,
            "run_id": INTEGER,
            "device": TEXT,
            "driver": TEXT,
            "protocol": TEXT,
            "address": ANY,
            "parameter": TEXT,
            "parameter_id": INTEGER,
            "instance": INTEGER,
            "unit": TEXT,
        },
        frozenset({"address", "parameter_id", "unit"}),
        {"run_id": "run"},
    ),
    "note": _Table(
        {"id": INTEGER, "text": TEXT, "unit": TEXT, "status": TEXT, "flags": TEXT, "error": TEXT},
        frozenset({"text", "unit", "error"}),
    ),
    "event": _Table(
        {
            "id": INTEGER,
            "run_id": INTEGER,
            "at_ns": INTEGER,
            "kind": TEXT,
            "device": TEXT,
            "port": TEXT,
            "message": TEXT,
        },
        frozenset({"device", "port"}),
        {"run_id": "run"},
    ),
    "reading": _Table(
        {
            "id": INTEGER,
            "channel_id": INTEGER,
            "tick": INTEGER,
            "received_ns": INTEGER,
            "latency_ns": INTEGER,
            "skew_ns": INTEGER,
            "value": NUMBER,
            "note_id": INTEGER,
        },
        frozenset({"tick", "latency_ns", "skew_ns", "value", "note_id"}),
        {"channel_id": "channel", "note_id": "note"},
    ),
}


class Salvaged(Struct):
    """What was copied into the new recording.

    Attributes:
        rows, events, runs: copied.
        rejected: rows of any table that were read, but are not sound.
        gaps: places in the file where rows could not be read; how many rows were there is not known.
    """

    rows: int = 0
    events: int = 0
    runs: int = 0
    rejected: int = 0
    gaps: int = 0

    @property
    def complete(self) -> bool:
        return not (self.rejected or self.gaps)


def salvage(path: str | Path, out: str | Path) -> Salvaged:
    """Copy everything that can be read of a recording in SQLite into a new file. Blocking.

    Raises:
        StorageError: ``out`` exists, the recording cannot be read at all, or the new file cannot be written.
    """
    path, out = Path(path), Path(out)
    if out.exists():
        raise StorageError("file exists", hint="Give --out a new name: nothing is replaced", path=out)
    found = Salvaged()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out.parent, prefix=".salvage-")))
        source = stack.enter_context(closing(_open_copy(path, folder)))
        target = stack.enter_context(closing(open_database(out)))
        with sqlite_errors(out):
            target.execute("BEGIN")
            known: dict[str, set[int]] = {table: set() for table in TABLES}
            for name in TABLES:
                insert = f"INSERT INTO {name} VALUES ({', '.join('?' * len(RECORDED[name].types))})"  # noqa: S608 - constants
                for row in _rows(source, name, found):
                    if not _is_sound(RECORDED[name], row, known):
                        found.rejected += 1
                        continue
                    target.execute(insert, row)
                    if name != "reading":
                        known[name].add(row[0])
                    _count(found, name)
            target.execute("COMMIT")
    return found


def _count(found: Salvaged, name: str) -> None:
    found.rows += name == "reading"
    found.events += name == "event"
    found.runs += name == "run"


def _open_copy(path: Path, folder: Path) -> sqlite3.Connection:
    """Copy a recording and open the copy, with the list of tables of a new recording if its own is damaged."""
    copy = folder / "damaged.sqlite"
    try:
        shutil.copyfile(path, copy)
        log = path.with_name(path.name + "-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    except FileNotFoundError as error:
        raise read_error(error, path) from error
    except OSError as error:
        raise file_error(error, copy) from error
    if not _has_tables(copy):
        _replace_first_page(copy, folder)
    if not _has_tables(copy):
        raise StorageError(
            "nothing can be read: the file is not a recording, or too little of it is left",
            hint="Restore it from a backup",
            path=path,
        )
    return sqlite3.connect(copy, isolation_level=None)


def _has_tables(copy: Path) -> bool:
    try:
        with closing(sqlite3.connect(copy)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return names >= set(TABLES)
    except sqlite3.DatabaseError:
        return False


def _replace_first_page(copy: Path, folder: Path) -> None:
    """The first page has the list of tables, and riglog creates them in the same order in every file."""
    fresh = folder / "fresh.sqlite"
    open_database(fresh).close()
    page_size = int.from_bytes(fresh.read_bytes()[16:18], "big")
    page = bytearray(fresh.read_bytes()[:page_size])
    page[28:32] = (copy.stat().st_size // page_size).to_bytes(4, "big")  # the number of pages
    page[18:20] = bytes((1, 1))  # no write-ahead log: that of the damaged file does not fit this page
    copy.with_name(copy.name + "-wal").unlink(missing_ok=True)
    with copy.open("r+b") as file:
        file.write(page)


def _rows(source: sqlite3.Connection, table: str, found: Salvaged) -> Iterator[tuple[Any, ...]]:
    """Return all rows of a table that can be reached, in the order of their ids."""
    columns = ", ".join(RECORDED[table].types)
    after, limit = 0, STEP
    while True:
        try:
            rows = source.execute(
                f"SELECT {columns} FROM {table} WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - constants
                (after, limit),
            ).fetchall()
        except sqlite3.DatabaseError:
            if limit > 1:
                limit = 1
                continue
            found.gaps += 1
            after = _next_readable(source, table, after)
            if after >= LAST_ID:
                return
            continue
        if any(later[0] <= earlier[0] for earlier, later in pairwise([(after,), *rows])):  # damaged, yet readable
            found.gaps += 1
            after += 1
            continue
        yield from rows
        if len(rows) < limit:
            return
        after, limit = rows[-1][0], min(limit * 2, STEP)


def _next_readable(source: sqlite3.Connection, table: str, after: int) -> int:
    """Return an id behind the damaged place, such that the rows after it can be read; LAST_ID if there are none."""
    step = 1
    while not _is_readable(source, table, after + step):
        step *= 2
        if after + step >= LAST_ID:
            return LAST_ID
    damaged, readable = after + step // 2, after + step
    while readable - damaged > 1:
        middle = (damaged + readable) // 2
        if _is_readable(source, table, middle):
            readable = middle
        else:
            damaged = middle
    return readable


def _is_readable(source: sqlite3.Connection, table: str, after: int) -> bool:
    try:
        source.execute(
            f"SELECT * FROM {table} WHERE id > ? ORDER BY id LIMIT 1",  # noqa: S608 - a constant
            (after,),
        ).fetchall()
    except sqlite3.DatabaseError:
        return False
    return True


def _is_sound(table: _Table, row: tuple[Any, ...], known: dict[str, set[int]]) -> bool:
    for (column, types), value in zip(table.types.items(), row, strict=True):
        if value is None:
            if column not in table.optional:
                return False
            continue
        referred = table.references.get(column)
        if not isinstance(value, types) or (referred and value not in known[referred]):
            return False
    return True

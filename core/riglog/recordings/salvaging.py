"""``salvage``: what can be read of a damaged recording in SQLite or Parquet, copied into a new one.

The damaged file is not changed: SQLite works on a copy of it and of its write-ahead log. Where SQLite cannot follow its
tables, the rows are searched page by page (``sqlite_pages``): one damaged page can lead to many sound ones. What is not
sound is counted as unreadable, see ``damaged``. The new file has the present schema, whatever that of the old one is.
Parquet has checksums, so that what is sound is known there.
"""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from riglog.errors import StorageError
from riglog.recordings.copying import copy_1, copy_2
from riglog.recordings.damaged import Damaged, Found, Shape, shapes
from riglog.recordings.new_files import new_file, publish_file
from riglog.recordings.sqlite_pages import Value, records
from riglog.sinks.disk import beside, sync_folder
from riglog.sinks.files import file_error, first_line, read_error
from riglog.sinks.parquet_parts import copy_sound_rows, is_parquet, is_parquet_folder
from riglog.sinks.sqlite import schema1
from riglog.sinks.sqlite.schema import UNREADABLE, create_tables, open_database, sqlite_errors
from riglog.sinks.sqlite.tables import PAGE_BYTES, SCHEMA_VERSION, TABLES

PLACES = 100


class Salvaged(Found):
    """What was copied into the new recording.

    Attributes:
        rows, events, runs: copied.
        rejected: rows of any table that were read, but are not sound.
        gaps: places in the file where rows could not be read; how many rows were there is not known.
    """

    rows: int = 0
    events: int = 0
    runs: int = 0

    @property
    def complete(self) -> bool:
        return not (self.rejected or self.gaps)


def salvage(path: str | Path, out: str | Path) -> Salvaged:
    """Copy everything that can be read of a recording in SQLite or Parquet into a new one. Blocking.

    Raises:
        StorageError: ``out`` exists, the recording cannot be read at all, or the new one cannot be written.
            Nothing was left behind.
    """
    path, out = Path(path), Path(out)
    if is_parquet_folder(path) or (path.is_file() and is_parquet(first_line(path))):
        return _salvage_parquet(path, out)
    found = Salvaged()
    with new_file(out) as new:
        source, schema = _readable_copy(path, new.parent, found)
        with closing(source), closing(open_database(new)) as target, sqlite_errors(out):
            target.execute("BEGIN")
            copy = copy_1 if schema is SCHEMA_1 else copy_2
            found.runs, found.events, found.rows = copy(Damaged(source, schema.shapes, found), target)
            target.execute("COMMIT")
        publish_file(new, out)
    return found


def _salvage_parquet(path: Path, out: Path) -> Salvaged:
    with new_file(out) as new:
        saved = copy_sound_rows(path, new)
        new.rename(out)
        sync_folder(out.parent)
    return Salvaged(gaps=saved.gaps, rows=saved.rows, runs=len(saved.runs))


def _readable_copy(path: Path, folder: Path, found: Found) -> tuple[sqlite3.Connection, "_Schema"]:
    """Copy a recording and open the copy; if it is damaged, one that is made of all records on its pages.

    Raises:
        StorageError: it cannot be copied, or no run is found in it.
    """
    copy = folder / ".damaged"
    try:
        shutil.copyfile(path, copy)
        log = beside(path, "-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    except FileNotFoundError as error:
        raise read_error(error, path) from error
    except OSError as error:
        raise file_error(error, copy) from error
    possible = [schema for schema in (SCHEMA_2, SCHEMA_1) if _has_tables(copy, schema)] or [SCHEMA_2, SCHEMA_1]
    places = _damaged_places(copy) if len(possible) == 1 else 1
    if not places:
        return sqlite3.connect(copy, isolation_level=None), possible[0]
    found.gaps += places
    for schema in possible:
        rebuilt = _rebuilt(path, schema, folder)
        if rebuilt.execute("SELECT count(*) FROM run").fetchone()[0]:
            return rebuilt, schema
        rebuilt.close()
    raise StorageError(
        "nothing can be read: the file is not a recording, or too little of it is left",
        hint="Restore it from a backup",
        path=path,
    )


def _has_tables(copy: Path, schema: "_Schema") -> bool:
    try:
        with closing(sqlite3.connect(copy)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            (version,) = database.execute("PRAGMA user_version").fetchone()
            return names >= set(schema.shapes) and version == schema.version
    except UNREADABLE:
        return False


def _damaged_places(copy: Path) -> int:
    """Return at how many places SQLite cannot follow the tables of a file, up to PLACES."""
    try:
        with closing(sqlite3.connect(copy)) as database:
            problems = [text for (text,) in database.execute(f"PRAGMA quick_check({PLACES})")]
    except UNREADABLE:
        return 1
    return 0 if problems == ["ok"] else len(problems)


def _rebuilt(path: Path, schema: "_Schema", folder: Path) -> sqlite3.Connection:
    """Return a database with all records of a file that fit into a table of the schema: also those out of reach."""
    database = sqlite3.connect(folder / f".rebuilt-{schema.version}", isolation_level=None)
    schema.create(database)
    database.execute("BEGIN")
    tables = [schema.shapes[name] for name in schema.newest_first if name != "meta"]
    indexed: list[tuple[str, tuple[Value, ...]]] = []
    for record in records(path, page_size=schema.page_bytes):
        for shape in tables:
            if (row := shape.row(record.rowid, record.values)) is not None:
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT OR IGNORE INTO {shape.name} VALUES ({marks})", row)  # noqa: S608 - constants
                break
        else:
            if schema.version == SCHEMA_VERSION and record.rowid is None:
                indexed += ((statement, record.values) for statement in _of_index(record.values))
    for statement, values in indexed:  # a row itself, if it is left, comes before its copy in an index
        database.execute(statement, values)
    database.execute("COMMIT")
    return database


def _of_index(values: tuple[Value, ...]) -> Iterator[str]:
    """Return how what a record of an index repeats of a row is inserted: a small table has only one page to lose.

    A channel comes back without its driver and its unit, which is then unknown.
    """
    kinds = tuple(map(type, values))
    if kinds == (str, str, int, int):
        yield "INSERT OR IGNORE INTO series (device, parameter, instance, id) VALUES (?, ?, ?, ?)"
    elif kinds == (int, int, int, int):
        yield (
            "INSERT OR IGNORE INTO channel (series_id, run_id, segment, id, driver, protocol)"
            " VALUES (?, ?, ?, ?, 'unknown', 'unknown')"
        )


class _Schema(Struct, frozen=True):
    """A schema in which a damaged file may be; ``create`` makes an empty database of it.

    ``newest_first`` are the names of its tables: those that nothing fills yet come last.
    """

    version: int
    shapes: dict[str, Shape]
    newest_first: list[str]
    page_bytes: int
    create: Callable[[sqlite3.Connection], None]


def _schema(version: int, tables: str, page_bytes: int, create: Callable[[sqlite3.Connection], None]) -> _Schema:
    return _Schema(version, shapes(tables), re.findall(r"CREATE TABLE (\w+)", tables)[::-1], page_bytes, create)


SCHEMA_1 = _schema(schema1.SCHEMA_1, schema1.TABLES, 4096, schema1.create)
SCHEMA_2 = _schema(SCHEMA_VERSION, TABLES, PAGE_BYTES, create_tables)

"""``salvage``: what can be read of a damaged SQLite recording, copied into a new one.

The damaged file is not changed: SQLite works on a copy of it and of its write-ahead log. What is not sound is counted
as unreadable, see ``damaged``. The new file has the present schema, whatever that of the damaged one is.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from msgspec import Struct

from riglog.errors import StorageError
from riglog.recordings.copying import copy_1, copy_2
from riglog.recordings.damaged import Damaged, Found, Shape, shapes
from riglog.sinks.files import file_error, read_error
from riglog.sinks.sqlite import schema1
from riglog.sinks.sqlite.schema import create_tables, open_database, sqlite_errors
from riglog.sinks.sqlite.tables import SCHEMA_VERSION, TABLES


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
        source, schema = _open_copy(path, folder)
        stack.enter_context(closing(source))
        target = stack.enter_context(closing(open_database(out)))
        with sqlite_errors(out):
            target.execute("BEGIN")
            copy = copy_1 if schema is SCHEMA_1 else copy_2
            found.runs, found.events, found.rows = copy(Damaged(source, schema.shapes, found), target)
            target.execute("COMMIT")
    return found


def _open_copy(path: Path, folder: Path) -> tuple[sqlite3.Connection, "_Schema"]:
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
    for schema in (SCHEMA_2, SCHEMA_1):
        if _has_tables(copy, schema):
            return sqlite3.connect(copy, isolation_level=None), schema
    for schema in (SCHEMA_2, SCHEMA_1):
        repaired = folder / f"repaired-{schema.version}.sqlite"
        shutil.copyfile(copy, repaired)
        _replace_list_of_tables(repaired, schema, folder)
        if _has_tables(repaired, schema):
            return sqlite3.connect(repaired, isolation_level=None), schema
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
            database.execute("SELECT * FROM run LIMIT 1").fetchall()
            return names >= set(schema.shapes) and version == schema.version
    except sqlite3.DatabaseError:
        return False


def _replace_list_of_tables(copy: Path, schema: "_Schema", folder: Path) -> None:
    """The first pages have the list of tables, and riglog creates them in the same order in every file of a schema."""
    fresh = folder / f"fresh-{schema.version}.sqlite"
    with closing(sqlite3.connect(fresh, isolation_level=None)) as database:
        schema.create(database)
        (page_size,) = database.execute("PRAGMA page_size").fetchone()
        roots = {root for (root,) in database.execute("SELECT rootpage FROM sqlite_master")}
    pages = [bytearray(fresh.read_bytes()[at : at + page_size]) for at in range(0, fresh.stat().st_size, page_size)]
    pages[0][28:32] = (copy.stat().st_size // page_size).to_bytes(4, "big")  # the number of pages
    pages[0][18:20] = bytes((1, 1))  # no write-ahead log: that of the damaged file does not fit this page
    copy.with_name(copy.name + "-wal").unlink(missing_ok=True)
    with copy.open("r+b") as file:
        for number, page in enumerate(pages, 1):
            if number not in roots:
                file.seek((number - 1) * page_size)
                file.write(page)


class _Schema(Struct, frozen=True):
    """A schema in which a damaged file may be; ``create`` makes an empty database of it."""

    version: int
    shapes: dict[str, Shape]
    create: Callable[[sqlite3.Connection], None]


SCHEMA_1 = _Schema(schema1.SCHEMA_1, shapes(schema1.TABLES), schema1.create)
SCHEMA_2 = _Schema(SCHEMA_VERSION, shapes(TABLES), create_tables)

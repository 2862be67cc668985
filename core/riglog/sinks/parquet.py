"""A folder of Parquet files that any Parquet reader opens as one table, at any moment, also after a power failure.

A Parquet file can be read only when it is complete. The current part is therefore kept in memory and written again as a
whole, in one step, with every flush, until it has PART_ROWS rows; then the next part is started.
"""

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import structs

from riglog.errors import StorageError, error_context
from riglog.sinks.arrow import arrow_schema, pyarrow, record_batch
from riglog.sinks.base import FileConfig, Format, Records, RecordWriter, SinkType
from riglog.sinks.disk import (
    FOLDER_MODE,
    Identity,
    free_path,
    identity,
    is_deleted,
    lock,
    present_path,
    sync_folder,
)
from riglog.sinks.files import (
    RowFileSink,
    appearing,
    check_writable,
    continued_warning,
    continued_where_it_is,
    deleted_error,
    deleted_warning,
    moved_warning,
)
from riglog.sinks.parquet_parts import (
    PART,
    STORED,
    check_parts,
    check_sound,
    is_parquet,
    parquet,
    parts,
    read_parquet,
    rests,
    write_part,
)
from riglog.sinks.rows import Columns, Row

PART_ROWS = 20_000
"""Bounds memory, the size of a file, and how often a row is written (PART_ROWS / rows per flush / 2 times)."""
EXPORT_MARK = {b"riglog": b"export"}


class ParquetSink(RowFileSink):
    """``path`` is the folder. Times are ``timestamp[us, UTC]``, addresses are text."""

    name = "parquet"
    _folder: int | None = None

    def _check(self) -> None:
        with error_context(path=self.path):
            pyarrow()
        if self.path.exists():
            check_parts(self.path)
        check_writable(self.path)

    def _open(self) -> None:
        self.path.mkdir(FOLDER_MODE, exist_ok=True)
        sync_folder(self.path.parent)
        self._folder = lock_folder(self.path)
        try:
            self._clear()
        except BaseException:
            self._release()
            raise
        last = max((int(part.stem.removeprefix("part-")) for part in parts(self.path)), default=0)
        self._number = last + 1
        self._batches: list[Any] = []
        self._rows_of_full_parts = 0
        self._full_parts: dict[str, tuple[int, int]] = {}  # rows and bytes of each that was written since then
        self._written: Identity | None = None  # the file at the name of the current part, if this sink wrote it

    def _clear(self) -> None:
        """Remove what is not continued. This recording has the lock."""
        if self.overwrite:
            for part in parts(self.path):
                part.unlink()
        else:
            check_sound(self.path)
        for left_behind in rests(self.path):
            left_behind.unlink()

    def _store(self, found: list[Row]) -> None:
        self._follow_path()
        batches = [*self._batches, record_batch([structs.astuple(row) for row in found])]
        self._write_part(batches)
        self._batches = batches
        stored = sum(batch.num_rows for batch in batches)
        if stored >= PART_ROWS:
            self._full_parts[self._part().name] = stored, self._part().stat().st_size
            self._number += 1
            self._rows_of_full_parts += stored
            self._batches = []

    def _part(self) -> Path:
        return self.path / PART.format(self._number)

    def _write_part(self, batches: list[Any]) -> None:
        part, written = self._part(), None
        try:
            with appearing(part, replace=self._written is not None and identity(part) == self._written) as file:
                written = identity(file.fileno())
                write_part(file, batches)
        finally:
            if written is not None and identity(part) == written:
                self._written = written  # also if only syncing its name has failed

    def _follow_path(self) -> None:
        """Go on in a new folder if this one was deleted or moved. Of a deleted one, only the current part is left."""
        if self._folder is None or identity(self.path) == identity(self._folder):
            return
        try:
            deleted, moved_to = is_deleted(self._folder), present_path(self._folder)
            if (now := continued_where_it_is(self.path, moved_to)) is not None:
                self.path, self.warning = now, continued_warning(self.path, now)
                return
            target = free_path(self.path)
            target.mkdir(FOLDER_MODE)
            sync_folder(target.parent)
            folder = lock_folder(target)
        except (OSError, StorageError) as error:
            raise deleted_error(self.path, error) from error
        if deleted:
            self.samples_deleted += self._rows_of_full_parts
            self.warning = deleted_warning(self.path, target)
            if self._rows_of_full_parts:
                self.warning = f"{self.path} was deleted while it was being recorded; {target} has the newest rows only"
        else:
            self.warning = moved_warning(self.path, moved_to, target)
            self._batches = []
        os.close(self._folder)
        self._folder, self.path, self._rows_of_full_parts = folder, target, 0
        self._full_parts = {}

    def _count_destroyed_parts(self) -> None:
        """Count the rows of full parts that another program has deleted or changed."""
        destroyed = [rows for name, (rows, size) in self._full_parts.items() if _size(self.path / name) != size]
        if destroyed:
            self.samples_deleted += sum(destroyed)
            self.warning = f"another program has deleted or changed parts of {self.path}: {len(destroyed)}"

    def _close(self) -> None:
        rows_of_this_part = sum(batch.num_rows for batch in self._batches)
        try:
            self._follow_path()
        except StorageError:
            if self._folder is not None and is_deleted(self._folder):
                self.samples_deleted += self._rows_of_full_parts + rows_of_this_part
            raise
        else:
            if self._batches and not self._part().exists():
                self._write_part(self._batches)
            self._count_destroyed_parts()
        finally:
            self._release()

    def _release(self) -> None:
        self._batches = []
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


class ParquetWriter(RecordWriter):
    """Exports into one Parquet file; record batches are gathered into row groups of GROUP_ROWS."""

    GROUP_ROWS = 50_000

    def __init__(self, file: BinaryIO, columns: Columns, *, marked: bool = False) -> None:
        self._columns = columns
        self._batches: list[Any] = []
        schema = arrow_schema(columns).with_metadata(EXPORT_MARK) if marked else arrow_schema(columns)
        self._writer = parquet().ParquetWriter(file, schema, **STORED)

    def write(self, records: Records) -> None:
        self._batches.append(record_batch(records, self._columns))
        if sum(batch.num_rows for batch in self._batches) >= self.GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            table = pyarrow().Table.from_batches(self._batches)
            self._writer.write_table(table.replace_schema_metadata(self._writer.schema.metadata))
            self._batches = []


def is_export(path: Path) -> bool:
    """Return True if ParquetWriter wrote and marked the file."""
    try:
        return (parquet().read_schema(path).metadata or {}).items() >= EXPORT_MARK.items()
    except (pyarrow().ArrowInvalid, OSError):
        return False


def lock_folder(path: Path) -> int | None:
    """Open and lock a folder until it is closed; None where folders cannot be opened.

    Raises:
        StorageError: another program has locked it.
    """
    if sys.platform == "win32":
        return None
    folder = os.open(path, os.O_RDONLY)
    try:
        lock(folder, path)
    except StorageError:
        os.close(folder)
        raise
    return folder


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


PARQUET = SinkType(
    "parquet",
    "a folder of Parquet files",
    FileConfig,
    lambda config: ParquetSink(config.path, overwrite=config.overwrite, durability=config.durability),
)
PARQUET_FORMAT = Format("parquet", is_parquet, read_parquet, ParquetWriter, is_export)

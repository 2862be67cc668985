"""A folder of Parquet files that any Parquet reader opens as one table, at any moment, also after a power cut.

A Parquet file can be read only when it is finished. So the part being filled is kept in memory and written anew, whole
and under its name in one step, with every flush, until it has PART_ROWS rows; then the next part begins.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import structs

from riglog.errors import NotARecordingError, StorageError
from riglog.sinks.arrow import arrow_schema, pyarrow, record_batch, rows_of
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.files import FileSink, check_writable, lock
from riglog.sinks.optional_dependencies import library
from riglog.sinks.rows import Row

PART_ROWS = 20_000
"""What bounds memory, the size of a file, and how often a row is written (PART_ROWS / rows per flush / 2 times)."""
PART = "part-{:06d}.parquet"


class ParquetSink(FileSink):
    """``path`` is the folder. Times are ``timestamp[us, UTC]``, addresses are text."""

    name = "parquet"
    _folder: int | None = None

    def _check(self) -> None:
        pyarrow()
        if self.path.exists():
            check_parts(self.path)
        check_writable(self.path)

    def _begin(self) -> None:
        self.path.mkdir(exist_ok=True)
        self._folder = hold_folder(self.path)
        if self.overwrite:
            for part in parts(self.path):
                part.unlink()
        last = max((int(part.stem.removeprefix("part-")) for part in parts(self.path)), default=0)
        self._number = last + 1
        self._batches: list[Any] = []

    def _store(self, found: list[Row]) -> None:
        batches = [*self._batches, record_batch([structs.astuple(one) for one in found])]
        replace_file(batches, self.path / PART.format(self._number))
        self._batches = batches
        if sum(batch.num_rows for batch in batches) >= PART_ROWS:
            self._number += 1
            self._batches = []

    def _finish(self) -> None:
        self._batches = []
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


def hold_folder(path: Path) -> int | None:
    """Keep a folder for us until what is given is closed; None where folders cannot be opened.

    Raises:
        StorageError: another program has it.
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


def parts(path: Path) -> list[Path]:
    """The files of a folder written by ParquetSink, oldest first."""
    return sorted(path.glob("part-??????.parquet"))


def check_parts(path: Path) -> None:
    """See that a folder holds only parts with the columns of schema 1. Reads only.

    Raises:
        NotARecordingError: it does not.
    """
    other = "choose another path; nothing was touched"
    if not path.is_dir():
        raise NotARecordingError("a Parquet recording is a folder, this is a file", hint=other, path=path)
    strangers = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    strangers -= {part.name for part in parts(path)}
    if strangers:
        raise NotARecordingError(f"the folder holds other files: {sorted(strangers)[0]}", hint=other, path=path)
    for part in parts(path):
        try:
            same = library("pyarrow.parquet", "parquet").read_schema(part).equals(arrow_schema())
        except (pyarrow().ArrowInvalid, OSError):
            same = False
        if not same:
            raise NotARecordingError(f"{part.name} has other columns", hint=other, path=path)


def replace_file(batches: list[Any], path: Path) -> None:
    """Write a Parquet file in one step: under its name is the old content or the new, never half of it."""
    pq = library("pyarrow.parquet", "parquet")
    hidden = path.with_name(f".{path.name}.new")
    with hidden.open("wb") as file:
        pq.write_table(pyarrow().Table.from_batches(batches), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    os.replace(hidden, path)


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file or of a folder of them."""
    pq = library("pyarrow.parquet", "parquet")
    for part in parts(path) if path.is_dir() else [path]:
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches():
                yield from rows_of(batch)


PARQUET = SinkType(
    "parquet",
    "a folder of Parquet files",
    FileConfig,
    lambda config: ParquetSink(config.path, overwrite=config.overwrite),
)

"""The files of a Parquet recording: reading, checking and saving what damage has left.

Pages have checksums, so a row group that can be decoded as a whole is proven; of a damaged one, no row is. The footer
of a file has no checksum: it counts only where the row groups have the rows and columns that it states.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct, field

from riglog.errors import NotARecordingError, StorageError
from riglog.printable import printable
from riglog.sinks.arrow import arrow_schema, pyarrow, rows_of
from riglog.sinks.base import Damage
from riglog.sinks.disk import FOLDER_MODE, HIDDEN
from riglog.sinks.files import appearing, read_error
from riglog.sinks.optional_dependencies import import_optional
from riglog.sinks.rows import Row

PART, PARTS = "part-{:06d}.parquet", "part-??????.parquet"
UNUSABLE = "Use another path. Nothing was modified"
STORED = {"compression": "zstd", "write_page_checksum": True}
"""How a file is written. A flipped bit in a page with a checksum is an error of the reader, and no other value."""
GROUP_ROWS = 5_000
"""Rows in a row group of a part: the most that a flipped bit costs. Smaller ones take longer to write."""
BATCH_ROWS = 1_000
"""Rows that are Python objects at a time."""
CHECKED_BYTES = 64 * 1024 * 1024
"""A recording up to this size is read as a whole before it is continued; of a larger one, the newest part."""


def parquet() -> Any:
    """Import pyarrow.parquet.

    Raises:
        ConfigError: it is not installed.
    """
    return import_optional("pyarrow.parquet", "parquet")


def parts(path: Path) -> list[Path]:
    """Return the files of a folder written by ParquetSink, oldest first."""
    found = sorted(path.glob(PARTS))
    return found[:-1] if found and _is_reserved(found[-1]) else found


def _is_reserved(last: Path) -> bool:
    """Return True if the last part is only its name, as a power failure leaves it. Any other empty part is damaged."""
    return not last.stat().st_size


def rests(path: Path) -> list[Path]:
    """Return what a power failure leaves of a part in a folder: a file that is not complete, and its reserved name."""
    last = sorted(path.glob(PARTS))[-1:]
    return [*path.glob(f"{HIDDEN}*.new"), *(part for part in last if _is_reserved(part))]


def is_parquet_folder(path: Path) -> bool:
    """Return True if a folder is a recording, also one without rows."""
    return path.is_dir() and (bool(parts(path)) or set(path.iterdir()) == set(rests(path)))


def is_parquet(first: bytes) -> bool:
    """Return True if a file with this beginning is a Parquet file."""
    return first.startswith(b"PAR1")


def write_part(file: BinaryIO, batches: Sequence[Any]) -> None:
    """Write record batches as one Parquet file."""
    parquet().write_table(pyarrow().Table.from_batches(batches), file, row_group_size=GROUP_ROWS, **STORED)


def check_parts(path: Path) -> None:
    """Check that a folder holds only parts with the columns of a row. Reads no rows, and changes nothing.

    Raises:
        NotARecordingError: it does not.
        StorageError: a part is damaged.
    """
    if not path.is_dir():
        raise NotARecordingError("path is a file; a Parquet recording is a folder", hint=UNUSABLE, path=path)
    other = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    other -= {part.name for part in (*parts(path), *rests(path))}
    if other:
        raise NotARecordingError(f"folder contains other files: {min(other)}", hint=UNUSABLE, path=path)
    for part in parts(path):
        with _opened(part, path):
            pass


def check_sound(path: Path) -> None:
    """Check that nothing is damaged in a folder: up to CHECKED_BYTES all of it, of a larger one the newest part.

    Raises:
        StorageError: a part is damaged; nothing was modified.
    """
    found = parts(path)
    if sum(part.stat().st_size for part in found) > CHECKED_BYTES:
        found = found[-1:]
    for part in found:
        with _opened(part, path) as file:
            for group in range(file.num_row_groups):
                _proven(file, group)


def read_parquet(path: Path, damage: Damage) -> Iterator[Row]:
    """Return the rows of a Parquet file or of a folder of them, up to the first row group that is damaged."""
    for part in parts(path) if path.is_dir() else [path]:
        with _opened(part, path) as file:
            for group in range(file.num_row_groups):
                for batch in _proven(file, group).to_batches(max_chunksize=BATCH_ROWS):
                    yield from rows_of(batch)


class Saved(Struct):
    """What was copied of a damaged recording. ``gaps``: parts and row groups that cannot be read."""

    rows: int = 0
    gaps: int = 0
    runs: set[str | None] = field(default_factory=set)


def copy_sound_rows(path: Path, folder: Path) -> Saved:
    """Copy every row group that can be proven into a new folder.

    Raises:
        StorageError: no row can be read.
        OSError: the folder cannot be written.
    """
    saved, number = Saved(), 0
    folder.mkdir(FOLDER_MODE)
    for part in parts(path) if path.is_dir() else [path]:
        if batches := _sound_batches(part, path, saved):
            number += 1
            with appearing(folder / PART.format(number)) as target:
                write_part(target, batches)
    if not saved.rows:
        raise StorageError("nothing can be read: no row is left", hint="Restore it from a backup", path=path)
    return saved


def _sound_batches(part: Path, recording: Path, saved: Saved) -> list[Any]:
    """Return the rows of the row groups of a part that can be proven; they and the others are counted."""
    found: list[Any] = []
    try:
        with _opened(part, recording) as file:
            for group in range(file.num_row_groups):
                try:
                    proven = _proven(file, group)
                except _unreadable():
                    saved.gaps += 1
                else:
                    found += proven.to_batches()
                    saved.rows += proven.num_rows
                    saved.runs |= set(proven["run"].unique().to_pylist())
    except (StorageError, NotARecordingError):
        saved.gaps += 1
    return found


@contextmanager
def _opened(part: Path, recording: Path) -> Iterator[Any]:
    """Open a file of a recording, and raise what pyarrow raises for a damaged one as StorageError.

    Raises:
        NotARecordingError: it has other columns than a row.
        StorageError: it is damaged, or cannot be read.
    """
    try:
        with parquet().ParquetFile(part, page_checksum_verification=True) as file:
            rows = file.metadata.num_rows
            if (in_groups := sum(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))) != rows:
                raise _UnprovenError(f"{in_groups} of {rows} rows")
            if not file.schema_arrow.equals(arrow_schema()):
                raise NotARecordingError(f"{part.name} has different columns", hint=UNUSABLE, path=recording)
            yield file
    except _unreadable() as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EIO}:  # of the system, not of the file
            raise read_error(error, part) from error
        reason = printable(str(error).partition("\n")[0])
        hint = f"Save what can be read: riglog salvage {recording} --out NEW.parquet. Nothing was modified"
        raise StorageError(f"Parquet file is damaged: {reason}", hint=hint, path=part) from error


def _proven(file: Any, group: int) -> Any:
    """Return a row group as a table: every page of it has its checksum, and all columns have all rows.

    Raises:
        _unreadable(): it is damaged.
    """
    table, rows = file.read_row_group(group), file.metadata.row_group(group).num_rows
    table.validate(full=True)
    if table.num_rows != rows:
        raise _UnprovenError(f"{table.num_rows} of {rows} rows")
    return table


class _UnprovenError(ValueError):
    """The footer of a file contradicts what is in it."""


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what reading a damaged file raises."""
    return OSError, UnicodeDecodeError, _UnprovenError, pyarrow().ArrowException

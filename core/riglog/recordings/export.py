"""A recording into another format, in constant memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, structs

from riglog.errors import ConfigError
from riglog.model import NS
from riglog.recordings.formats import FORMATS, Records, output
from riglog.recordings.selection import Selection
from riglog.recordings.wide import layout, wide_records
from riglog.sinks.columns import ROW, Columns
from riglog.sinks.files import check_writable, file_error
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import open_to_read, read_pages

__all__ = ["FORMATS", "Exported", "export"]
Pages = Iterator[tuple[float, Records]]
"""The share of the recording that is done with it, and records."""


class Exported(Struct):
    """What was written; ``every`` are the seconds of a row if a wide row is a stretch of time."""

    rows: int = 0
    every: float | None = None


def export(
    path: str | Path,
    out: str | Path | BinaryIO,
    *,
    format: str,
    selection: Selection | None = None,
    wide: bool = False,
    every: float | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Exported:
    """Write the rows of an SQLite recording, oldest first, into a file of another format.

    Args:
        out: a path, where the file appears when it is complete, or an opened binary file.
        format: ``csv``, ``jsonl`` or ``parquet``.
        selection: which rows; all by default.
        wide: one row per tick, one column per channel. Where the ticks of the channels do not agree, and with
            ``every``, one row per stretch of so many seconds since the start of the run, and in it the last values.
        progress: is told the share that is done, 0 to 1.
    Raises:
        ConfigError: an argument makes no sense, or pyarrow is not installed.
        StorageError: the recording cannot be read, or the file cannot be written.
    """
    if every is not None and not (wide and every > 0):
        raise ConfigError("a stretch of time is for the wide form, and longer than nothing", hint="add --wide")
    make = output(format)
    condition = (selection or Selection()).condition()
    with closing(open_to_read(Path(path))) as database:
        total = max(1, database.execute("SELECT coalesce(max(id), 0) FROM reading").fetchone()[0])
        done = Exported()
        columns: Columns = ROW
        if wide:
            shape = layout(database, *condition, every)
            columns, done.every = shape.columns, shape.every_ns / NS if shape.every_ns else None
            pages = _counted(wide_records(database, *condition, shape), total)
        else:
            pages = _long(read_pages(database, *condition), total)
        with _written(out) as file:
            made = make(file, columns)
            for share, records in pages:
                made.write(records)
                done.rows += len(records)
                progress(share)
            made.close()
    progress(1.0)
    return done


def _long(pages: Iterator[list[tuple[int, Row]]], total: int) -> Pages:
    for page in pages:
        yield page[-1][0] / total, [structs.astuple(row) for _, row in page]


def _counted(pages: Iterator[tuple[int, Records]], total: int) -> Pages:
    done = 0
    for readings, records in pages:
        done += readings
        yield done / total, records


@contextmanager
def _written(out: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    """The file to write to. A path appears, or is replaced, when all of it is there."""
    if not isinstance(out, (str, Path)):
        yield out
        return
    path = Path(out)
    check_writable(path)
    hidden = path.with_name(f".{path.name}.new")
    try:
        with hidden.open("wb") as file:
            yield file
        os.replace(hidden, path)
    except OSError as error:
        raise file_error(error, path) from error
    finally:
        hidden.unlink(missing_ok=True)

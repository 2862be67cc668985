"""Exports an SQLite recording into another format, in constant memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, structs

from riglog.errors import ConfigError, StorageError, error_context
from riglog.model import NS
from riglog.recordings.local_times import localised
from riglog.recordings.selection import Selection, check_selection
from riglog.recordings.wide import Layout, check_interval, layout, wide_records
from riglog.sinks.base import Records, RecordWriter
from riglog.sinks.csv import CSV_FORMAT, CsvStyle, CsvWriter
from riglog.sinks.files import appearing, check_writable, file_error
from riglog.sinks.formats import EXPORT_FORMATS, is_export, record_writer
from riglog.sinks.rows import ROW, Columns
from riglog.sinks.sqlite import Recorded, open_recording, recorded
from riglog.sinks.sqlite.schema import sqlite_errors
from riglog.sinks.xlsx import XLSX_FORMAT

Pages = Iterator[tuple[float, Records]]
"""Pages of records, each with the share of the recording that is complete after it."""

SEPARATORS = (",", ";", "\t")


class Exported(Struct):
    """What was written. ``every``: seconds covered by one row of a wide export; None if each row is one slot."""

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
    overwrite: bool = False,
    separator: str | None = None,
    decimal_comma: bool = False,
    local_time: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Exported:
    """Write the rows of an SQLite recording, oldest first, into a file of another format.

    Args:
        out: a path, where the file appears when it is complete, or an open binary file.
        format: ``csv``, ``jsonl``, ``parquet`` or ``xlsx``.
        selection: which rows; default: all.
        wide: one row per slot, one column per channel. If the channels have different rates, or with ``every``, a row
            covers so many seconds since the start of the run, and holds the last value of each channel.
        overwrite: replace an earlier export in the same format. Nothing else is ever replaced.
        separator: between the fields of CSV: ``,``, ``;`` or a tab; default: ``,``, with ``decimal_comma`` ``;``.
        decimal_comma: write numbers in CSV with a comma, as the spreadsheets of many countries read them.
        local_time: write times in the time zone of this computer, with the offset from UTC. Their columns are called
            ``…_local``, and the export cannot be read back. Recordings stay in UTC.
        progress: called with the share that is complete, 0 to 1.
    Raises:
        ConfigError: an invalid argument; a run, device or parameter that is not in the recording; pyarrow is not
            installed.
        StorageError: the recording cannot be read, or the file cannot be written, or exists.
    """
    check_interval(wide, every)
    make: Callable[..., RecordWriter] = record_writer(format)
    if (style := _style(format, separator, decimal_comma)) is not None:
        make = partial(CsvWriter, style=style)
    selection = selection or Selection()
    selection.condition("")  # an invalid time is refused before anything is opened
    if isinstance(out, (str, Path)):
        _check_ending(Path(out), format)
        _check_target(Path(out), format, overwrite)
    with closing(open_recording(Path(path))) as database, sqlite_errors(Path(path)), error_context(path=path):
        check_selection(selection, database)
        found = recorded(database)
        done = Exported()
        columns: Columns = ROW
        if wide:
            shape = layout(found, selection, every)
            columns, done.every = shape.columns, shape.every_ns / NS if shape.every_ns else None
            pages = _wide_pages(found, selection, shape)
        else:
            pages = _long_pages(found, selection)
        if local_time:
            columns, pages = localised(columns, pages, offset=format == XLSX_FORMAT.name)
        with _output(out, format, overwrite) as file:
            writer = make(file, columns, marked=isinstance(out, (str, Path)))
            try:
                for share, records in pages:
                    writer.write(records)
                    done.rows += len(records)
                    progress(share)
                writer.close()
            except BaseException:
                writer.discard()
                raise
    progress(1.0)
    return done


def _style(format: str, separator: str | None, decimal_comma: bool) -> CsvStyle | None:
    """Return the style of a CSV export; None if it is the usual one.

    Raises:
        ConfigError: another format, or a separator that numbers contain.
    """
    if separator is None and not decimal_comma:
        return None
    if format != CSV_FORMAT.name:
        raise ConfigError(
            "--separator and --decimal are for CSV only", hint="Remove them: other formats store numbers as numbers"
        )
    style = CsvStyle(";" if separator is None else separator, "," if decimal_comma else ".")
    if style.separator not in SEPARATORS:
        raise ConfigError(f"--separator: invalid value {separator!r}", hint='Use ",", ";" or a tab')
    if style.separator == style.decimal:
        raise ConfigError("--separator: a comma is the decimal sign already", hint='Use ";" or a tab')
    return style


def _long_pages(found: Recorded, selection: Selection) -> Pages:
    for page in found.pages(selection):
        yield page.share, [structs.astuple(row) for row in page.rows]


def _wide_pages(found: Recorded, selection: Selection, shape: Layout) -> Pages:
    done, total = 0, max(1, found.count())
    for readings, records in wide_records(found, selection, shape):
        done += readings
        yield min(1.0, done / total), records


def _check_ending(path: Path, format: str) -> None:
    """Refuse a name whose ending is that of another format.

    Raises:
        ConfigError: it is.
    """
    ending = path.suffix.removeprefix(".").lower()
    if ending != format and ending in EXPORT_FORMATS:
        raise ConfigError(
            f"--out: {path.name!r} would have the format {format}, despite its ending",
            hint=f"Use the ending .{format}, or the format {ending}",
        )


def _check_target(path: Path, format: str, overwrite: bool) -> None:
    """Check that an export can be written to a path: it replaces an earlier export only, and that only if wanted.

    Raises:
        StorageError: it cannot; nothing was modified.
    """
    check_writable(path)
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file() or not is_export(path, format):
        raise StorageError(
            f"file exists and is not an export in {format}",
            hint="Use another file name. The file was not modified",
            path=path,
        )
    if not overwrite:
        raise StorageError(
            "file exists and was not overwritten",
            hint="Use another file name, or --overwrite to replace the earlier export",
            path=path,
        )


@contextmanager
def _output(out: str | Path | BinaryIO, format: str, overwrite: bool) -> Iterator[BinaryIO]:
    """Open the file to write to. At a path, it appears or is replaced when it is complete."""
    if not isinstance(out, (str, Path)):
        yield out
        return
    path = Path(out)
    try:
        with appearing(path, replace=os.path.lexists(path)) as file:
            yield file
            _check_target(path, format, overwrite)  # again: the file there may be another one by now
    except OSError as error:
        raise file_error(error, path) from error

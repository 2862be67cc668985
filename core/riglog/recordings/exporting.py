"""Exports an SQLite recording into another format, in constant memory."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from msgspec import Struct, structs

from riglog.errors import ConfigError, error_context
from riglog.model import NS, SYSTEM_CLOCK, iso
from riglog.recordings.clock_checks import ClockErrors, with_intervals
from riglog.recordings.corrected import CORRECTED_ROW, Corrections
from riglog.recordings.local_times import localised
from riglog.recordings.selection import Selection, check_selection
from riglog.recordings.targets import Kind, check_target, output
from riglog.recordings.wide import Layout, check_interval, joined, layout, refuse_wide_corrected, wide_records
from riglog.sinks.base import Records, RecordWriter
from riglog.sinks.csv import CSV_FORMAT, CsvStyle, CsvWriter
from riglog.sinks.formats import EXPORT_FORMATS, is_export, record_writer
from riglog.sinks.rows import ROW, Columns
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.recorded import Recorded, recorded
from riglog.sinks.sqlite.schema import sqlite_errors
from riglog.sinks.sqlite.seals import head_of
from riglog.sinks.xlsx import XLSX_FORMAT

Pages = Iterator[tuple[float, Records]]
"""Pages of records, each with the share of the recording that is complete after it."""

SEPARATORS = (",", ";", "\t")


class Exported(Struct):
    """What was written. ``every``: seconds covered by one row of a wide export; None if each row is one slot."""

    rows: int = 0
    every: float | None = None


class _File(NamedTuple):
    """An open recording; ``first`` is when its first row was received."""

    path: Path
    source: Recorded
    first: str


def export(
    path: str | Path | Sequence[str | Path],
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
    time_interval: bool = False,
    corrected: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Exported:
    """Write the rows of SQLite recordings, oldest first, into a file of another format.

    Args:
        path: one recording, or several, such as those of a rotation; they are read in the order of their rows.
        out: a path, where the file appears when it is complete, or an open binary file.
        format: ``csv``, ``jsonl``, ``parquet``, ``xlsx`` or ``nc`` (NetCDF).
        selection: which rows; default: all.
        wide: one row per slot, one column per channel. If the channels have different rates, or with ``every``, a row
            covers so many seconds since the start of the run, and holds the last value of each channel.
        overwrite: replace an earlier export in the same format. Nothing else is ever replaced.
        separator: between the fields of CSV: ``,``, ``;`` or a tab; default: ``,``, with ``decimal_comma`` ``;``.
        decimal_comma: write numbers in CSV with a comma, as the spreadsheets of many countries read them.
        local_time: write times in the time zone of this computer, with the offset from UTC. Their columns are called
            ``…_local``, and the export cannot be read back. Recordings stay in UTC.
        time_interval: add the columns ``earliest_at`` and ``latest_at``: from the request to the reply, wider by the
            error of the clock before and after it. Empty where it is not known, and of rows without a value.
        corrected: with the corrected value, its uncertainty and its certificate behind each row; not with ``wide``.
        progress: called with the share that is complete, 0 to 1.
    Raises:
        ConfigError: an invalid argument; a run, device or parameter that is not in the recording; pyarrow is not
            installed.
        StorageError: the recording cannot be read, or the file cannot be written, or exists.
    """
    check_interval(wide, every)
    if time_interval and wide:
        raise ConfigError("--time-interval is for single values", hint="Remove --wide: a row of it has many values")
    if wide:
        refuse_wide_corrected(corrected)
    make: Callable[..., RecordWriter] = record_writer(format)
    if (style := _style(format, separator, decimal_comma)) is not None:
        make = partial(CsvWriter, style=style)
    selection = selection or Selection()
    selection.condition("")  # an invalid time is refused before anything is opened
    if isinstance(out, (str, Path)):
        _check_ending(Path(out), format)
        check_target(Path(out), _kind(format), overwrite)
    with ExitStack() as opened:
        files = _open_all([path] if isinstance(path, (str, Path)) else path, selection, opened)
        done = Exported()
        columns: Columns = ROW
        if wide:
            shapes = joined([_guarded_layout(file, selection, every) for file in files])
            columns, done.every = shapes[0].columns, shapes[0].every_ns / NS if shapes[0].every_ns else None
            pages = _joined_slots(_wide_pages(files, selection, shapes), shapes[0].lead)
        else:
            pages = _long_pages(files, selection)
        if corrected:
            columns, pages = CORRECTED_ROW, _corrected_pages(pages, Corrections(file.path for file in files))
        if time_interval:
            columns, pages = with_intervals(columns, pages, ClockErrors([file.path for file in files]))
        if local_time:
            columns, pages = localised(columns, pages, offset=format == XLSX_FORMAT.name)
        with _output(out, format, overwrite) as file:
            writer = make(file, columns, marked=isinstance(out, (str, Path)))
            try:
                writer.describe(_provenance(files))
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


def _provenance(files: Sequence[_File]) -> dict[str, str]:
    """Return where the rows come from: the recordings, their seals, runs, versions and rig files."""
    heads = [(file.path.name, head_of(file.source.database)) for file in files]
    runs = {}
    for file in files:
        with sqlite_errors(file.path), error_context(path=file.path):
            for run, started, host, versions, rig in file.source.database.execute(
                "SELECT run, started_ns, host, versions, rig FROM run ORDER BY id"
            ):
                runs[run] = iso(started), host, versions, rig
    return {
        "title": ", ".join(runs),
        "source": f"riglog {version('riglog')}: {', '.join(name for name, _ in heads)}",
        "history": f"{iso(SYSTEM_CLOCK.utc_ns())} riglog export",
        "heads_of_seals": "\n".join(f"{name} {head.hash}" for name, head in heads if head is not None),
        "runs": json.dumps(
            {run: {"started_at": at, "host": host, "versions": found} for run, (at, host, found, _) in runs.items()}
        ),
        "rig_files": "\n".join(dict.fromkeys(rig for *_, rig in runs.values() if rig)),
    }


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


def _open_all(paths: Sequence[str | Path], selection: Selection, opened: ExitStack) -> list[_File]:
    """Open recordings, and return them in the order of their rows; those with nothing selected are left out."""
    files, refused = [], []
    for path in map(Path, paths):
        try:
            with sqlite_errors(path), error_context(path=path):
                database = opened.enter_context(closing(open_recording(path)))
                check_selection(selection, database)
                source = recorded(database)
                first = next((row.received_at for page in source.pages(selection) for row in page.rows), "")
                files.append(_File(path, source, first))
        except ConfigError as error:
            refused.append(error)
    if not files:
        raise refused[0] if refused else ConfigError("no file to export", hint="Give at least one recording")
    return sorted(files, key=lambda file: file.first)


def _guarded_layout(file: _File, selection: Selection, every: float | None) -> Layout:
    with sqlite_errors(file.path), error_context(path=file.path):
        return layout(file.source, selection, every)


def _long_pages(files: Sequence[_File], selection: Selection) -> Pages:
    for number, file in enumerate(files):
        with sqlite_errors(file.path), error_context(path=file.path):
            for page in file.source.pages(selection):
                yield (number + page.share) / len(files), [structs.astuple(row) for row in page.rows]


def _corrected_pages(pages: Pages, corrections: Corrections) -> Pages:
    for share, records in pages:
        yield share, [corrections.record(record) for record in records]


def _wide_pages(files: Sequence[_File], selection: Selection, shapes: Sequence[Layout]) -> Pages:
    for number, (file, shape) in enumerate(zip(files, shapes, strict=True)):
        with sqlite_errors(file.path), error_context(path=file.path):
            done, total = 0, max(1, file.source.count())
            for readings, records in wide_records(file.source, selection, shape):
                done += readings
                yield (number + min(1.0, done / total)) / len(files), records


def _joined_slots(pages: Pages, lead: int) -> Pages:
    """Join the two halves of a slot that was recorded when a file ended: a cell is in one of them."""
    last: list[Any] | None = None
    share = 0.0
    for share, records in pages:
        ready = []
        for record in map(list, records):
            if last is not None and _are_halves(last, record, lead):
                last = [old if old is not None else new for old, new in zip(last, record, strict=True)]
            else:
                ready += [last] if last is not None else []
                last = record
        yield share, ready
    if last is not None:
        yield share, [last]


def _are_halves(one: Sequence[Any], other: Sequence[Any], lead: int) -> bool:
    same = one[: lead - 1] == other[: lead - 1] and (lead == 3 or one[1] == other[1])
    return (
        same
        and one[1] is not None
        and all(a is None or b is None for a, b in zip(one[lead:], other[lead:], strict=True))
    )


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


@contextmanager
def _output(out: str | Path | BinaryIO, format: str, overwrite: bool) -> Iterator[BinaryIO]:
    """Open the file to write to. At a path, it appears or is replaced when it is complete."""
    if not isinstance(out, (str, Path)):
        yield out
        return
    with output(Path(out), _kind(format), overwrite) as file:
        yield file


def _kind(format: str) -> Kind:
    return Kind(format, "export", lambda path: is_export(path, format))

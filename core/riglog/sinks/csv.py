"""Comma-separated text: one header line, one line a row, nothing where there is nothing."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from msgspec import structs

from riglog.errors import NotARecordingError
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.columns import EMPTY_IS_A_WORD, ROW, Column, Kind, address
from riglog.sinks.rows import COLUMNS, Row
from riglog.sinks.text_files import OTHER, TextFileSink


class CsvSink(TextFileSink):
    """UTF-8, ``,`` between fields, ``"`` around those that need it, ``\\n`` at the end of a line."""

    name = "csv"
    head = (",".join(COLUMNS) + "\n").encode()

    def _encode(self, found: list[Row]) -> bytes:
        return csv_lines(map(structs.astuple, found))

    def _refuse_other(self, first: bytes) -> None:
        if first + b"\n" != self.head:
            raise NotARecordingError("the file exists and its columns are others", hint=OTHER, path=self.path)


def csv_lines(records: Iterable[Sequence[object]]) -> bytes:
    """Records as lines; None is an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue().encode()


def read_csv(path: Path) -> Iterator[Row]:
    """The rows of a file written by CsvSink. A last line without its end is no row."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = _whole_lines(file)
        next(lines, None)
        for fields in csv.reader(lines):
            yield Row(*(read(field) for read, field in zip(_READ, fields, strict=True)))


def _whole_lines(file: TextIO) -> Iterator[str]:
    return (line for line in file if line.endswith("\n"))


def _word(field: str) -> str | None:
    return field or None


def _number(read: Callable[[str], int | float]) -> Callable[[str], int | float | None]:
    return lambda field: read(field) if field else None


def _reader(column: Column) -> Callable[[str], Any]:
    if column.name == "address":
        return lambda field: address(_word(field))
    if column.name in EMPTY_IS_A_WORD:
        return str
    return {Kind.INTEGER: _number(int), Kind.REAL: _number(float)}.get(column.kind, _word)


_READ = [_reader(column) for column in ROW]
CSV = SinkType(
    "csv", "comma-separated text", FileConfig, lambda config: CsvSink(config.path, overwrite=config.overwrite)
)

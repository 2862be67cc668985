"""Comma-separated text: one header line, one line per row, an empty field for None."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import structs

from riglog.errors import NotARecordingError
from riglog.sinks.base import Damage, FileConfig, Format, Records, RecordWriter, SinkType
from riglog.sinks.files import NOT_MODIFIED
from riglog.sinks.rows import COLUMNS, EMPTY_STRING_COLUMNS, ROW, Column, Columns, Kind, Row, parse_address
from riglog.sinks.text_files import TextFileSink, complete_lines, decoded

HEAD = ",".join(COLUMNS).encode()
MAX_LINES_OF_A_RECORD = 100


class CsvSink(TextFileSink):
    """UTF-8, ``,`` between fields, ``"`` around those that need it, ``\\n`` at the end of a line."""

    name = "csv"
    head = HEAD + b"\n"

    def _encode(self, found: list[Row]) -> bytes:
        return _lines(map(structs.astuple, found))

    def _check_first_line(self, first: bytes) -> None:
        if first != HEAD:
            raise NotARecordingError("file exists with different columns", hint=NOT_MODIFIED, path=self.path)


class CsvWriter(RecordWriter):
    """Exports to CSV; the first line has the names of the columns."""

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        file.write(_lines([[column.name for column in columns]]))

    def write(self, records: Records) -> None:
        self._file.write(_lines(records))


def read_csv(path: Path, damage: Damage) -> Iterator[Row]:
    """Return the rows of a file written by CsvSink or exported to CSV."""
    lines = complete_lines(path)
    next(lines, None)
    return decoded(_records(lines), _decode, damage)


def _records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join the lines of a record whose quoted field has a line end in it."""
    record: list[bytes] = []
    quoted = False
    for line in lines:
        record.append(line)
        quoted ^= line.count(b'"') % 2 == 1
        if quoted and len(record) <= MAX_LINES_OF_A_RECORD and b"\0" not in line:
            continue
        if quoted:  # a quotation mark was lost: only the line in which the record began is certain to be damaged
            yield record.pop(0)
            yield from _records(record)
        else:
            yield b"".join(record)
        record, quoted = [], False
    yield from record[:1]
    if record[1:]:
        yield from _records(record[1:])


def _decode(record: bytes) -> Row:
    (fields,) = csv.reader([record.decode()])
    return Row(*(parse(field) for parse, field in zip(_PARSERS, fields, strict=True)))


class _Lines(list[str]):
    """What csv.writer writes: each line in one call."""

    write = list.append


def _lines(records: Iterable[Sequence[object]]) -> bytes:
    lines = _Lines()
    csv.writer(lines).writerows(records)  # with "\n" as its line end it would not quote a field that contains "\r"
    return "".join([line.removesuffix("\r\n") + "\n" for line in lines]).encode()


def _text(field: str) -> str | None:
    return field or None


def _number(parse: Callable[[str], int | float]) -> Callable[[str], int | float | None]:
    return lambda field: parse(field) if field else None


def _parser(column: Column) -> Callable[[str], Any]:
    if column.name == "address":
        return lambda field: parse_address(_text(field))
    if column.name in EMPTY_STRING_COLUMNS:
        return str
    return {Kind.INTEGER: _number(int), Kind.REAL: _number(float)}.get(column.kind, _text)


_PARSERS = [_parser(column) for column in ROW]
CSV = SinkType(
    "csv",
    "comma-separated text",
    FileConfig,
    lambda config: CsvSink(config.path, overwrite=config.overwrite, durability=config.durability),
)
CSV_FORMAT = Format("csv", lambda first: first == HEAD, read_csv, CsvWriter)

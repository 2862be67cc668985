"""Comma-separated text: one header line, one line per row, an empty field for None."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec
from msgspec import Struct

from riglog.errors import NotARecordingError
from riglog.sinks.base import Damage, Format, Records, RecordWriter, RotatingConfig, SinkType
from riglog.sinks.files import NOT_MODIFIED, first_line
from riglog.sinks.rows import COLUMNS, EMPTY_STRING_COLUMNS, ROW, Column, Columns, Kind, Row, parse_address
from riglog.sinks.text_files import TextFileSink, complete_lines, decoded

HEAD = ",".join(COLUMNS).encode()
MAX_LINES_OF_A_RECORD = 100
EXPORT_HEAD = ",".join(f'"{column}"' for column in COLUMNS).encode()
"""Quotes around the names mark an export: a recording has none. Readers of CSV ignore them."""
FORMULA = "=+-@＝＋－＠'\t\r\n"
"""How a text begins that a spreadsheet would take for a formula; and the character that is put in front of it."""
MAY_BE_FORMULA = ("=", "+", "@", "'", ",-", '"-', "\t", '"\r', '"\n')
"""Without any of these an ASCII line has no such text: looking for them costs less than looking at every cell."""

NOT_PLAIN = (b"\\", b"[null", b'"=', b'"+', b'"-', b'"@', b"\"'")
"""What makes a JSON array no plain line of CSV: an escape, no value at the start, a text that may be a formula."""
_ARRAYS = msgspec.json.Encoder()


class CsvSink(TextFileSink):
    """UTF-8, ``,`` between fields, ``"`` around those that need it, ``\\n`` at the end of a line."""

    name = "csv"
    head = HEAD + b"\n"

    def _encode(self, found: list[Row]) -> bytes:
        records = list(map(msgspec.structs.astuple, found))
        return _plain_lines(records) or _lines(records)

    @staticmethod
    def decode(lines: Iterable[bytes], damage: Damage) -> Iterator[Row]:
        return decoded(_records(lines), _decode, damage)

    @staticmethod
    def _is_torn(line: bytes) -> bool:
        return HEAD.startswith(line)

    def _check_first_line(self, first: bytes) -> None:
        if first == EXPORT_HEAD:
            raise NotARecordingError("file exists and is an export", hint=NOT_MODIFIED, path=self.path)
        if first != HEAD:
            raise NotARecordingError("file exists with different columns", hint=NOT_MODIFIED, path=self.path)


class CsvStyle(Struct, frozen=True):
    """How an export is written for the spreadsheets of a country; only the usual style can be read back."""

    separator: str = ","
    decimal: str = "."


USUAL = CsvStyle()


class CsvWriter(RecordWriter):
    """Exports to CSV; the first line has the names of the columns."""

    def __init__(self, file: BinaryIO, columns: Columns, *, marked: bool = False, style: CsvStyle = USUAL) -> None:
        self._file = file
        self._style = style
        names = [[column.name for column in columns]]
        quoting: Literal[0, 1] = csv.QUOTE_ALL if marked else csv.QUOTE_MINIMAL
        file.write(_lines(names, quoting) if style == USUAL else _styled_lines(names, style, quoting))

    def write(self, records: Records) -> None:
        self._file.write(_lines(records) if self._style == USUAL else _styled_lines(records, self._style))


def read_csv(path: Path, damage: Damage) -> Iterator[Row]:
    """Return the rows of a file written by CsvSink or exported to CSV."""
    lines = complete_lines(path, damage)
    next(lines, None)
    return CsvSink.decode(lines, damage)


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


def is_export(path: Path) -> bool:
    """Return True if CsvWriter wrote and marked the file."""
    return first_line(path).startswith((b'"run",', b'"run";', b'"run"\t'))


def _lines(records: Iterable[Sequence[object]], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    records = list(records)
    lines = _Lines()
    writer = csv.writer(lines, quoting=quoting)  # with "\n" as its line end it would not quote a field with "\r"
    writer.writerows(records)
    for number, line in enumerate(lines):
        if not line.isascii() or any(mark in line for mark in MAY_BE_FORMULA):
            writer.writerow([_guarded(cell) if type(cell) is str else cell for cell in records[number]])
            lines[number] = lines.pop()
    return "".join([line.removesuffix("\r\n") + "\n" for line in lines]).encode()


def _styled_lines(
    records: Iterable[Sequence[object]], style: CsvStyle, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
) -> bytes:
    """Return what ``_lines`` returns, in another style. A number is never quoted: its comma is no separator."""
    lines = _Lines()
    csv.writer(lines, quoting=quoting, delimiter=style.separator).writerows(
        [_styled(cell, style) for cell in record] for record in records
    )
    return "".join([line.removesuffix("\r\n") + "\n" for line in lines]).encode()


def _styled(cell: object, style: CsvStyle) -> object:
    if type(cell) is float:
        return repr(cell).replace(".", style.decimal)
    return _guarded(cell) if type(cell) is str else cell


def _plain_lines(records: Sequence[Sequence[object]]) -> bytes | None:
    """Return what ``_lines`` returns, in a third of its time; None if a text needs quotes, or could be a formula.

    A JSON array of numbers and plain texts is a line of CSV once its brackets and quotation marks are gone.
    """
    try:
        lines = _ARRAYS.encode_lines(records)
    except (TypeError, ValueError, OverflowError):
        return None
    commas = len(records) * (len(COLUMNS) - 1)
    if lines.count(b",") != commas or not lines.isascii() or any(mark in lines for mark in NOT_PLAIN):
        return None
    return lines.replace(b",null", b",").replace(b'"', b"").replace(b"]\n[", b"\n")[1:-2] + b"\n"


def _guarded(text: str) -> str:
    """Return a text as no spreadsheet takes it for a formula: with ``'`` in front if it begins like one."""
    return f"'{text}" if text[:1] in FORMULA and text else text


def _unguarded(field: str) -> str:
    return field[1:] if field[:1] == "'" else field


def _text(field: str) -> str | None:
    return _unguarded(field) or None


def _number(parse: Callable[[str], int | float]) -> Callable[[str], int | float | None]:
    return lambda field: parse(field) if field else None


def _parser(column: Column) -> Callable[[str], Any]:
    if column.name == "address":
        return lambda field: parse_address(_text(field))
    if column.name in EMPTY_STRING_COLUMNS:
        return _unguarded
    return {Kind.INTEGER: _number(int), Kind.REAL: _number(float)}.get(column.kind, _text)


_PARSERS = [_parser(column) for column in ROW]
CSV = SinkType(
    "csv",
    "comma-separated text",
    RotatingConfig,
    lambda config: CsvSink(config.path, overwrite=config.overwrite, durability=config.durability),
)
CSV_FORMAT = Format("csv", lambda first: first in (HEAD, EXPORT_HEAD), read_csv, CsvWriter, is_export, HEAD.startswith)

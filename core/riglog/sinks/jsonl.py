"""JSON Lines: one object per row, with the column names as keys, null for None."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from riglog.errors import NotARecordingError
from riglog.sinks.base import Damage, Format, Records, RecordWriter, RotatingConfig, SinkType
from riglog.sinks.files import NOT_MODIFIED, first_line
from riglog.sinks.rows import COLUMNS, Columns, Row
from riglog.sinks.text_files import TextFileSink, complete_lines, decoded

MARK = b'{ "run"'
"""How the first line of an export begins; that of a recording has no blank there. Readers of JSON ignore it."""
_ENCODER = msgspec.json.Encoder()


def is_torn(line: bytes) -> bool:
    """Return True if a line is the begin of a row: its end is missing."""
    return line.startswith(b'{"run":"') and b'","tick":' in line and b',"device":"' in line


class JsonlSink(TextFileSink):
    """UTF-8, keys in the order of the columns."""

    name = "jsonl"

    def _encode(self, found: list[Row]) -> bytes:
        return _ENCODER.encode_lines(found)

    @staticmethod
    def decode(lines: Iterable[bytes], damage: Damage) -> Iterator[Row]:
        return decoded(lines, msgspec.json.Decoder(Row).decode, damage)

    _is_torn = staticmethod(is_torn)

    def _check_first_line(self, first: bytes) -> None:
        if first.startswith(MARK):
            raise NotARecordingError("file exists and is an export", hint=NOT_MODIFIED, path=self.path)
        if not is_row(first):
            raise NotARecordingError("file exists and does not contain riglog rows", hint=NOT_MODIFIED, path=self.path)


class JsonlWriter(RecordWriter):
    """Exports to JSON Lines."""

    def __init__(self, file: BinaryIO, columns: Columns, *, marked: bool = False) -> None:
        self._file = file
        self._mark = marked
        self._names = [column.name for column in columns]

    def write(self, records: Records) -> None:
        lines = _ENCODER.encode_lines([dict(zip(self._names, record, strict=True)) for record in records])
        if self._mark and lines:
            lines, self._mark = lines.replace(b"{", b"{ ", 1), False
        self._file.write(lines)


def is_export(path: Path) -> bool:
    """Return True if JsonlWriter wrote and marked the file. One without rows has no mark, and nothing to lose."""
    return path.stat().st_size == 0 or first_line(path).startswith(MARK)


def is_row(line: bytes) -> bool:
    """Return True if a line is an object with exactly the columns of a row."""
    try:
        return tuple(msgspec.json.decode(line, type=dict[str, object])) == COLUMNS
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def read_jsonl(path: Path, damage: Damage) -> Iterator[Row]:
    """Return the rows of a file written by JsonlSink or exported to JSON Lines."""
    return JsonlSink.decode(complete_lines(path, damage), damage)


JSONL = SinkType(
    "jsonl",
    "JSON Lines: one object per row",
    RotatingConfig,
    lambda config: JsonlSink(config.path, overwrite=config.overwrite, durability=config.durability),
)
JSONL_FORMAT = Format("jsonl", is_row, read_jsonl, JsonlWriter, is_export, is_torn)

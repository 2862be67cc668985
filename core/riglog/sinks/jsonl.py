"""JSON lines: one object a row, with the column names as keys, null where there is nothing."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from riglog.errors import NotARecordingError
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.rows import COLUMNS, Row
from riglog.sinks.text_files import OTHER, TextFileSink

_ENCODER = msgspec.json.Encoder()


class JsonlSink(TextFileSink):
    """UTF-8, keys in the order of the columns."""

    name = "jsonl"

    def _encode(self, found: list[Row]) -> bytes:
        return _ENCODER.encode_lines(found)

    def _refuse_other(self, first: bytes) -> None:
        if not is_row(first):
            raise NotARecordingError("the file exists and does not hold our rows", hint=OTHER, path=self.path)


def is_row(line: bytes) -> bool:
    """Whether a line is an object with exactly the columns of schema 1."""
    try:
        return tuple(msgspec.json.decode(line, type=dict[str, object])) == COLUMNS
    except msgspec.DecodeError:
        return False


def json_lines(names: Sequence[str], records: Iterable[Sequence[object]]) -> bytes:
    """Records as lines of JSON."""
    return _ENCODER.encode_lines([dict(zip(names, record, strict=True)) for record in records])


def read_jsonl(path: Path) -> Iterator[Row]:
    """The rows of a file written by JsonlSink. A last line without its end is no row."""
    decode = msgspec.json.Decoder(Row).decode
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decode(line)


JSONL = SinkType(
    "jsonl", "one JSON object a line", FileConfig, lambda config: JsonlSink(config.path, overwrite=config.overwrite)
)

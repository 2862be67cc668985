"""Records into CSV, JSON lines or one Parquet file, page by page."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from riglog.errors import ConfigError
from riglog.sinks.arrow import arrow_schema, pyarrow, record_batch
from riglog.sinks.columns import Columns
from riglog.sinks.csv import csv_lines
from riglog.sinks.jsonl import json_lines
from riglog.sinks.optional_dependencies import library

Records = Sequence[Sequence[Any]]


class Output(ABC):
    """A file being written. ``records`` have the columns it was opened with."""

    @abstractmethod
    def write(self, records: Records) -> None:
        """Append records."""

    def close(self) -> None:
        """Finish the format; the file itself stays open."""
        return None


class CsvOutput(Output):
    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        file.write(csv_lines([[column.name for column in columns]]))

    def write(self, records: Records) -> None:
        self._file.write(csv_lines(records))


class JsonlOutput(Output):
    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        self._names = [column.name for column in columns]

    def write(self, records: Records) -> None:
        self._file.write(json_lines(self._names, records))


class ParquetOutput(Output):
    """Record batches are gathered into row groups of GROUP_ROWS."""

    GROUP_ROWS = 50_000

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._columns = columns
        self._waiting: list[Any] = []
        pq = library("pyarrow.parquet", "parquet")
        self._writer = pq.ParquetWriter(file, arrow_schema(columns), compression="zstd")

    def write(self, records: Records) -> None:
        self._waiting.append(record_batch(records, self._columns))
        if sum(batch.num_rows for batch in self._waiting) >= self.GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pyarrow().Table.from_batches(self._waiting))
            self._waiting = []


FORMATS: dict[str, Callable[[BinaryIO, Columns], Output]] = {
    "csv": CsvOutput,
    "jsonl": JsonlOutput,
    "parquet": ParquetOutput,
}


def output(format: str) -> Callable[[BinaryIO, Columns], Output]:
    """How to write a format.

    Raises:
        ConfigError: there is no such format, or it needs a library that is not installed.
    """
    if format not in FORMATS:
        raise ConfigError(f"no format called {format!r}", hint=f"known: {', '.join(FORMATS)}")
    if format == "parquet":
        pyarrow()
    return FORMATS[format]

"""Sinks, and the formats in which recordings are read back. A sample becomes columns only in ``rows``."""

from riglog.sinks.base import FileConfig, Format, RecordWriter, SinkConfig, SinkType
from riglog.sinks.csv import CsvSink
from riglog.sinks.jsonl import JsonlSink
from riglog.sinks.memory import MemorySink
from riglog.sinks.parquet import ParquetSink
from riglog.sinks.postgres import PostgresSink
from riglog.sinks.rows import COLUMNS, EventRow, Row, row, rows
from riglog.sinks.sqlite import SqliteSink

__all__ = [
    "COLUMNS",
    "CsvSink",
    "EventRow",
    "FileConfig",
    "Format",
    "JsonlSink",
    "MemorySink",
    "ParquetSink",
    "PostgresSink",
    "RecordWriter",
    "Row",
    "SinkConfig",
    "SinkType",
    "SqliteSink",
    "row",
    "rows",
]

"""Stores for rows. ``rows`` is the only place where a sample becomes columns."""

from riglog.sinks.base import FileConfig, SinkConfig, SinkType
from riglog.sinks.csv import CsvSink
from riglog.sinks.jsonl import JsonlSink
from riglog.sinks.memory import MemorySink
from riglog.sinks.parquet import ParquetSink
from riglog.sinks.postgres import PostgresSink
from riglog.sinks.rows import COLUMNS, Row, row, rows
from riglog.sinks.sqlite import SqliteSink

__all__ = [
    "COLUMNS",
    "CsvSink",
    "FileConfig",
    "JsonlSink",
    "MemorySink",
    "ParquetSink",
    "PostgresSink",
    "Row",
    "SinkConfig",
    "SinkType",
    "SqliteSink",
    "row",
    "rows",
]

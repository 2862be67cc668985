"""The public names of ``riglog.sinks``, each with its home. See ``riglog._lazy``."""

from riglog.sinks.base import FileConfig as FileConfig
from riglog.sinks.base import Format as Format
from riglog.sinks.base import RecordWriter as RecordWriter
from riglog.sinks.base import SinkConfig as SinkConfig
from riglog.sinks.base import SinkType as SinkType
from riglog.sinks.csv import CsvSink as CsvSink
from riglog.sinks.jsonl import JsonlSink as JsonlSink
from riglog.sinks.memory import MemorySink as MemorySink
from riglog.sinks.parquet import ParquetSink as ParquetSink
from riglog.sinks.postgres import PostgresSink as PostgresSink
from riglog.sinks.rows import COLUMNS as COLUMNS
from riglog.sinks.rows import EventRow as EventRow
from riglog.sinks.rows import Row as Row
from riglog.sinks.rows import row as row
from riglog.sinks.rows import rows as rows
from riglog.sinks.sqlite import SqliteSink as SqliteSink

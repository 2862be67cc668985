"""Stores for rows. ``rows`` is the only place where a sample becomes columns."""

from riglog.sinks.base import SinkConfig, SinkType
from riglog.sinks.memory import MemorySink
from riglog.sinks.rows import COLUMNS, Row, row, rows
from riglog.sinks.sqlite import SqliteSink

__all__ = ["COLUMNS", "MemorySink", "Row", "SinkConfig", "SinkType", "SqliteSink", "row", "rows"]

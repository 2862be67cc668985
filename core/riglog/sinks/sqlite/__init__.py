"""SQLite recordings: schema, sink, reader, and finding the run to resume."""

from riglog.sinks.sqlite.sink import SQLITE, SqliteSink

__all__ = ["SQLITE", "SqliteSink"]

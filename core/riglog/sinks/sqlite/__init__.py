"""SQLite recordings: the schema, the sink, and everything that reads them back."""

from riglog.sinks.sqlite.identities import stored_identities
from riglog.sinks.sqlite.reader import open_recording, read_events, read_pages
from riglog.sinks.sqlite.resume import StoredRun, stored_run
from riglog.sinks.sqlite.sink import SQLITE, SqliteSink

__all__ = [
    "SQLITE",
    "SqliteSink",
    "StoredRun",
    "open_recording",
    "read_events",
    "read_pages",
    "stored_identities",
    "stored_run",
]

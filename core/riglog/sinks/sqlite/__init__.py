"""SQLite recordings: the schema, the sink, and everything that reads them back."""

from riglog.sinks.sqlite.identities import stored_identities
from riglog.sinks.sqlite.reader import open_recording, read_events
from riglog.sinks.sqlite.recorded import Recorded, recorded
from riglog.sinks.sqlite.resume import StoredRun, stored_run
from riglog.sinks.sqlite.sink import SQLITE, SqliteSink

__all__ = [
    "SQLITE",
    "Recorded",
    "SqliteSink",
    "StoredRun",
    "open_recording",
    "read_events",
    "recorded",
    "stored_identities",
    "stored_run",
]

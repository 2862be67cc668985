"""SQLite recordings: the schema, the sink, and everything that reads them back."""

from riglog.sinks.sqlite.identities import stored_identities
from riglog.sinks.sqlite.reader import last_run, open_recording, read_events, read_pages
from riglog.sinks.sqlite.sink import SQLITE, SqliteSink

__all__ = ["SQLITE", "SqliteSink", "last_run", "open_recording", "read_events", "read_pages", "stored_identities"]

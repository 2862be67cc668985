"""The SQLite files of a rig: the recording that is continued, and those before it."""

from collections.abc import Sequence
from pathlib import Path

from riglog.model import Sink
from riglog.sinks import SqliteSink
from riglog.sinks.rotation import RotatingSink


def sqlite_files(sinks: Sequence[Sink]) -> list[Path]:
    """Return the files of the first SQLite sink, newest first; empty if there is no such sink."""
    for sink in sinks:
        if isinstance(sink, SqliteSink):
            return [sink.path]
        if isinstance(sink, RotatingSink) and sink.name == SqliteSink.name:
            return sink.files
    return []

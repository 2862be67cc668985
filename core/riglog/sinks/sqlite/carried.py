"""The events that a further file of a run needs: when its slot 0 was due, and its instruments. Reads only."""

from contextlib import closing
from pathlib import Path

from riglog.model import Event, EventKind
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.schema import is_unused, sqlite_errors

CARRIED = """
SELECT at_ns, kind, message, device, port FROM event
WHERE kind IN ('run_started', 'identity_expected') AND run_id = (SELECT id FROM run WHERE run = :run)
ORDER BY id"""


def carried_events(path: Path, run: str) -> list[Event]:
    """Return the newest event of each kind and device; empty if the file does not have the run.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: the file exists and cannot be read.
    """
    if is_unused(path):
        return []
    with closing(open_recording(path)) as database, sqlite_errors(path):
        found = {}
        for at_ns, kind, message, device, port in database.execute(CARRIED, {"run": run}):
            found[kind, device] = Event(at_ns, EventKind(kind), message, device, port)
        return list(found.values())

"""The events that a further file of a run needs: when its slot 0 was due, and its instruments. Reads only."""

from pathlib import Path

from riglog.model import Actor, Event, EventKind
from riglog.sinks.sqlite.reader import opened_recording
from riglog.sinks.sqlite.schema import is_unused

CARRIED = """
SELECT at_ns, kind, message, device, port, actor.user, actor.program, actor.host, reason
FROM event LEFT JOIN actor ON actor.id = event.actor_id
WHERE kind IN ('run_started', 'identity_expected') AND run_id = (SELECT id FROM run WHERE run = :run)
ORDER BY event.id"""


def carried_events(path: Path, run: str) -> list[Event]:
    """Return the newest event of each kind and device; empty if the file does not have the run.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: the file exists and cannot be read.
    """
    if is_unused(path):
        return []
    with opened_recording(path) as database:
        found = {}
        for at_ns, kind, message, device, port, user, program, host, reason in database.execute(CARRIED, {"run": run}):
            actor = None if user is None else Actor(user, program, host)
            found[kind, device] = Event(at_ns, EventKind(kind), message, device, port, actor=actor, reason=reason)
        return list(found.values())

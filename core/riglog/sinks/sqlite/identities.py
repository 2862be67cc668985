"""The identities that are stored with a run: which instruments its rows are from."""

from pathlib import Path

from riglog.model import IDENTITY, EventKind
from riglog.sinks.sqlite.reader import opened_recording
from riglog.sinks.sqlite.schema import is_unused

IDENTIFIED = """
SELECT device, message FROM event
WHERE kind = :kind AND device IS NOT NULL AND run_id = (
    SELECT id FROM run WHERE name = :name AND (:run IS NULL OR run = :run) ORDER BY started_ns DESC LIMIT 1
)
ORDER BY id"""


def stored_identities(path: Path, name: str, *, run: str | None = None) -> dict[str, str]:
    """Return the last identity of each device in the latest run of this name; empty if there is none. Reads only.

    Args:
        run: the id of a run, instead of the latest one.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: the file exists and cannot be read.
    """
    if is_unused(path):
        return {}
    with opened_recording(path) as database:
        values = {"kind": EventKind.IDENTITY_EXPECTED.value, "name": name, "run": run}
        return {device: message.removeprefix(IDENTITY) for device, message in database.execute(IDENTIFIED, values)}

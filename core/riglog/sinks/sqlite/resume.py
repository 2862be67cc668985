"""Finding the run that a resumed recording goes on with."""

import sqlite3
from pathlib import Path

import msgspec

from riglog.errors import StorageError
from riglog.model import Run
from riglog.sinks.sqlite.schema import check_recording, storage_error


def last_run(path: str | Path, name: str) -> Run:
    """The newest run of that name in a recording. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: there is no file, or no such run in it.
    """
    path = Path(path)
    if not path.exists():
        raise StorageError("there is no recording to resume", hint="leave --resume away to begin one", path=path)
    check_recording(path)
    try:
        database = sqlite3.connect(path)
        try:
            found = database.execute(
                "SELECT run, name, started_ns, anchor_ns, rate_hz, host, versions, rig FROM run"
                " WHERE name = ? ORDER BY started_ns DESC LIMIT 1",
                (name,),
            ).fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    if found is None:
        raise StorageError(f"there is no run called {name!r} to resume", hint="leave --resume away", path=path)
    run_id, run_name, started_ns, anchor_ns, rate_hz, host, versions, rig = found
    known = msgspec.json.decode(versions, type=dict[str, str])
    return Run(run_id, run_name, started_ns, anchor_ns, rate_hz, host, known, rig)

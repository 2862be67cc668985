"""Alarms of a recording: read, and acknowledged from another program."""

from pathlib import Path

from riglog.errors import ConfigError
from riglog.model import SYSTEM_CLOCK, Acknowledgement, checked_reason, this_actor
from riglog.model.note import new_identity
from riglog.recordings.alarm_states import StoredAlarm, stored_alarms
from riglog.recordings.messages import WAIT_SECONDS, Delivery, check_target, send
from riglog.sinks.part_names import newest_part
from riglog.sinks.sqlite.reader import RUNS, opened_recording, refuse_unknown

LATEST_RUN = "SELECT id FROM run WHERE :run IS NULL OR :run IN (run, name) ORDER BY id DESC LIMIT 1"


def read_alarms(path: str | Path, *, run: str | None = None) -> list[StoredAlarm]:
    """Return the alarms of the latest run of an SQLite recording, each on each channel, with its present state.

    Args:
        path: the recording; the first file of a rotation stands for all of them.
        run: those of the run with this id, or of the latest run with this name.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
        ConfigError: there is no such run in it.
    """
    path = Path(path) if run else newest_part(Path(path))
    with opened_recording(path) as database:
        refuse_unknown(database, "run", run, RUNS)
        found = database.execute(LATEST_RUN, {"run": run}).fetchone()
        return [] if found is None else stored_alarms(database, found[0])


def acknowledge_alarm(
    path: str | Path,
    name: str,
    *,
    program: str | None = None,
    author: str | None = None,
    reason: str | None = None,
    timeout: float = WAIT_SECONDS,
) -> Delivery:
    """Acknowledge an alarm of the latest run on all of its channels, also while another program records. Blocking.

    Raises:
        ConfigError: no alarm has this name, there is nothing to acknowledge, or ``reason`` is empty or too long.
        NotARecordingError, NewerSchemaError, StorageError: it cannot be written; nothing was left behind.
    """
    path = newest_part(Path(path))
    check_target(path)
    alarms = read_alarms(path)
    names = list(dict.fromkeys(alarm.name for alarm in alarms))
    if name not in names:
        hint = f"It has: {', '.join(names) or 'none'}"
        raise ConfigError(f"no alarm {name!r} in the latest run of the recording", hint=hint, path=path)
    if all(alarm.acknowledged for alarm in alarms if alarm.name == name):
        raise ConfigError(
            f"alarm {name!r} is acknowledged already, or was not raised",
            hint=f"See riglog alarms list {path}",
            path=path,
        )
    message = Acknowledgement(
        message_id=new_identity(),
        written_ns=SYSTEM_CLOCK.utc_ns(),
        alarm=name,
        author=this_actor(program, author),
        reason=checked_reason(reason),
    )
    return send(path, message, timeout=timeout)

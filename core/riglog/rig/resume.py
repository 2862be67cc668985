"""Whether a run can be resumed: slots keep their numbers and times, and none is recorded twice."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from riglog.config import RigConfig
from riglog.errors import ConfigError, StorageError
from riglog.model import NS, SYSTEM_CLOCK, Clock
from riglog.rig.files import sqlite_files
from riglog.sinks.sqlite import StoredRun, stored_run
from riglog.sinks.sqlite.equipment import without_content


class ResumePlan(Struct, frozen=True):
    """What ``resume`` does now.

    Attributes:
        stored: the run that is continued; None: a new run starts.
        follows: why a new run starts although there is an earlier one, and which run it follows.
    """

    stored: StoredRun | None = None
    follows: str | None = None

    def remaining(self, duration: float | None, clock: Clock = SYSTEM_CLOCK) -> float | None:
        """Return how many seconds are left of the duration in the rig file, which is that of the whole run.

        Raises:
            ConfigError: nothing is left.
        """
        if duration is None or self.stored is None:
            return duration
        remaining = duration - (clock.utc_ns() - self.stored.slot_zero_ns) / NS
        if remaining <= 0:
            raise ConfigError(
                f"run {self.stored.run.id} is complete: its duration of {duration:g} s has elapsed",
                hint="Give the duration from now (--duration), or record without --resume",
            )
        return remaining


def plan_resume(rig: RigConfig, *, run_id: str | None = None, clock: Clock = SYSTEM_CLOCK) -> ResumePlan:
    """Return what ``resume`` does with the latest run of a rig in its SQLite sink, or with the one given. Only reads.

    Raises:
        ConfigError: the rig has no SQLite sink.
        StorageError: the file is not a recording, it lacks the given run, or another program records the run.
    """
    files = sqlite_files(rig.sinks)
    if not files:
        raise ConfigError("cannot resume: the rig has no SQLite sink", hint='Add a [[sink]] with type = "sqlite"')
    stored = _stored(files, rig.name, run_id)
    if stored is None and run_id is not None:
        raise StorageError(
            f"no run {run_id} to resume", hint="Resume the latest run, or start a new one", path=files[0]
        )
    if stored is None:
        return ResumePlan()
    obstacle = _obstacle(stored, rig, clock.utc_ns())
    if obstacle is not None:
        return ResumePlan(follows=f"it follows run {stored.run.id}, which cannot be resumed: {obstacle}")
    return ResumePlan(stored)


def _stored(files: Sequence[Path], name: str, run_id: str | None) -> StoredRun | None:
    """Return the run with its newest rows: after a rotation they can be in the file before the newest one."""
    newest: StoredRun | None = None
    for path in files:
        found = stored_run(path, name, run_id=run_id)
        if found is not None and (newest is None or found.last_row_ns is not None):
            newest, run_id = found, found.run.id
        if newest is not None and newest.last_row_ns is not None:
            break
    return newest


def _obstacle(stored: StoredRun, rig: RigConfig, now_ns: int) -> str | None:
    """Return why a run cannot be continued: it would have two rows for one slot, or wait for its time."""
    last_ns = stored.slot_zero_ns if stored.last_row_ns is None else stored.last_row_ns
    if now_ns <= last_ns:
        return f"the system clock (UTC) is {(last_ns - now_ns) / NS:.3f} s behind its last row"
    if without_content(stored.run.equipment) != without_content(rig.equipment):
        return "the equipment, a certificate or a calibration in the rig file was changed"
    for spec in rig.specs:
        if stored.slot_is_stored(spec.name, spec.config.rate_hz or rig.rate_hz, now_ns):
            return f"it has rows of {spec.name} for the next slots: the rate or the system clock (UTC) was changed"
    return None

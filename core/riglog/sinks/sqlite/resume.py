"""What is stored of a run that is to be resumed. Reads only."""

import sqlite3
from pathlib import Path

import msgspec
from msgspec import Struct

from riglog.model import NS, Run
from riglog.sinks.sqlite.equipment import stored_equipment
from riglog.sinks.sqlite.reader import opened_recording
from riglog.sinks.sqlite.schema import check_path, is_unused
from riglog.sinks.sqlite.views import newest
from riglog.sinks.sqlite.writer_lock import check_unlocked

TICK, RECEIVED = (newest(f"newest.{column}", "channel") for column in ("tick", "received_ns"))


class StoredRun(Struct, frozen=True):
    """A run in a recording.

    Attributes:
        slot_zero_ns: when its slot 0 was due (UTC).
        last_row_ns: when its newest rows were received (UTC); None: it has no rows.
        last_ticks: the highest slot number of each device.
    """

    run: Run
    slot_zero_ns: int
    last_row_ns: int | None
    last_ticks: dict[str, int]

    def slot_is_stored(self, device: str, rate_hz: float, now_ns: int) -> bool:
        """Return True if the next slot of a device has a row already."""
        last = self.last_ticks.get(device)
        return last is not None and self.slot_zero_ns + round(last * NS / rate_hz) >= now_ns


def stored_run(path: Path, name: str, *, run_id: str | None = None) -> StoredRun | None:
    """Return the run of this name that was begun last, or the one with this id; None if there is none.

    Raises:
        NotARecordingError, NewerSchemaError: the file is not a recording that this version can continue.
        StorageError: it cannot be read, has schema 1, or another program writes it.
    """
    if is_unused(path):
        return None
    check_unlocked(path)
    check_path(path)
    with opened_recording(path) as database:
        found = database.execute(
            "SELECT id, run, name, started_ns, anchor_ns, rate_hz, host, versions, rig FROM run"
            " WHERE name = :name AND (:run IS NULL OR run = :run) ORDER BY id DESC LIMIT 1",
            {"name": name, "run": run_id},
        ).fetchone()
        if found is None:
            return None
        number, stored_id, stored_name, started_ns, anchor_ns, rate_hz, host, versions, rig = found
        installed = msgspec.json.decode(versions, type=dict[str, str])
        equipment = stored_equipment(database, number)
        run = Run(stored_id, stored_name, started_ns, anchor_ns, rate_hz, host, installed, rig, equipment)
        last_row_ns, last_ticks = _newest(database, number)
        return StoredRun(
            run,
            _slot_zero_ns(database, number, started_ns),
            last_row_ns,
            last_ticks,
        )


def _slot_zero_ns(database: sqlite3.Connection, run: int, started_ns: int) -> int:
    """Return when slot 0 was due: the run was made known to its sinks before its clock was started."""
    found = database.execute(
        "SELECT at_ns FROM event WHERE run_id = ? AND kind = 'run_started' ORDER BY id LIMIT 1", (run,)
    ).fetchone()
    return started_ns if found is None else int(found[0])


def _newest(database: sqlite3.Connection, run: int) -> tuple[int | None, dict[str, int]]:
    """Return when the newest row was received, and the highest slot number of each device."""
    found = database.execute(
        "SELECT device, max(tick), max(received_ns) FROM (SELECT series.device,"  # noqa: S608 - constants
        f" ({TICK}) AS tick, ({RECEIVED}) AS received_ns"
        " FROM channel JOIN series ON series.id = channel.series_id WHERE channel.run_id = ?) GROUP BY device",
        (run,),
    ).fetchall()
    last_ticks = {device: tick for device, tick, _ in found if tick is not None}
    return max((received for *_, received in found if received is not None), default=None), last_ticks

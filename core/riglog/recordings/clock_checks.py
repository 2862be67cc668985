"""How good the clock was: read back from a recording, and used to give the time of a value as an interval."""

import bisect
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from riglog.model import EventKind, iso
from riglog.sinks.base import Records
from riglog.sinks.rows import ROW, Column, Columns, Kind, Time
from riglog.sinks.sqlite.reader import opened_recording
from riglog.sinks.sqlite.recorded import EPOCH, nanoseconds
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.tables import SCHEMA_VERSION

CHECKS = """
SELECT run.run, at_ns, synchronized, offset_ns, error_ns, method, details
FROM clock_check JOIN run ON run.id = run_id ORDER BY at_ns, clock_check.id"""
STEPS = "SELECT run.run, at_ns FROM event JOIN run ON run.id = run_id WHERE kind = ? ORDER BY at_ns"
INTERVAL = (Column("earliest_at", Kind.TIME), Column("latest_at", Kind.TIME))
"""The columns that a time interval adds to a row."""
RUN, VALUE, TEXT, REQUESTED, RECEIVED = (
    [column.name for column in ROW].index(name) for name in ("run", "value", "text", "requested_at", "received_at")
)
MICROSECOND = timedelta(microseconds=1)
Pages = Iterator[tuple[float, Records]]


class ClockCheckRow(Struct, frozen=True):
    """The state of the clock at one moment of a run. ``synchronized`` is None if nothing is known."""

    run: str
    at: Time
    synchronized: bool | None
    offset_ns: int | None
    error_ns: int | None
    method: str
    details: str | None


def read_clock_checks(path: str | Path) -> Iterator[ClockCheckRow]:
    """Return how good the clock was in the runs of an SQLite recording, oldest first; none of schema 1.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    with opened_recording(path) as database:
        if schema_of(database) != SCHEMA_VERSION:
            return
        for run, at, synchronized, *rest in database.execute(CHECKS):
            yield ClockCheckRow(run, iso(at), None if synchronized is None else bool(synchronized), *rest)


class ClockErrors:
    """By how much the clock of a run can have been wrong at a time.

    That is the larger error of the last check before and the first check after it. It is not known if one of them is
    absent, or states no error, or if the clock was set between the two.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._checks: dict[str, list[tuple[int, int | None]]] = {}
        self._steps: dict[str, list[int]] = {}
        for path in paths:
            for check in read_clock_checks(path):
                error = check.error_ns if check.synchronized else None
                self._checks.setdefault(check.run, []).append((nanoseconds(check.at), error))
            with opened_recording(path) as database:
                for run, at in database.execute(STEPS, (EventKind.CLOCK_STEP.value,)):
                    self._steps.setdefault(run, []).append(at)
        for checks in self._checks.values():
            checks.sort(key=lambda check: check[0])
        for steps in self._steps.values():
            steps.sort()

    def at(self, run: str | None, time_ns: int) -> int | None:
        """Return it in nanoseconds; None: it is not known."""
        checks = self._checks.get(run or "", [])
        place = bisect.bisect_right(checks, time_ns, key=lambda check: check[0])
        if not 0 < place < len(checks):
            return None
        (before, error_before), (after, error_after) = checks[place - 1 : place + 1]
        steps = self._steps.get(run or "", [])
        if error_before is None or error_after is None:
            return None
        if bisect.bisect_left(steps, before) != bisect.bisect_right(steps, after):
            return None
        return max(error_before, error_after)


def with_intervals(columns: Columns, pages: Pages, errors: ClockErrors) -> tuple[Columns, Pages]:
    """Return columns and pages with the interval in which each value was measured."""
    return [*columns, *INTERVAL], _pages(pages, errors)


def _pages(pages: Pages, errors: ClockErrors) -> Pages:
    for share, records in pages:
        yield share, [[*record, *_interval(record, errors)] for record in records]


def _interval(record: Sequence[Any], errors: ClockErrors) -> tuple[str | None, str | None]:
    """Return the earliest and the latest time: from the request to the reply, wider by the error of the clock."""
    if record[VALUE] is None and record[TEXT] is None:
        return None, None
    error = errors.at(record[RUN], nanoseconds(record[RECEIVED]))
    if error is None:
        return None, None
    wider = timedelta(microseconds=-(-error // 1000))
    requested = None if record[REQUESTED] is None else _iso(_moment(record[REQUESTED]) - wider)
    return requested, _iso(_moment(record[RECEIVED]) + MICROSECOND + wider)  # stored times are truncated


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time)


def _iso(moment: datetime) -> str:
    return iso((moment.astimezone(UTC) - EPOCH) // MICROSECOND * 1000)

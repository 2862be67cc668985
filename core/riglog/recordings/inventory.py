"""What a recording contains, at a glance: its runs, and the newest row of every series. Cheap also in a large file."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from riglog.model import NS, iso
from riglog.recordings.clock_checks import ClockCheckRow, read_clock_checks
from riglog.recordings.notes import NoteRow, read_notes
from riglog.sinks.base import Damage
from riglog.sinks.disk import beside
from riglog.sinks.formats import format_of
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import SQLITE_FORMAT, opened_recording
from riglog.sinks.sqlite.recorded import SLOT_ZERO_NS, Recorded, Recorded2, Selection, nanoseconds, recorded
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.seals import head_of

FIRST_SPAN_NS = 10 * NS
EQUIPMENT = """
SELECT run.run, device, manufacturer, model, serial_number, number, issued_on, valid_until
FROM equipment JOIN run ON run.id = run_id LEFT JOIN certificate ON equipment_id = equipment.id
ORDER BY run.id, equipment.id, certificate.id"""


class RunContents(Struct, frozen=True, kw_only=True):
    """One run. Times are ISO 8601 UTC; ``finished_at`` is None while it is recorded, or if it broke off.

    ``user``, ``program`` and ``reason``: who has started it, and why; None if that is not known.

    ``source``: of a corrected recording, the file and the run that it was made of.
    """

    run: str
    name: str
    started_at: str
    finished_at: str | None
    last_row_at: str | None
    rate_hz: float | None
    host: str | None
    rows: int
    channels: int
    user: str | None = None
    program: str | None = None
    reason: str | None = None
    source: str | None = None


class EquipmentRow(Struct, frozen=True):
    """An instrument as the rig file stated it, with one of its certificates. None: not stated.

    Attributes:
        run: the newest run that states it.
        valid_until: the last day, ISO 8601, UTC.
        overdue: its end had passed when the newest row of this run was received; None: no end is stated.
    """

    run: str
    device: str
    manufacturer: str | None
    model: str | None
    serial_number: str | None
    certificate: str | None
    issued_on: str | None
    valid_until: str | None
    overdue: bool | None


class Contents(Struct, frozen=True, kw_only=True):
    """``latest`` is the newest row of every series. ``schema`` is that of an SQLite recording, and only that has
    ``notes``, a ``head`` (the newest seal), ``clock`` (the newest check of each run) and ``equipment``.
    ``damaged_lines`` of a text file were skipped."""

    path: str
    format: str
    schema: int | None
    bytes: int
    runs: list[RunContents]
    latest: list[Row]
    damaged_lines: int = 0
    notes: list[NoteRow] = []
    head: str | None = None
    clock: list[ClockCheckRow] = []
    equipment: list[EquipmentRow] = []

    @property
    def rows(self) -> int:
        return sum(run.rows for run in self.runs)


def contents(path: str | Path) -> Contents:
    """Return what a recording contains. It may be growing.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    format = format_of(path)
    if format is not SQLITE_FORMAT:
        damage = Damage()
        runs, latest = _of_rows(format.read(path, damage))
        return _contents(path, format.name, None, runs, latest, damage.lines)
    with _opened(path) as source:
        return _sqlite_contents(path, source)


class GrowingContents:
    """What a recording contains, again and again while it grows: each row is counted once."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._counts: dict[int, int] = {}  # of each run, up to and with the flush
        self._flush: tuple[int, ...] = (0,)

    def read(self) -> Contents:
        """Return it as it is now; see ``contents``."""
        if format_of(self._path) is not SQLITE_FORMAT:
            return contents(self._path)
        with _opened(self._path) as source:
            if not isinstance(source, Recorded2):
                return contents(self._path)
            self._count(source)
            return _sqlite_contents(self._path, source, self._counts)

    def _count(self, source: Recorded2) -> None:
        columns = "SELECT id, run_id, first_ns, last_ns, rows FROM flush"
        number = self._flush[0]
        if source.database.execute(f"{columns} WHERE id = ?", (number,)).fetchone() != self._flush:
            self._counts, number = {}, 0  # at first; or the file was replaced
        newest = source.database.execute(f"{columns} ORDER BY id DESC LIMIT 1").fetchone() or (0,)
        for run_id, rows in source.database.execute(
            "SELECT run_id, sum(rows) FROM flush WHERE id > ? AND id <= ? GROUP BY run_id", (number, newest[0])
        ):
            self._counts[run_id] = self._counts.get(run_id, 0) + rows
        self._flush = newest


def latest_rows(path: str | Path) -> list[Row]:
    """Return the newest row of every series of a recording, in the order in which they first appeared.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    format = format_of(path)
    if format is not SQLITE_FORMAT:
        return _of_rows(format.read(path, Damage()))[1]
    with _opened(path) as source:
        return _latest(source)


def newest_rows(path: str | Path, count: int) -> list[Row]:
    """Return the last ``count`` rows of a recording, oldest first.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    format = format_of(path)
    if format is not SQLITE_FORMAT:
        return list(deque(format.read(path, Damage()), maxlen=count))
    with _opened(path) as source:
        return list(deque(_back_from_the_end(source, count), maxlen=count))


def rows_since(path: str | Path, received_at: str) -> Iterator[Row]:
    """Return the rows of an SQLite recording that were received at this time (ISO 8601) or later.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    with _opened(Path(path)) as source:
        for page in source.pages(Selection(start=received_at)):
            yield from page.rows


@contextmanager
def _opened(path: Path) -> Iterator[Recorded]:
    with opened_recording(path) as database:
        yield recorded(database)


def _sqlite_contents(path: Path, source: Recorded, counts: dict[int, int] | None = None) -> Contents:
    """Return what an SQLite recording contains.

    Args:
        counts: the number of rows of each run, if it is known.
    """
    schema = schema_of(source.database)
    latest = _latest(source)
    found = _contents(path, SQLITE_FORMAT.name, int(schema), _runs(source, latest, counts), latest)
    sealed = head_of(source.database)
    checks = {check.run: check for check in read_clock_checks(path)}
    return structs.replace(
        found,
        notes=list(read_notes(path)),
        head=None if sealed is None else sealed.hash,
        clock=list(checks.values()),
        equipment=_equipment(source, found.runs) if isinstance(source, Recorded2) else [],
    )


def _equipment(source: Recorded, runs: list[RunContents]) -> list[EquipmentRow]:
    """Return each instrument and certificate once, with the newest run that states it."""
    days = {run.run: (run.last_row_at or run.finished_at or run.started_at)[:10] for run in runs}
    found: dict[tuple[str | None, ...], EquipmentRow] = {}
    for run, device, manufacturer, model, serial_number, number, issued_on, until in source.database.execute(EQUIPMENT):
        stated = device, manufacturer, model, serial_number, number, issued_on, until
        found.pop(stated, None)
        found[stated] = EquipmentRow(
            run=run,
            device=device,
            manufacturer=manufacturer,
            model=model,
            serial_number=serial_number,
            certificate=number,
            issued_on=issued_on,
            valid_until=until,
            overdue=None if until is None else days[run] > until,
        )
    return list(found.values())


def _contents(
    path: Path, format: str, schema: int | None, runs: list[RunContents], latest: list[Row], damaged: int = 0
) -> Contents:
    logs = [beside(path, "-wal")] if format == "sqlite" else []
    files = [each for each in ([path, *logs] if path.is_file() else path.rglob("*")) if each.is_file()]
    size = sum(file.stat().st_size for file in files)
    return Contents(
        path=str(path), format=format, schema=schema, bytes=size, runs=runs, latest=latest, damaged_lines=damaged
    )


def _runs(source: Recorded, latest: list[Row], counts: dict[int, int] | None) -> list[RunContents]:
    newest = {row.run: row.received_at for row in sorted(latest, key=lambda row: row.received_at)}
    rows_of_run, channels_of_run = _counted(source)
    columns = (
        f"run.id, run.run, run.name, {SLOT_ZERO_NS}, run.finished_ns, run.rate_hz, run.host,"
        f" {rows_of_run if counts is None else 'NULL'}, {channels_of_run},"
        f" {'run.source' if isinstance(source, Recorded2) else 'NULL'}"
    )
    found = source.database.execute(f"SELECT {columns} FROM run ORDER BY run.id")  # noqa: S608 - constants
    started_by = _started_by(source)
    return [
        RunContents(
            run=run,
            name=name,
            started_at=iso(started),
            finished_at=None if finished is None else iso(finished),
            last_row_at=newest.get(run),
            rate_hz=rate,
            host=host,
            rows=rows if counts is None else counts.get(number, 0),
            channels=channels,
            source=_made_of(made_of),
            **started_by.get(number, {}),
        )
        for number, run, name, started, finished, rate, host, rows, channels, made_of in found
    ]


def _started_by(source: Recorded) -> dict[int, dict[str, str | None]]:
    """Return who has started each run, and why; nothing for a recording of schema 1."""
    if not isinstance(source, Recorded2):
        return {}
    found = source.database.execute(
        "SELECT run_id, actor.user, actor.program, event.reason FROM event"
        " JOIN actor ON actor.id = event.actor_id WHERE kind = 'run_started' ORDER BY event.id DESC"
    )
    return {number: {"user": user, "program": program, "reason": reason} for number, user, program, reason in found}


def _made_of(stated: str | None) -> str | None:
    """Return the file and the run that a corrected one was made of."""
    if stated is None:
        return None
    try:
        source = msgspec.json.decode(stated, type=dict[str, Any])
        return f"{source['file']}: {source['run']}"
    except (msgspec.DecodeError, KeyError):
        return "not readable"


def _counted(source: Recorded) -> tuple[str, str]:
    """Return the SQL of the number of rows and of channels of a run."""
    if isinstance(source, Recorded2):
        return (
            "(SELECT coalesce(sum(rows), 0) FROM flush WHERE run_id = run.id)",
            "(SELECT count(DISTINCT series_id) FROM channel WHERE run_id = run.id)",
        )
    return (
        "(SELECT count(*) FROM reading JOIN channel ON channel.id = channel_id WHERE run_id = run.id)",
        "(SELECT count(*) FROM channel WHERE run_id = run.id)",
    )


def _latest(source: Recorded) -> list[Row]:
    columns = ", ".join(Row.__struct_fields__)
    if isinstance(source, Recorded2):
        found = source.database.execute(f"SELECT {columns} FROM latest ORDER BY series_id")  # noqa: S608 - field names
        return _by_device([Row(*each) for each in found])
    newest = "reading.id IN (SELECT max(id) FROM reading GROUP BY channel_id) ORDER BY reading.id"
    found = source.database.execute(f"SELECT {source.columns} {source.tables} WHERE {newest}")
    return list(_newest_of_each(Row(*each) for each in found).values())


def _by_device(rows: list[Row]) -> list[Row]:
    """Return the rows with those of each device together, in the order in which the devices came."""
    devices = {device: number for number, device in enumerate(dict.fromkeys(row.device for row in rows))}
    return sorted(rows, key=lambda row: devices[row.device])


def _newest_of_each(rows: Iterable[Row]) -> dict[tuple[str, str, int], Row]:
    newest: dict[tuple[str, str, int], Row] = {}
    for row in rows:
        newest[row.device, row.parameter, row.instance] = row
    return newest


def _back_from_the_end(source: Recorded, count: int) -> Iterator[Row]:
    """Return at least the last ``count`` rows: from so long before the newest one that there are enough."""
    received = [row.received_at for row in _latest(source)]
    if not received:
        return
    newest, span = nanoseconds(max(received)), FIRST_SPAN_NS
    total = source.count()
    while True:
        rows = [row for page in source.pages(Selection(start=iso(newest - span))) for row in page.rows]
        if len(rows) >= min(count, total) or newest - span < 0:
            yield from rows
            return
        span *= 8


def _of_rows(rows: Iterable[Row]) -> tuple[list[RunContents], list[Row]]:
    """Return runs and newest rows of a file that has to be read as a whole."""
    first: dict[str | None, Row] = {}
    last: dict[str | None, Row] = {}
    counts: dict[str | None, int] = {}
    series: dict[str | None, set[tuple[str, str, int]]] = {}
    newest: dict[tuple[str, str, int], Row] = {}
    for row in rows:
        key = (row.device, row.parameter, row.instance)
        first.setdefault(row.run, row)
        last[row.run] = newest[key] = row
        counts[row.run] = counts.get(row.run, 0) + 1
        series.setdefault(row.run, set()).add(key)
    runs = [
        RunContents(
            run=run or "-",
            name=(run or "-").partition(".")[0],
            started_at=row.received_at,
            finished_at=None,
            last_row_at=last[run].received_at,
            rate_hz=None,
            host=None,
            rows=counts[run],
            channels=len(series[run]),
        )
        for run, row in first.items()
    ]
    return runs, list(newest.values())

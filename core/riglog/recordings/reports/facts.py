"""What a report states about a recording: from its overviews and indexes; of schema 1, in one pass over its rows."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError, error_context
from riglog.model import IDENTITY, NS, EventKind, current_kind, iso
from riglog.recordings.absences import Absence, AbsenceFinder
from riglog.recordings.alarm_states import StoredAlarm, stored_alarms
from riglog.recordings.charts.chart import Chart, Wanted, chart
from riglog.recordings.gaps import Availability, Gap, Key
from riglog.recordings.notes import NoteRow, read_notes
from riglog.recordings.reports.statistics import Statistics, Units, add_channel, make_certain
from riglog.recordings.selection import Selection, check_selection
from riglog.recordings.several import of_each, read_events
from riglog.recordings.stored_channels import ChannelTime, all_of_schema_2
from riglog.recordings.stored_gaps import gaps_of_files, gaps_of_rows
from riglog.sinks.rows import EventRow, Row
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.recorded import SLOT_ZERO_NS, recorded
from riglog.sinks.sqlite.schema import sqlite_errors

MOST_GAPS = 1_000
"""So many gaps are listed; all are counted."""
RUNS = f"""SELECT id, run, name, {SLOT_ZERO_NS}, finished_ns, rate_hz, host, versions, rig FROM run
WHERE :run IS NULL OR :run IN (run, name) ORDER BY id"""  # noqa: S608 - constants
INSTRUMENTS = """
SELECT DISTINCT run.run, {device}, driver, protocol, address FROM channel {series} JOIN run ON run.id = channel.run_id
WHERE :run IS NULL OR :run IN (run.run, run.name) ORDER BY run.id, channel.id"""
IDENTITIES = """
SELECT run.run, device, kind, message FROM event JOIN run ON run.id = event.run_id
WHERE kind = :kind AND device IS NOT NULL ORDER BY event.id"""


class RunFacts(Struct, kw_only=True):
    """One run. Times are ISO 8601 UTC."""

    run: str
    name: str
    started_at: str
    finished_at: str | None
    rate_hz: float | None
    host: str
    versions: dict[str, str]
    rig: str | None


class Instrument(Struct, kw_only=True):
    """A device of a run, and the identity that it was expected to have."""

    run: str
    device: str
    driver: str
    protocol: str
    address: str
    identity: str


class Facts(Struct, kw_only=True):
    """``statistics`` are by channel of a run, and by unit. ``path`` is the first of ``files`` files."""

    path: Path
    files: int
    runs: list[RunFacts]
    instruments: list[Instrument]
    statistics: dict[Key, Units]
    availability: dict[Key, Availability]
    gaps: list[Gap]
    gap_count: int
    absences: list[Absence]
    events: list[EventRow]
    notes: list[NoteRow]
    alarms: list[StoredAlarm]
    chart: Chart

    @property
    def rows(self) -> int:
        return sum(each.rows for units in self.statistics.values() for each in units.values())


def collect(paths: Sequence[Path], selection: Selection, buckets: int, progress: Callable[[float], None]) -> Facts:
    """Return the facts of an SQLite recording.

    Args:
        paths: its files: one, or several, such as those of a rotation, in any order.

    Raises:
        ConfigError: an invalid time; a run that is not in it; nothing was recorded in this time.
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    selection.condition("")
    files = of_each(paths, lambda path: _file(Path(path), selection))
    files.sort(key=lambda file: file.first)
    runs: dict[str, RunFacts] = {}
    instruments: dict[tuple[str, str], Instrument] = {}
    alarms: dict[tuple[str, str, str], StoredAlarm] = {}
    for file in files:  # a further file of a rotation knows how a run and its alarms went on
        runs |= {run.run: run for run in file.runs}
        instruments |= {(each.run, each.device): each for each in file.instruments}
        alarms |= {(each.run, each.name, each.channel): each for each in file.alarms}
    known = [file.path for file in files]
    absences = AbsenceFinder(read_events(known, run=selection.run))
    statistics: dict[Key, Units] = {}
    if all_of_schema_2(known):

        def each(channel: ChannelTime) -> None:
            add_channel(channel, statistics.setdefault(channel.key, {}))

        gaps = gaps_of_files(known, selection, absences, most=MOST_GAPS, each=each, progress=progress)
        make_certain(known, selection, statistics)
    else:
        gaps = gaps_of_rows(_counted(known, selection, statistics, progress), absences, MOST_GAPS)
    if not statistics:
        raise ConfigError("no rows in this time", hint="See riglog info", path=paths[0])
    drawn = chart(known, Wanted(selection, buckets=buckets))
    start, end = iso(round(drawn.start * NS)), iso(round(drawn.end * NS))
    timed = bool(selection.start or selection.end)
    notes = sorted((note for path in known for note in read_notes(path)), key=lambda note: note.at)
    return Facts(
        path=paths[0],
        files=len(known),
        runs=list(runs.values()),
        instruments=list(instruments.values()),
        statistics=statistics,
        availability=gaps.channels,
        gaps=gaps.gaps,
        gap_count=gaps.count,
        absences=absences.found(),
        events=[each for each in read_events(known, run=selection.run) if not timed or start <= each.at <= end],
        notes=[
            each
            for each in notes
            if (selection.run is None or each.run in runs) and (not timed or start <= each.at <= end)
        ],
        alarms=list(alarms.values()),
        chart=drawn,
    )


class _File(Struct):
    """What one file of the recording knows besides its rows; ``first`` is when the first of them was received."""

    path: Path
    first: str
    runs: list[RunFacts]
    instruments: list[Instrument]
    alarms: list[StoredAlarm]


def _file(path: Path, selection: Selection) -> _File:
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        check_selection(selection, database)
        runs = dict(_runs(database, selection.run))
        instruments = _instruments(database, selection.run)
        alarms = [alarm for number in runs for alarm in stored_alarms(database, number)]
        first = next((page.rows[0].received_at for page in recorded(database).pages() if page.rows), "")
        return _File(path, first, list(runs.values()), instruments, alarms)


def _counted(
    paths: Sequence[Path],
    selection: Selection,
    statistics: dict[Key, Units],
    progress: Callable[[float], None],
) -> Iterator[Row]:
    """Return the rows, and add each to the statistics of its channel."""
    for number, path in enumerate(paths):
        with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
            for page in recorded(database).pages(selection):
                for row in page.rows:
                    key = Key(row.run or "", row.device, row.parameter, row.instance)
                    statistics.setdefault(key, {}).setdefault(row.unit, Statistics()).add(row)
                    yield row
                progress((number + page.share) / len(paths))


def _runs(database: sqlite3.Connection, run: str | None) -> Iterator[tuple[int, RunFacts]]:
    for number, run_id, name, started, finished, rate, host, versions, rig in database.execute(RUNS, {"run": run}):
        yield (
            number,
            RunFacts(
                run=run_id,
                name=name,
                started_at=iso(started),
                finished_at=None if finished is None else iso(finished),
                rate_hz=rate,
                host=host,
                versions=msgspec.json.decode(versions or "{}", type=dict[str, str]),
                rig=rig,
            ),
        )


def _instruments(database: sqlite3.Connection, run: str | None) -> list[Instrument]:
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(channel)")]
    has_series = "series_id" in columns
    query = INSTRUMENTS.format(
        device="series.device" if has_series else "channel.device",
        series="JOIN series ON series.id = channel.series_id" if has_series else "",
    )
    expected = {
        (run_id, device): message.removeprefix(IDENTITY)
        for run_id, device, kind, message in database.execute(IDENTITIES, {"kind": EventKind.IDENTITY_EXPECTED.value})
        if current_kind(kind) == EventKind.IDENTITY_EXPECTED
    }
    return [
        Instrument(
            run=run_id,
            device=device,
            driver=driver,
            protocol=protocol,
            address="" if address is None else str(address),
            identity=expected.get((run_id, device), ""),
        )
        for run_id, device, driver, protocol, address in database.execute(query, {"run": run})
    ]

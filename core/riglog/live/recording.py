"""An SQLite recording as the source of a page, also while another program records into it.

``look`` keeps one connection and no transaction; every other call opens its own for a moment. So nothing here keeps
SQLite from writing its log back into the file, and nothing computes in the process of the recorder.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

from msgspec import structs

from riglog.errors import ConfigError, RiglogError
from riglog.live.source import (
    EVENTS,
    LiveAlarm,
    LiveBand,
    LiveChannel,
    LiveEvent,
    LiveRun,
    Look,
    Source,
    Span,
    SpanReply,
    condition,
)
from riglog.live.spans import SpanFile, recorded_span
from riglog.live.tail import MS, Tail
from riglog.model import current_kind
from riglog.recordings.alarm_states import stored_alarms
from riglog.recordings.alarms import acknowledge_alarm
from riglog.recordings.charts.happenings import alarm_bands
from riglog.recordings.inventory import GrowingContents, RunContents
from riglog.recordings.notes import read_notes, write_note
from riglog.recordings.selection import nanoseconds
from riglog.recordings.several import of_each
from riglog.sinks.carried import ROWS_BEFORE
from riglog.sinks.formats import format_of
from riglog.sinks.part_names import newest_part, parts
from riglog.sinks.sqlite.reader import RUNS, SQLITE_FORMAT, open_recording, refuse_unknown
from riglog.sinks.sqlite.schema import check_recording, earlier_schema, sqlite_errors
from riglog.sinks.sqlite.tables import SCHEMA_VERSION
from riglog.sinks.sqlite.writer_lock import is_locked

NOTE_SECONDS = 2.0
MOST_BANDS = 1_000
LOCK_LOOKS = 4
"""Whether a program records is looked up with every so many looks."""
NEWEST_FLUSH = "SELECT id, run_id, first_ns, last_ns, rows FROM flush ORDER BY id DESC LIMIT 1"
NEWEST_RUN = """
SELECT id, run, name, started_ns, finished_ns, rate_hz, host,
    (SELECT max(last_ns) FROM (SELECT last_ns FROM flush WHERE run_id = run.id ORDER BY id DESC LIMIT 20))
FROM run ORDER BY id DESC LIMIT 1"""
EVENT_COLUMNS = "event.id, event.at_ns, event.kind, run.run, event.device, event.port, event.message"
NEW_EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM event CROSS JOIN run ON run.id = event.run_id WHERE event.id > :known
ORDER BY event.id DESC LIMIT {EVENTS}"""  # noqa: S608 - constants
EVENTS_OF_A_TIME = f"""
SELECT {EVENT_COLUMNS} FROM event CROSS JOIN run ON run.id = event.run_id
WHERE event.at_ns >= :start AND event.at_ns < :end AND (:run IS NULL OR :run IN (run.run, run.name))
ORDER BY event.at_ns DESC, event.id DESC LIMIT :limit"""  # noqa: S608 - constants
REPEATED = "SELECT id FROM event WHERE kind = 'recording_continued' AND message LIKE :text ORDER BY id LIMIT 1"
"""The event behind those that a further file repeats."""
Shown = Callable[[float | None, str | None], str]


class SqliteSource(Source):
    """The recording at a path.

    Args:
        shown: how a value is written.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
        ConfigError: it is not an SQLite recording.
    """

    takes_notes = True

    def __init__(self, path: Path, shown: Shown) -> None:
        newest = newest_part(path)
        if format_of(newest) is not SQLITE_FORMAT:
            hint = "Record into SQLite, or look at it with riglog watch"
            raise ConfigError("the page shows SQLite recordings only", hint=hint, path=path)
        if newest.stat().st_size and check_recording(newest) != SCHEMA_VERSION:
            raise earlier_schema(newest)
        self.title = path.name
        self._first = path
        self._path = newest
        self._shown = shown
        self._open: _Open | None = None
        self._files: dict[Path, SpanFile] = {}
        self._contents: dict[Path, GrowingContents] = {}
        self._contents_lock = threading.Lock()

    def look(self, now_ns: int) -> Look:
        renewed = False
        rest = self._go_on(now_ns)
        try:
            found = os.stat(self._path)
            if self._open is not None and not self._open.is_of(found):
                self.close()
                renewed = True
            if self._open is None:
                renewed = True
                self._files = {}
                self._open = _Open(self._path, found, self._shown)
            with sqlite_errors(self._path):
                look = self._open.look(now_ns)
            look.renewed = renewed
            if rest is not None:
                look.events = rest.events + look.events
                look.points = {
                    number: rest.points.get(number, []) + look.points.get(number, [])
                    for number in rest.points.keys() | look.points.keys()
                }
            if look.state == "empty":
                self.close()  # it may be a name without content, which nothing keeps from being another file
            return look
        except FileNotFoundError:
            return self._without_file("gone", "the file is not there any more", now_ns)
        except (OSError, RiglogError) as error:
            self.close()
            return self._without_file("unreadable", str(error), now_ns)

    def _go_on(self, now_ns: int) -> Look | None:
        """Look at the next file of a rotation, as soon as it has what it repeats of this one.

        Return what was new in this one.
        """
        newest = newest_part(self._first)
        if newest == self._path:
            return None
        if self._open is None:
            self._path = newest
            return None
        rest = None
        with suppress(OSError, RiglogError, sqlite3.Error):
            opened = _Open(newest, os.stat(newest), self._shown, self._open)
            if not opened.is_begun:
                opened.close()
                return None
            with suppress(sqlite3.Error):
                rest = self._open.look(now_ns)
            self._open.close()
            self._open, self._path = opened, newest
        return rest

    def _without_file(self, state: str, message: str, now_ns: int) -> Look:
        known = self._open.tail.channels.values() if self._open is not None else ()
        channels = [copy(channel) for channel in known]
        set_conditions(channels, now_ns, ended=False)
        return Look(state=state, message=message, channels=channels, points={}, events=[], alarms=[])

    def span(self, wanted: Span, names: dict[int, LiveChannel]) -> SpanReply:
        files = self._parts()
        if wanted.run is not None:
            of_each([file.path for file in files], lambda path: self._has_run(Path(path), wanted.run))
        if wanted.start_ns < wanted.end_ns:
            older = [file for file in files[:-1] if file.has_rows(wanted.start_ns, wanted.end_ns)]
            files = [*older, *files[-1:]]
        found = recorded_span(files, wanted, names)
        bands: dict[tuple[Any, ...], LiveBand] = {}
        for file in files:
            with file.opened() as database:
                bands |= {(band.name, band.channel, band.from_ms): band for band in _bands(database, wanted)}
        found.alarms = list(bands.values())[-MOST_BANDS:]
        return found

    def _parts(self) -> list[SpanFile]:
        """Return the files of the recording, oldest first."""
        known = self._files
        for path in parts(self._first) or [self._path]:
            known.setdefault(path, SpanFile(path))
        return [known[path] for path in parts(self._first) or [self._path]]

    def _has_run(self, path: Path, run: str | None) -> None:
        with SpanFile(path).opened() as database:
            refuse_unknown(database, "run", run, RUNS)

    def runs(self) -> list[LiveRun]:
        found: dict[str, LiveRun] = {}
        with self._contents_lock:
            for file in self._parts():
                contents = self._contents.setdefault(file.path, GrowingContents(file.path))
                for run in map(_run, contents.read().runs):
                    before = found.get(run.run)
                    if before is not None:  # a rotation
                        rows = (before.rows or 0) + (run.rows or 0)
                        run = structs.replace(run, started_ms=before.started_ms, rows=rows)
                    found[run.run] = run
        return list(found.values())

    def events(self, *, run: str | None, start_ns: int, end_ns: int, limit: int) -> list[LiveEvent]:
        values = {"start": start_ns, "end": end_ns, "run": run, "limit": limit}

        def of(path: str | Path) -> list[LiveEvent]:
            with SpanFile(Path(path)).opened() as database:
                refuse_unknown(database, "run", run, RUNS)
                return _events(database.execute(EVENTS_OF_A_TIME, values).fetchall())

        found = [event for events in of_each([file.path for file in self._parts()], of) for event in events]
        return sorted(dict.fromkeys(found), key=lambda event: event.at_ms)[-limit:]

    def notes(self) -> list[Any]:
        return [note for file in self._parts() for note in read_notes(file.path)]

    def add_note(self, text: str, author: str, device: str | None) -> str:
        return write_note(
            self._first, text, program="riglog live", author=author, device=device, timeout=NOTE_SECONDS
        ).value

    def acknowledge(self, alarm: str, author: str) -> str:
        return acknowledge_alarm(self._first, alarm, program="riglog live", author=author, timeout=NOTE_SECONDS).value

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _Open:
    """The file that is open for looking."""

    def __init__(self, path: Path, found: os.stat_result, shown: Shown, before: "_Open | None" = None) -> None:
        """Open it. ``before`` is the file before, in a rotation."""
        self._path = path
        self._identity = (found.st_dev, found.st_ino)
        self._shown = shown
        self._database = open_recording(path)
        self.tail: Tail = Tail(self._database, None if before is None else before.tail)
        self._flush: tuple[Any, ...] | None = None
        self._event = 0
        self._looks = 0
        self._is_locked = False
        self._alarms: list[LiveAlarm] = []
        self._continued = ""
        self.is_begun = True
        if before is not None:
            marker = self._database.execute(REPEATED, {"text": f"%{ROWS_BEFORE}%"}).fetchone()
            self.is_begun = marker is not None
            self._event = 0 if marker is None else marker[0]

    def is_of(self, found: os.stat_result) -> bool:
        """Return whether a file is the one that is open."""
        return self._identity == (found.st_dev, found.st_ino)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._database.close()

    def look(self, now_ns: int) -> Look:
        if self._looks % LOCK_LOOKS == 0:
            self._is_locked = is_locked(self._path)
        self._looks += 1
        flush = self._database.execute(NEWEST_FLUSH).fetchone()
        run = self._database.execute(NEWEST_RUN).fetchone()
        points = {} if flush == self._flush and flush else self.tail.read(self._shown)
        events = [] if flush == self._flush and flush else self._new_events(run)
        self._flush = flush
        state, message = self._state(run)
        channels = [copy(channel) for channel in self.tail.channels.values()]  # others read them meanwhile
        newest_run = None if run is None else _newest_run(run)
        set_conditions(
            channels, now_ns, ended=state in ("finished", "continued"), since=None if run is None else run[3] / MS
        )
        return Look(
            state=state,
            message=message,
            run=newest_run,
            channels=channels,
            points=points,
            events=events,
            alarms=self._alarms,
        )

    def _new_events(self, run: tuple[Any, ...] | None) -> list[LiveEvent]:
        found = self._database.execute(NEW_EVENTS, {"known": self._event}).fetchall()
        events = _events(found)
        if found:
            self._event = max(row[0] for row in found)
            continued = [
                event.message
                for event in events
                if event.kind == "recording_continued" and ROWS_BEFORE not in event.message
            ]
            resumed = any(event.kind in ("run_started", "run_resumed") for event in events)
            self._continued = continued[-1] if continued else "" if resumed else self._continued
        if run is not None and (any(event.kind.startswith("alarm") for event in events) or not self._looks > 1):
            self._alarms = [
                LiveAlarm(
                    name=alarm.name,
                    channel=alarm.channel,
                    state=alarm.state,
                    acknowledged=alarm.acknowledged,
                    at_ms=None if alarm.at is None else nanoseconds(alarm.at) / MS,
                    text=alarm.text,
                )
                for alarm in stored_alarms(self._database, run[0])
                if alarm.is_open
            ]
        return events

    def _state(self, run: tuple[Any, ...] | None) -> tuple[str, str]:
        if run is None:
            return "empty", "nothing was recorded yet"
        if run[4] is not None and not self._continued:
            return "finished", ""
        if self._is_locked:
            return "recording", ""
        if self._continued:
            return "continued", self._continued
        return "interrupted", "no program records into the file, and the run has no end"


def set_conditions(channels: Iterable[LiveChannel], now_ns: int, *, ended: bool, since: float | None = None) -> None:
    """Set the condition of channels: how old their values are.

    Args:
        since: when the run started: from then on a channel without any value has been waited for.
    """
    now = now_ns / MS
    for channel in channels:
        at = channel.value_ms if channel.value_ms is not None else since
        channel.condition = "ended" if ended else condition((now - (at or 0)) / 1000, channel.period)


def _bands(database: sqlite3.Connection, wanted: Span) -> list[LiveBand]:
    """Return the times in a span in which alarms were raised, the newest ones."""
    ended = {run for (run,) in database.execute("SELECT run FROM run WHERE finished_ns IS NOT NULL")}
    found = alarm_bands(database, wanted.start_ns, wanted.end_ns, wanted.run)
    return [
        LiveBand(
            name=band.name,
            channel=band.channel,
            from_ms=band.start * 1000,
            to_ms=band.end * 1000,
            open=band.open and band.run not in ended,
        )
        for band in found[-MOST_BANDS:]
    ]


def _events(found: list[tuple[Any, ...]]) -> list[LiveEvent]:
    """Return rows of EVENT_COLUMNS, the newest first, as events, oldest first."""
    events = [
        LiveEvent(at_ms=at / MS, kind=current_kind(kind), run=run, host=None, device=device, port=port, message=message)
        for _, at, kind, run, device, port, message in reversed(found)
    ]
    return sorted(events, key=lambda event: event.at_ms)


def _newest_run(run: tuple[Any, ...]) -> LiveRun:
    _, name_of_run, name, started, finished, rate, host, newest = run
    ended = finished if finished is not None else newest
    return LiveRun(
        run=name_of_run,
        name=name,
        host=host,
        started_ms=started / MS,
        ended_ms=None if ended is None else ended / MS,
        finished=finished is not None,
        rate_hz=rate,
    )


def _run(run: RunContents) -> LiveRun:
    ended = run.finished_at or run.last_row_at
    return LiveRun(
        run=run.run,
        name=run.name,
        host=run.host,
        started_ms=nanoseconds(run.started_at) / MS,
        ended_ms=None if ended is None else nanoseconds(ended) / MS,
        finished=run.finished_at is not None,
        rate_hz=run.rate_hz,
        rows=run.rows,
    )

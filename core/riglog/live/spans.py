"""Channels of an SQLite recording in a span, as a chart draws them: rows where there are few, buckets where there are
many."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec import UNSET

from riglog.errors import ConfigError, StorageError, error_context
from riglog.live.source import LiveChannel, Series, Span, SpanReply
from riglog.live.tail import MS
from riglog.live.units import AnnotatedIndex
from riglog.model import NS
from riglog.recordings.marks import has_marks
from riglog.recordings.overview import bucket_width
from riglog.recordings.parts import Part
from riglog.recordings.units import ROWS, StoredChannel
from riglog.sinks.sqlite.overviews import MINUTE_NS
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.schema import sqlite_errors
from riglog.sinks.sqlite.stored_rows import StoredRows

MOST_CHANNELS = 64
LEAST_BUCKETS, MOST_BUCKETS = 10, 2_000
QUICK_ROWS, MOST_ROWS = 400_000, 5_000_000
"""Readings that are summed for one reply; for more of them, buckets are minutes at least, which are stored."""
LONGEST_SECONDS = 20.0
KEPT_OPEN = 8
"""Files of a rotation that are kept open while a chart is computed; more of them are opened one after the other."""
STEPS = 100_000
"""Of the virtual machine of SQLite, between two looks at the clock."""
CHANNELS = """
SELECT channel.id, channel.run_id, channel.unit, run.started_ns, run.finished_ns, run.run
FROM series JOIN channel ON channel.series_id = series.id JOIN run ON run.id = channel.run_id
WHERE series.device = :device AND series.parameter = :parameter AND series.instance = :instance
AND (:run IS NULL OR channel.run_id IN (SELECT id FROM run WHERE :run IN (run, name)))
ORDER BY channel.run_id, channel.segment, channel.id"""
SEGMENTED = "SELECT run_id FROM channel GROUP BY run_id HAVING max(segment) > 0"
"""Runs in which time went back: start and end do not limit the times of their rows."""
COUNT = f"SELECT count(*) FROM (SELECT 1 {ROWS} LIMIT :limit)"  # noqa: S608 - constants of this file
READINGS = f"""
SELECT reading.received_ns, reading.own_ns, reading.skew_ns, reading.value, reading.annotation_id, reading.tick {ROWS}
ORDER BY block.id, reading.received_ns, reading.n"""
LAST = f"SELECT reading.received_ns {ROWS} ORDER BY block.id DESC, reading.received_ns DESC LIMIT 1"


class SpanFile:
    """A file of a recording: the whole of it, or one of a rotation. ``index`` is what is known about its units and
    marks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = AnnotatedIndex(path)
        self._times: tuple[int, int] | None = None

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        with closing(open_recording(self.path)) as database, sqlite_errors(self.path), error_context(path=self.path):
            yield database

    def has_rows(self, start_ns: int, end_ns: int) -> bool:
        """Return whether it may have rows in a time. Only of a file that is not written any more."""
        if self._times is None:
            with self.opened() as database:
                first, last = database.execute("SELECT min(first_ns), max(last_ns) FROM flush").fetchone()
                self._times = (first or 0, last or 0)
        first, last = self._times
        return first < end_ns and last >= start_ns


def recorded_span(files: Sequence[SpanFile], wanted: Span, names: dict[int, LiveChannel]) -> SpanReply:
    """Return channels of an SQLite recording of schema 2 in a span.

    Args:
        files: the recording, or several of a rotation, oldest first.
        names: the channels of the page, with their units and periods.

    Raises:
        ConfigError: an unknown channel, or too many.
        StorageError: it takes too long.
    """
    check_span(wanted, names)
    width, coarse = width_of(wanted, names)
    end = time.monotonic() + LONGEST_SECONDS
    limit = most_rows(wanted) + 1
    channels = [names[number] for number in wanted.channels]
    try:
        with ExitStack() as stack:
            kept = [stack.enter_context(file.opened()) for file in files] if len(files) <= KEPT_OPEN else None
            counts = dict.fromkeys(wanted.channels, 0)
            for _, database in _each(files, kept, end):
                for channel in channels:
                    stored = list(_stored(database, wanted, channel))
                    counts[channel.id] += sum(_count(database, each, wanted, limit) for each, _ in stored)
            drawn: list[_Rows | _Buckets] = [
                _Rows(channel, exact=wanted.exact) if counts[channel.id] < limit else _Buckets(channel, width)
                for channel in channels
            ]
            for file, database in _each(files, kept, end):
                for each in drawn:
                    _read(each, database, wanted, file)
    except sqlite3.OperationalError as error:
        if time.monotonic() <= end:
            raise
        raise _too_long() from error
    except StorageError as error:
        if time.monotonic() > end and isinstance(error.__cause__, sqlite3.OperationalError):
            raise _too_long() from error
        raise
    series = [each.series() for each in drawn]
    coarse = coarse or any(isinstance(each, _Buckets) and each.is_unmarked for each in drawn)
    return SpanReply(from_ms=wanted.start_ns / MS, to_ms=wanted.end_ns / MS, coarse=coarse, series=series)


def _too_long() -> StorageError:
    return StorageError("the chart takes too long", hint="Choose fewer channels or a shorter time")


def _each(
    files: Sequence[SpanFile], kept: list[sqlite3.Connection] | None, end: float
) -> Iterator[tuple[SpanFile, sqlite3.Connection]]:
    """Return the files with their connections: those that are open, or one after the other."""
    for place, file in enumerate(files):
        with file.opened() if kept is None else nullcontext(kept[place]) as database:
            database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            yield file, database


def most_rows(wanted: Span) -> int:
    """Return up to how many rows of a channel are drawn as they are."""
    return 2 * max(LEAST_BUCKETS, min(MOST_BUCKETS, wanted.buckets))


def is_gap(last: tuple[object, int | None], now: tuple[object, int | None]) -> bool:
    """Return whether there is a gap between two rows, by their runs and ticks: another run, or slots without a row."""
    (last_run, last_tick), (run, tick) = last, now
    return run != last_run or (tick is not None and last_tick is not None and tick > last_tick + 1)


def check_span(wanted: Span, names: dict[int, LiveChannel]) -> None:
    """Refuse what cannot be drawn.

    Raises:
        ConfigError: an unknown channel, too many, or no time.
    """
    if len(wanted.channels) > MOST_CHANNELS:
        raise ConfigError(f"{len(wanted.channels)} channels requested", hint=f"Request at most {MOST_CHANNELS}")
    unknown = [number for number in wanted.channels if number not in names]
    if unknown:
        raise ConfigError(f"no channel has the number {unknown[0]}", hint="See /api/channels")
    if not wanted.start_ns < wanted.end_ns:
        raise ConfigError("the time ends before it begins", hint="The parameter from must be less than to")


def width_of(wanted: Span, names: dict[int, LiveChannel]) -> tuple[int, bool]:
    """Return the width of the buckets, and whether it is that of fewer buckets than requested."""
    span = wanted.end_ns - wanted.start_ns
    width = bucket_width(span, min(MOST_BUCKETS, max(LEAST_BUCKETS, wanted.buckets)))
    rate = sum(1 / max(names[number].period, 1e-6) for number in wanted.channels)
    rows = rate * span / NS
    if width >= MINUTE_NS or rows <= QUICK_ROWS:
        return width, False
    if wanted.quick or rows > MOST_ROWS:
        return MINUTE_NS, rows <= MOST_ROWS
    return width, False


def _read(drawn: "_Rows | _Buckets", database: sqlite3.Connection, wanted: Span, file: SpanFile) -> None:
    """Add one file to a channel. In one transaction, so that a merge of blocks takes no reading out of it."""
    database.execute("BEGIN")
    try:
        stored = list(_stored(database, wanted, drawn.channel))
        drawn.add(database, stored, wanted, file)
        drawn.saw(_last(database, [each for each, _ in stored], wanted))
    finally:
        if database.in_transaction:
            database.execute("COMMIT")


def _stored(database: sqlite3.Connection, wanted: Span, channel: LiveChannel) -> Iterator[tuple[StoredChannel, str]]:
    """Return the channels of the file that can have rows in the span, with their runs."""
    segmented = {run for (run,) in database.execute(SEGMENTED)}
    values = {
        "device": channel.device,
        "parameter": channel.parameter,
        "instance": channel.instance,
        "run": wanted.run,
    }
    for number, run_id, unit, started, finished, run in database.execute(CHANNELS, values).fetchall():
        outside = started >= wanted.end_ns or (finished is not None and finished < wanted.start_ns)
        if run_id in segmented or not outside:
            yield StoredChannel(number, run_id, unit), run


def _values(stored: StoredChannel, wanted: Span) -> dict[str, Any]:
    return {"channel": stored.id, "run": stored.run_id, "start": wanted.start_ns, "end": wanted.end_ns}


def _count(database: sqlite3.Connection, stored: StoredChannel, wanted: Span, limit: int) -> int:
    return int(database.execute(COUNT, _values(stored, wanted) | {"limit": limit}).fetchone()[0])


def _last(database: sqlite3.Connection, stored: list[StoredChannel], wanted: Span) -> float | None:
    """Return the time of the last row in the span."""
    found = [database.execute(LAST, _values(each, wanted)).fetchone() for each in stored]
    return max((last / MS for (last,) in filter(None, found)), default=None)


class _Drawn:
    """A channel in a span, read from one file after the other."""

    def __init__(self, channel: LiveChannel) -> None:
        self.channel = channel
        self._last: float | None = None

    def saw(self, last: float | None) -> None:
        """Note the time of the last row in a file."""
        if last is not None:
            self._last = last if self._last is None else max(self._last, last)


class _Rows(_Drawn):
    """The rows. Where a slot has no row, and between two runs, there is a place without a value."""

    def __init__(self, channel: LiveChannel, *, exact: bool) -> None:
        super().__init__(channel)
        self._exact = exact
        self._readings: list[tuple[int, str, int | None, float | None, str]] = []

    def add(
        self, database: sqlite3.Connection, stored: list[tuple[StoredChannel, str]], wanted: Span, file: SpanFile
    ) -> None:
        annotation = StoredRows(database).annotation
        for each, run in stored:
            for received, own, skew, value, noted, tick in database.execute(READINGS, _values(each, wanted)).fetchall():
                at = received if own is None else received + own + (skew or 0)
                _, unit, status, _, _ = (None, each.unit, "ok", "", None) if noted is None else annotation(noted)
                self._readings.append((at, run, tick, value if unit == self.channel.unit else None, status))

    def series(self) -> Series:
        series = Series(id=self.channel.id, unit=self.channel.unit, last_ms=self._last)
        series.at_ns = [] if self._exact else UNSET
        last: tuple[object, int | None] | None = None
        for at, run, tick, value, status in sorted(self._readings, key=itemgetter(0)):
            series.add_row(at, value, status, after_gap=last is not None and is_gap(last, (run, tick)))
            last = run, tick
        return series


class _Buckets(_Drawn):
    def __init__(self, channel: LiveChannel, width: int) -> None:
        super().__init__(channel)
        self._width = width
        self._parts: dict[int, Part] = {}
        self.is_unmarked = False
        self._marked: dict[tuple[int, str], tuple[float, float | None, str]] = {}

    def add(
        self, database: sqlite3.Connection, stored: list[tuple[StoredChannel, str]], wanted: Span, file: SpanFile
    ) -> None:
        start, end = wanted.start_ns, wanted.end_ns
        for each, _ in stored:
            for at, part in file.index.parts(database, each, self.channel.unit, start, end, self._width):
                self._parts.setdefault(at // self._width, Part()).add(part)
            if wanted.quick and self._width >= MINUTE_NS and has_marks(database) and not file.index.knows(each):
                self.is_unmarked = True  # nothing but all rows shows them until they were searched
                continue
            for received, at, value, unit, status in file.index.marks(database, each, start, end, self._width):
                shown = at / MS, value if unit == self.channel.unit else None, status
                self._marked.setdefault((received // self._width, status), shown)

    def series(self) -> Series:
        series = Series(id=self.channel.id, unit=self.channel.unit, last_ms=self._last, width_ms=self._width / MS)
        for number, part in sorted(self._parts.items()):
            series.t.append(number * self._width / MS)
            series.mean.append(_mean(part))
            series.low.append(part.low)
            series.high.append(part.high)
            series.rows.append(part.rows)
            series.count.append(part.count)
        series.marked = sorted(self._marked.values(), key=itemgetter(0))
        return series


def _mean(part: Part) -> float | None:
    """Return the mean of a bucket; None without values, or if their sum is beyond what a number can be."""
    return part.total / part.count if part.count and isfinite(part.total) else None

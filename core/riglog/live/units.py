"""Which times of a channel are in which unit, and which of its rows are suspect or faulty.

Only the readings themselves show both. A page that is moved and zoomed requests the same times again and again, so
they are searched once, in the background, and remembered; what is stored later is added. Until that is done, replies
search the readings themselves: they are exact, but slow.
"""

import sqlite3
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import closing, suppress
from operator import itemgetter
from pathlib import Path

from msgspec import Struct

from riglog.errors import RiglogError
from riglog.model import NS
from riglog.recordings.marks import Mark, first_marks, has_marks
from riglog.recordings.parts import Part, channel_parts, span_of_channel
from riglog.recordings.units import ANY, ROWS, StoredChannel, UnitReader
from riglog.sinks.sqlite.overviews import HOUR_NS, MINUTE_NS
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.recorded import EARLIEST_NS

MARKED_NS = (5 * NS, MINUTE_NS, HOUR_NS)
"""Of each channel, the first suspect and the first faulty row of so long a time are remembered: of longer ones if there
would be more than MOST_MARKS."""
MOST_MARKS = 50_000
NEAR = 12
"""Times with marks are searched together if fewer such times than these are between them."""
PIECE_NS = 24 * HOUR_NS
"""So much is searched in one statement, so that SQLite can write its log back in between."""
CHANNELS = "SELECT id, run_id, unit FROM channel"
OTHERS = f"""
SELECT at, (SELECT unit FROM annotation WHERE id = annotation_id), rows FROM (
    SELECT reading.received_ns / {MINUTE_NS} AS at, annotation_id, count(*) AS rows {ROWS}
        AND reading.value IS NOT NULL AND annotation_id IN (SELECT id FROM annotation WHERE unit IS NOT :unit)
    GROUP BY at, annotation_id
) ORDER BY at"""  # noqa: S608 - constants
MINUTES = """
SELECT minute, count FROM minute WHERE channel_id = :channel AND minute >= :start / :size AND minute < :end / :size"""


class _Mixed:
    """In place of a unit: the values of a time may be in several."""


MIXED = _Mixed()
Unit = str | None | _Mixed
Time = tuple[int, int, Unit]
"""From, to, and the unit of all values between."""


class _Known(Struct, frozen=True):
    """What is known of a channel before ``until``. ``others`` are times with values in another unit than its own."""

    until: int = EARLIEST_NS
    others: tuple[Time, ...] = ()
    marks: tuple[Mark, ...] = ()
    every: int = MARKED_NS[0]


class AnnotatedIndex:
    """What is known about the rows of one file with an annotation; only as long as it is the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[int, _Known] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed = False

    def knows(self, channel: StoredChannel) -> bool:
        """Return whether a channel was searched. If not, that begins now."""
        if channel.id not in self._known:
            self._start()
        return channel.id in self._known

    def wait(self) -> None:
        """Wait until the search that was begun is over."""
        if self._thread is not None:
            self._thread.join()

    def parts(
        self, database: sqlite3.Connection, channel: StoredChannel, unit: str | None, start: int, end: int, width: int
    ) -> Iterator[tuple[int, Part]]:
        """Return the parts of a channel in buckets, as ``channel_parts`` does; only values in this unit are values."""
        for first, last, found in self._times(database, channel, start, end):
            if isinstance(found, _Mixed):
                for each, at, part in UnitReader(database).parts(channel, first, last, width, edges=False):
                    yield at, part if each == unit else Part(part.rows)
            else:
                for at, part in channel_parts(database, channel.run_id, channel.id, first, last, width, edges=False):
                    yield at, part if found == unit else Part(part.rows)

    def marks(
        self, database: sqlite3.Connection, channel: StoredChannel, start: int, end: int, width: int
    ) -> Iterator[Mark]:
        """Return the first marked readings of each bucket in a time, in their order, some of them perhaps twice."""
        if not has_marks(database):
            return
        known = self._now(database, channel)
        last = max(start, min(end, known.until))
        if width % known.every:
            for first, behind in _marked_times(known, start, last):
                yield from first_marks(database, channel, first, behind, width)
        elif start < last:
            first = min(last, -(-start // known.every) * known.every)
            yield from first_marks(database, channel, start, first, width)
            low, high = (bisect_left(known.marks, at, key=itemgetter(0)) for at in (first, last))
            yield from known.marks[low:high]
        yield from first_marks(database, channel, last, end, width)

    def _times(self, database: sqlite3.Connection, channel: StoredChannel, start: int, end: int) -> Iterator[Time]:
        """Return the times that make up a time, in their order."""
        if not database.execute(ANY, {"unit": channel.unit}).fetchone()[0]:
            yield start, end, channel.unit
            return
        known = self._now(database, channel)
        until = min(end, known.until)
        for first, last, unit in known.others[bisect_right(known.others, start, key=itemgetter(1)) :]:
            if first >= until:
                break
            if start < first:
                yield start, first, channel.unit
            yield max(start, first), min(last, until), unit
            start = min(last, until)
        if start < until:
            yield start, until, channel.unit
            start = until
        if start < end:
            yield start, end, MIXED

    def _now(self, database: sqlite3.Connection, channel: StoredChannel) -> _Known:
        """Return what is known of a channel, with what was stored in the meantime if it is little."""
        if not self.knows(channel):
            return self._known.get(channel.id, _Known())
        with self._lock:
            known = self._known[channel.id]
            span = span_of_channel(database, channel.run_id, channel.id)
            if span is None or span[1] // MINUTE_NS * MINUTE_NS <= known.until:
                return known
            if span[1] - max(span[0], known.until) <= HOUR_NS:
                known = self._known[channel.id] = _extended(database, channel, known)
                return known
        self._start()
        return known

    def _start(self) -> None:
        with self._lock:
            if self._failed or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._search, name="riglog annotated rows", daemon=True)
            self._thread.start()

    def _search(self) -> None:
        """Search all channels. If that fails, replies search for themselves from then on, and state the error."""
        self._failed = True
        with suppress(RiglogError, sqlite3.Error, OSError), closing(open_recording(self._path)) as database:
            for stored in database.execute(CHANNELS).fetchall():
                channel = StoredChannel(*stored)
                before = self._known.get(channel.id, _Known())
                found = _extended(database, channel, before)
                with self._lock:
                    if self._known.get(channel.id, before).until <= found.until:
                        self._known[channel.id] = found
            self._failed = False


def _marked_times(known: _Known, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Return the times before ``end`` outside of which no reading is marked."""
    low = bisect_left(known.marks, start // known.every * known.every, key=itemgetter(0))
    found: tuple[int, int] | None = None
    for at, *_ in known.marks[low : bisect_left(known.marks, end, key=itemgetter(0))]:
        first = at // known.every * known.every
        last = min(end, first + known.every)
        if found is not None and first - found[1] < NEAR * known.every:
            found = found[0], last
            continue
        if found is not None:
            yield found
        found = max(start, first), last
    if found is not None:
        yield found


def _extended(database: sqlite3.Connection, channel: StoredChannel, known: _Known) -> _Known:
    """Return what is known after the minutes that are over since then were searched as well."""
    span = span_of_channel(database, channel.run_id, channel.id)
    if span is None:
        return known
    start, until = max(known.until, span[0] // MINUTE_NS * MINUTE_NS), span[1] // MINUTE_NS * MINUTE_NS
    if start >= until:
        return known
    mixable = bool(database.execute(ANY, {"unit": channel.unit}).fetchone()[0])
    others, marks, every = list(known.others), list(known.marks), known.every
    for first in range(start, until, PIECE_NS):
        last = min(until, first + PIECE_NS)
        for time in _other_minutes(database, channel, first, last) if mixable else ():
            if others and others[-1][1] == time[0] and others[-1][2] == time[2]:
                time = others.pop()[0], *time[1:]
            others.append(time)
        marks += first_marks(database, channel, first, last, every)
        while len(marks) > MOST_MARKS and every < MARKED_NS[-1]:
            every = MARKED_NS[MARKED_NS.index(every) + 1]
            firsts: dict[tuple[int, str, str | None], Mark] = {}
            for mark in marks:
                firsts.setdefault((mark[0] // every, mark[4], mark[3]), mark)
            marks = list(firsts.values())
    return _Known(until, tuple(others), tuple(marks), every)


def _other_minutes(database: sqlite3.Connection, channel: StoredChannel, start: int, end: int) -> Iterator[Time]:
    """Return the minutes with values in another unit than that of the channel.

    A minute is in this unit if it has as many of them as values, which is known if it is in the overview.
    """
    values = {"channel": channel.id, "run": channel.run_id, "start": start, "end": end}
    found: dict[int, dict[str | None, int]] = {}
    for minute, unit, rows in database.execute(OTHERS, values | {"unit": channel.unit}):
        units = found.setdefault(minute, {})
        units[unit] = units.get(unit, 0) + rows
    counts = dict(database.execute(MINUTES, values | {"size": MINUTE_NS})) if found else {}
    for minute, units in found.items():
        unit, rows = next(iter(units.items()))
        whole = len(units) == 1 and counts.get(minute) == rows
        yield minute * MINUTE_NS, (minute + 1) * MINUTE_NS, unit if whole else MIXED

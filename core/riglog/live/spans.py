"""Channels of an SQLite recording in a span, as a chart draws them: rows where there are few, buckets where there are
many."""

import sqlite3
import time
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from riglog.errors import ConfigError, StorageError
from riglog.live.source import LiveChannel, Series, Span, SpanReply
from riglog.live.tail import MS
from riglog.live.units import Units, parts_in_unit
from riglog.model import NS
from riglog.recordings.overview import bucket_width
from riglog.recordings.parts import Part, channel_parts
from riglog.recordings.units import ROWS, StoredChannel
from riglog.sinks.sqlite.overviews import MINUTE_NS
from riglog.sinks.sqlite.stored_rows import StoredRows

MOST_CHANNELS = 64
LEAST_BUCKETS, MOST_BUCKETS = 10, 2_000
QUICK_ROWS, MOST_ROWS = 400_000, 5_000_000
"""Readings that are summed for one reply; for more of them, buckets are minutes at least, which are stored."""
LONGEST_SECONDS = 20.0
STEPS = 100_000
"""Of the virtual machine of SQLite, between two looks at the clock."""
CHANNELS = """
SELECT channel.id, channel.run_id, channel.unit, run.started_ns, run.finished_ns
FROM channel JOIN run ON run.id = channel.run_id
WHERE channel.series_id = :series AND (:run IS NULL OR channel.run_id IN (SELECT id FROM run WHERE :run IN (run, name)))
ORDER BY channel.run_id, channel.segment, channel.id"""
SEGMENTED = "SELECT run_id FROM channel GROUP BY run_id HAVING max(segment) > 0"
"""Runs in which time went back: start and end do not limit the times of their rows."""
COUNT = f"SELECT count(*) FROM (SELECT 1 {ROWS} LIMIT :limit)"  # noqa: S608 - constants of this file
READINGS = f"""
SELECT reading.received_ns, reading.own_ns, reading.skew_ns, reading.value, reading.annotation_id, reading.tick {ROWS}
ORDER BY block.id, reading.received_ns, reading.n"""
LAST = f"SELECT reading.received_ns {ROWS} ORDER BY block.id DESC, reading.received_ns DESC LIMIT 1"


def recorded_span(database: sqlite3.Connection, wanted: Span, names: dict[int, LiveChannel], units: Units) -> SpanReply:
    """Return channels of an SQLite recording of schema 2 in a span.

    Args:
        names: the channels of the page, with their units and periods.
        units: what is known about the units of this file.

    Raises:
        ConfigError: an unknown channel, or too many.
        StorageError: it takes too long.
    """
    check_span(wanted, names)
    width, coarse = width_of(wanted, names)
    end = time.monotonic() + LONGEST_SECONDS
    database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        series = [_series(database, wanted, names[number], width, units) for number in wanted.channels]
    except sqlite3.OperationalError as error:
        if time.monotonic() <= end:
            raise
        raise StorageError("the chart takes too long", hint="Choose fewer channels or a shorter time") from error
    return SpanReply(from_ms=wanted.start_ns / MS, to_ms=wanted.end_ns / MS, coarse=coarse, series=series)


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


def _series(database: sqlite3.Connection, wanted: Span, channel: LiveChannel, width: int, units: Units) -> Series:
    """Return one channel. In one transaction, so that a merge of blocks takes no reading out of it."""
    database.execute("BEGIN")
    try:
        stored = list(_stored(database, wanted, channel.id))
        limit = most_rows(wanted) + 1
        if sum(_count(database, each, wanted, limit) for each in stored) < limit:
            series = _rows(database, stored, wanted, channel)
        else:
            series = _buckets(database, stored, wanted, channel, width, units)
        series.last_ms = _last(database, stored, wanted)
        return series
    finally:
        if database.in_transaction:
            database.execute("COMMIT")


def _stored(database: sqlite3.Connection, wanted: Span, series: int) -> Iterator[StoredChannel]:
    """Return the channels of the file that can have rows in the span."""
    segmented = {run for (run,) in database.execute(SEGMENTED)}
    values = {"series": series, "run": wanted.run}
    for number, run, unit, started, finished in database.execute(CHANNELS, values).fetchall():
        outside = started >= wanted.end_ns or (finished is not None and finished < wanted.start_ns)
        if run in segmented or not outside:
            yield StoredChannel(number, run, unit)


def _values(stored: StoredChannel, wanted: Span) -> dict[str, Any]:
    return {"channel": stored.id, "run": stored.run_id, "start": wanted.start_ns, "end": wanted.end_ns}


def _count(database: sqlite3.Connection, stored: StoredChannel, wanted: Span, limit: int) -> int:
    return int(database.execute(COUNT, _values(stored, wanted) | {"limit": limit}).fetchone()[0])


def _last(database: sqlite3.Connection, stored: list[StoredChannel], wanted: Span) -> float | None:
    """Return the time of the last row in the span."""
    found = [database.execute(LAST, _values(each, wanted)).fetchone() for each in stored]
    return max((last / MS for (last,) in filter(None, found)), default=None)


def _rows(database: sqlite3.Connection, stored: list[StoredChannel], wanted: Span, channel: LiveChannel) -> Series:
    """Return the rows. Where a slot has no row, and between two runs, there is a place without a value."""
    series = Series(id=channel.id, unit=channel.unit)
    annotation = StoredRows(database).annotation
    last: tuple[object, int | None] | None = None
    for at, run, tick, value, noted in sorted(_readings(database, stored, wanted), key=itemgetter(0)):
        if last is not None and is_gap(last, (run, tick)):
            series.t.append(at)
            series.mean.append(None)
        last = run, tick
        status = "ok"
        if noted is not None:
            _, unit, status, _, _ = annotation(noted)
            value = value if unit == channel.unit else None
        if status != "ok":
            series.marks.append((len(series.t), status))
        series.t.append(at)
        series.mean.append(value)
    return series


def _readings(database: sqlite3.Connection, stored: list[StoredChannel], wanted: Span) -> Iterator[tuple[Any, ...]]:
    """Return time (ms), run, tick, value and annotation of the rows."""
    for each in stored:
        for received, own, skew, value, noted, tick in database.execute(READINGS, _values(each, wanted)).fetchall():
            yield (received if own is None else received + own + (skew or 0)) / MS, each.run_id, tick, value, noted


def _buckets(
    database: sqlite3.Connection,
    stored: list[StoredChannel],
    wanted: Span,
    channel: LiveChannel,
    width: int,
    units: Units,
) -> Series:
    parts: dict[int, Part] = {}
    start, end = wanted.start_ns, wanted.end_ns
    for each in stored:
        if units.is_one(database, each, channel.unit, start, end):
            found = channel_parts(database, each.run_id, each.id, start, end, width, edges=False)
        else:
            found = parts_in_unit(database, each, channel.unit, start, end, width)
        for at, part in found:
            parts.setdefault(at // width, Part()).add(part)
    series = Series(id=channel.id, unit=channel.unit, width_ms=width / MS)
    for number, part in sorted(parts.items()):
        series.t.append(number * width / MS)
        series.mean.append(part.total / part.count if part.count else None)
        series.low.append(part.low)
        series.high.append(part.high)
        series.rows.append(part.rows)
        series.count.append(part.count)
    return series

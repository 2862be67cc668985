"""Overviews of a recording: each channel in a number of buckets of time, at a cost that depends on their number.

The hours and minutes that the recorder has written are used where they are there and fit into a bucket; where there is
none, the readings are asked: in the newest minute, and where a channel has few readings.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from riglog.errors import ConfigError, error_context
from riglog.model import NS, iso
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.overviews import HOUR_NS, MINUTE_NS
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.recorded import EARLIEST_NS, LATEST_NS, Recorded2, Selection, nanoseconds, recorded
from riglog.sinks.sqlite.schema import sqlite_errors

MAX_BUCKETS = 100_000
ROUND = tuple(
    round(seconds * NS)
    for seconds in (*(step * 10.0**power for power in range(-6, 1) for step in (1, 2, 5)), 10, 15, 20, 30)
)
"""Widths of a bucket below a minute."""


class Bucket(Struct, frozen=True):
    """What the rows of one channel come to between ``start`` (included) and ``end`` (excluded), ISO 8601 UTC.

    ``rows`` counts all of them, ``count`` those with a number. ``low``, ``high``, ``mean``, ``first`` and ``last`` are
    None without one. A bucket without rows does not exist.
    """

    device: str
    parameter: str
    instance: int
    start: str
    end: str
    rows: int
    count: int
    low: float | None
    high: float | None
    mean: float | None
    first: float | None
    last: float | None


class Part(Struct):
    """A part of a bucket, or all of it so far: parts are added in the order of time."""

    rows: int = 0
    count: int = 0
    low: float | None = None
    high: float | None = None
    total: float = 0.0
    first: float | None = None
    last: float | None = None

    def add(self, part: "Part") -> None:
        self.rows += part.rows
        if not part.count:
            return
        assert part.low is not None
        assert part.high is not None
        self.low = part.low if self.low is None else min(self.low, part.low)
        self.high = part.high if self.high is None else max(self.high, part.high)
        self.first = part.first if not self.count else self.first
        self.last = part.last
        self.total += part.total
        self.count += part.count


Series = tuple[str, str, int]
Parts = Iterator[tuple[int, Part]]
"""Parts with the time at which each begins, oldest first."""


def bucket_width(span_ns: int, buckets: int) -> int:
    """Return the width of a bucket: round, and so that there are at most so many of them.

    Raises:
        ConfigError: the number is out of range.
    """
    if not 1 <= buckets <= MAX_BUCKETS:
        raise ConfigError(f"buckets: {buckets} must be from 1 to {MAX_BUCKETS}")
    least = max(1, -(-span_ns // buckets))
    for width in ROUND:
        if width >= least:
            return width
    unit = MINUTE_NS if least <= HOUR_NS else HOUR_NS
    return -(-least // unit) * unit


def overview(path: Path, selection: Selection, buckets: int) -> list[Bucket]:
    """Return the overview of a selection of an SQLite recording; see ``Rows.overview``."""
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        source = recorded(database)
        if not isinstance(source, Recorded2):
            rows = [row for page in source.pages(selection) for row in page.rows]
            return overview_of_rows(rows, selection, buckets)
        channels = _channels(database, selection)
        spans = [span_of_channel(database, run, channel) for _, run, channel in channels]
        limits = _limits(spans, selection)
        if limits is None:
            return []
        start, end, width = *limits, bucket_width(limits[1] - limits[0], buckets)
        found: dict[Series, dict[int, Part]] = {}
        for series, run, channel in channels:
            for at, part in channel_parts(database, run, channel, start, end, width):
                found.setdefault(series, {}).setdefault(at // width, Part()).add(part)
        return _buckets(found, width)


def overview_of_rows(rows: Iterable[Row], selection: Selection, buckets: int) -> list[Bucket]:
    """Return the overview of rows that have no overviews of their own: all of them are read."""
    timed = [(nanoseconds(row.received_at), row) for row in rows]
    limits = _limits([(at, at) for at, _ in timed], selection)
    if limits is None:
        return []
    width = bucket_width(limits[1] - limits[0], buckets)
    found: dict[Series, dict[int, Part]] = {}
    for at, row in timed:
        number = Part(1) if row.value is None else Part(1, 1, row.value, row.value, row.value, row.value, row.value)
        series = found.setdefault((row.device, row.parameter, row.instance), {})
        series.setdefault(at // width, Part()).add(number)
    return _buckets(found, width)


def _buckets(found: dict[Series, dict[int, Part]], width: int) -> list[Bucket]:
    return [
        Bucket(
            *series,
            iso(number * width),
            iso((number + 1) * width),
            part.rows,
            part.count,
            part.low,
            part.high,
            part.total / part.count if part.count else None,
            part.first,
            part.last,
        )
        for series, parts in found.items()
        for number, part in sorted(parts.items())
    ]


def _limits(spans: Iterable[tuple[int, int] | None], selection: Selection) -> tuple[int, int] | None:
    """Return from when to when the overview goes: as selected, or from the first to the last row."""
    known = [span for span in spans if span is not None]
    if not known:
        return None
    start, end = selection.start_ns, selection.end_ns
    start = min(first for first, _ in known) if start is None else start
    end = max(last for _, last in known) + 1 if end is None else end
    return (start, end) if start < end else None


def _channels(database: sqlite3.Connection, selection: Selection) -> list[tuple[Series, int, int]]:
    """Return series, run and id of the selected channels, the earlier ones of a series first."""
    where, values = Selection(selection.run, selection.device, selection.parameter).condition("")
    tables = f"channel JOIN series ON series.id = series_id WHERE {where} ORDER BY series.id, run_id, segment"
    query = f"SELECT device, parameter, instance, run_id, channel.id FROM {tables}"  # noqa: S608 - with placeholders
    found = database.execute(query, values)
    return [((device, parameter, instance), run, channel) for device, parameter, instance, run, channel in found]


def span_of_channel(database: sqlite3.Connection, run: int, channel: int) -> tuple[int, int] | None:
    """Return the times of the first and the last reading of a channel; None if it has none."""
    edges = [
        f"(SELECT received_ns FROM reading WHERE block_id = block.id AND channel_id = :channel"  # noqa: S608
        f" ORDER BY received_ns {direction} LIMIT 1)"
        for direction in ("ASC", "DESC")
    ]
    first, last = database.execute(
        f"SELECT min({edges[0]}), max({edges[1]}) FROM block WHERE run_id = :run",  # noqa: S608 - constants
        {"run": run, "channel": channel},
    ).fetchone()
    return None if first is None else (first, last)


def channel_parts(
    database: sqlite3.Connection, run: int, channel: int, start: int, end: int, width: int, *, edges: bool = True
) -> Parts:
    """Return the parts of the readings of a channel of schema 2 in buckets of ``width`` ns, in the order of time.

    A bucket may come in several parts.

    Args:
        edges: also the first and last value of each part. Without them readings are summed in half of the time.
    """

    of_channel = _Readings(database, run, channel, edges=edges)

    def readings(first: int, last: int) -> Parts:
        return of_channel.parts(first, last, width)

    def minutes(first: int, last: int) -> Parts:
        return _stored(database, "minute", MINUTE_NS, channel, first, last, readings)

    def hours(first: int, last: int) -> Parts:
        return _stored(database, "hour", HOUR_NS, channel, first, last, minutes)

    if width % MINUTE_NS:
        return readings(start, end)
    table, unit, singly = ("minute", MINUTE_NS, minutes) if width % HOUR_NS else ("hour", HOUR_NS, hours)
    return _stored(database, table, unit, channel, start, end, singly, width // unit)


def _stored(
    database: sqlite3.Connection,
    table: str,
    unit: int,
    channel: int,
    start: int,
    end: int,
    elsewhere: Callable[[int, int], Parts],
    together: int = 1,
) -> Parts:
    """Return the minutes or hours that are stored and lie within, and from ``elsewhere`` what is between them.

    Args:
        together: so many of them are one part, if all of them are stored.
    """
    size, done = unit * together, start
    values = {
        "channel": channel,
        "size": together,
        "first": -(-start // size) * together,
        "end": end // size * together,
    }
    for at, *sums in database.execute(TOGETHER[table] if together > 1 else SINGLY[table], values).fetchall():
        if at * size > done:
            yield from elsewhere(done, at * size)
        yield at * size, _part(sums)
        done = (at + 1) * size
    if done < end:
        yield from elsewhere(done, end)


WITHIN = "WHERE channel_id = :channel AND {table} >= :first AND {table} < :end"
SINGLY = {
    table: f"SELECT {table}, rows, count, low, high, total, first, last FROM {table}"  # noqa: S608 - constants
    f" {WITHIN.format(table=table)} ORDER BY {table}"
    for table in ("minute", "hour")
}
TOGETHER = {
    table: f"""SELECT at, rows, count, low, high, total,
    (SELECT first FROM {table} WHERE channel_id = :channel AND {table} >= at * :size AND {table} < (at + 1) * :size
        AND first IS NOT NULL ORDER BY {table} LIMIT 1),
    (SELECT last FROM {table} WHERE channel_id = :channel AND {table} >= at * :size AND {table} < (at + 1) * :size
        AND last IS NOT NULL ORDER BY {table} DESC LIMIT 1)
FROM (SELECT {table} / :size AS at, sum(rows) AS rows, sum(count) AS count, min(low) AS low, max(high) AS high,
    sum(total) AS total FROM {table} {WITHIN.format(table=table)} GROUP BY at HAVING count(*) = :size)
ORDER BY at"""  # noqa: S608 - constants
    for table in ("minute", "hour")
}
TABLES = """FROM block CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = :channel
AND received_ns >= :start AND received_ns < :end WHERE block.run_id = :run AND block.id BETWEEN :oldest AND :newest"""
VALUES = "SELECT count(*), count(value), min(value), max(value), sum(value)"
SUMS_ALONE = f"{VALUES} {TABLES}"
SUMS = f"""{VALUES},
min(CASE WHEN value IS NOT NULL THEN received_ns END), max(CASE WHEN value IS NOT NULL THEN received_ns END) {TABLES}"""
EDGES = tuple(
    f"SELECT value {TABLES} AND value IS NOT NULL ORDER BY block.id {order}, received_ns {order}, n {order} LIMIT 1"
    for order in ("ASC", "DESC")
)
NEXT = f"SELECT received_ns {TABLES} ORDER BY block.id, received_ns LIMIT 1"
FIRST_OF_BLOCK = """SELECT received_ns FROM block CROSS JOIN reading
ON reading.block_id = block.id AND reading.channel_id = ? WHERE block.run_id = ? AND block.id >= ?
ORDER BY block.id, received_ns LIMIT 1"""


class _Readings:
    """The readings of a channel. A later block has later ones, so those of a time are in a few blocks side by side."""

    def __init__(self, database: sqlite3.Connection, run: int, channel: int, *, edges: bool = True) -> None:
        self._database = database
        self._run = run
        self._channel = channel
        self._edges = edges
        self._blocks: list[int] = []

    def parts(self, start: int, end: int, width: int) -> Parts:
        """Return them, one part for each bucket.

        A search for each bucket: GROUP BY would sort all readings, as SQLite does not see that they are in order.
        """
        start, end = max(start, EARLIEST_NS), min(end, LATEST_NS)
        oldest, newest = self._block_before(start), self._block_before(end)
        place = {"run": self._run, "channel": self._channel, "oldest": oldest, "newest": newest}
        if not self._edges:
            yield from self._sums(place, start, end, width)
            return
        while found := self._database.execute(NEXT, place | {"start": start, "end": end}).fetchone():
            bucket = found[0] // width
            bucket_end = min((bucket + 1) * width, end)
            yield bucket * width, self._part(place, found[0], bucket_end)
            start = bucket_end

    def _sums(self, place: dict[str, int], start: int, end: int, width: int) -> Parts:
        """Return the parts without edges: one query for each bucket, and one more only where there is a gap."""
        while start < end:
            bucket_end = min((start // width + 1) * width, end)
            sums = self._database.execute(SUMS_ALONE, place | {"start": start, "end": bucket_end}).fetchone()
            if sums[0]:
                yield start // width * width, _part([*sums, None, None])
                start = bucket_end
                continue
            found = self._database.execute(NEXT, place | {"start": bucket_end, "end": end}).fetchone()
            if found is None:
                return
            start = found[0]

    def _part(self, place: dict[str, int], start: int, end: int) -> Part:
        *sums, first_ns, last_ns = self._database.execute(SUMS, place | {"start": start, "end": end}).fetchone()
        edges = [None, None]
        if first_ns is not None:
            edges = [
                self._database.execute(sql, place | {"start": at, "end": at + 1}).fetchone()[0]
                for sql, at in zip(EDGES, (first_ns, last_ns), strict=True)
            ]
        return _part([*sums, *edges])

    def _block_before(self, at: int) -> int:
        """Return the last block whose first reading is before a time, or the first block."""
        if not self._blocks:
            found = self._database.execute("SELECT id FROM block WHERE run_id = ? ORDER BY id", (self._run,))
            self._blocks = [block for (block,) in found]
        behind = bisect_left(self._blocks, at, key=self._first_ns)
        return self._blocks[max(0, behind - 1)]

    def _first_ns(self, block: int) -> int:
        """Return the time of the first reading in this block or a later one."""
        found = self._database.execute(FIRST_OF_BLOCK, (self._channel, self._run, block)).fetchone()
        return LATEST_NS if found is None else int(found[0])


def _part(values: list[float | None]) -> Part:
    rows, count, low, high, total, first, last = values
    return Part(int(rows or 0), int(count or 0), low, high, total or 0.0, first, last)

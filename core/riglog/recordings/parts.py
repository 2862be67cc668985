"""What the readings of a channel of schema 2 come to, in parts of time.

The hours and minutes that the recorder has written are used where they are there and fit into a bucket; where there is
none, the readings are asked: in the newest minute, and where a channel has few readings.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator

from msgspec import Struct

from riglog.sinks.sqlite.overviews import HOUR_NS, MINUTE_NS
from riglog.sinks.sqlite.recorded import EARLIEST_NS, LATEST_NS


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


Parts = Iterator[tuple[int, Part]]
"""Parts with the time at which each begins, oldest first."""


def span_of_channel(
    database: sqlite3.Connection, run: int, channel: int, start: int = EARLIEST_NS, end: int = LATEST_NS
) -> tuple[int, int] | None:
    """Return the times of the first and the last reading of a channel in a time; None if it has none."""
    edges = [
        f"(SELECT received_ns FROM reading WHERE block_id = block.id AND channel_id = :channel"  # noqa: S608
        f" AND received_ns >= :start AND received_ns < :end ORDER BY received_ns {direction} LIMIT 1)"
        for direction in ("ASC", "DESC")
    ]
    first, last = database.execute(
        f"SELECT min({edges[0]}), max({edges[1]}) FROM block WHERE run_id = :run",  # noqa: S608 - constants
        {"run": run, "channel": channel, "start": start, "end": end},
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

    of_channel = Readings(database, run, channel, edges=edges)

    def readings(first: int, last: int) -> Parts:
        return of_channel.parts(first, last, width)

    def minutes(first: int, last: int) -> Parts:
        return _stored(database, "minute", MINUTE_NS, channel, first, last, readings, edges=edges)

    def hours(first: int, last: int) -> Parts:
        return _stored(database, "hour", HOUR_NS, channel, first, last, minutes, edges=edges)

    if width % MINUTE_NS:
        return readings(start, end)
    table, unit, singly = ("minute", MINUTE_NS, minutes) if width % HOUR_NS else ("hour", HOUR_NS, hours)
    return _stored(database, table, unit, channel, start, end, singly, width // unit, edges=edges)


def _stored(
    database: sqlite3.Connection,
    table: str,
    unit: int,
    channel: int,
    start: int,
    end: int,
    elsewhere: Callable[[int, int], Parts],
    together: int = 1,
    *,
    edges: bool,
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
    query = SINGLY if together == 1 else TOGETHER if edges else SUMMED
    for at, *sums in database.execute(query[table], values).fetchall():
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
SUMMED = {
    table: f"""SELECT {table} / :size AS at, sum(rows) AS rows, sum(count) AS count, min(low) AS low, max(high) AS high,
    sum(total) AS total, NULL, NULL FROM {table} {WITHIN.format(table=table)} GROUP BY at HAVING count(*) = :size
ORDER BY at"""  # noqa: S608 - constants
    for table in ("minute", "hour")
}
TOGETHER = {
    table: f"""SELECT at, rows, count, low, high, total,
    (SELECT first FROM {table} WHERE channel_id = :channel AND {table} >= at * :size AND {table} < (at + 1) * :size
        AND first IS NOT NULL ORDER BY {table} LIMIT 1),
    (SELECT last FROM {table} WHERE channel_id = :channel AND {table} >= at * :size AND {table} < (at + 1) * :size
        AND last IS NOT NULL ORDER BY {table} DESC LIMIT 1)
FROM ({SUMMED[table]}) ORDER BY at"""  # noqa: S608 - constants
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


def has_readings(database: sqlite3.Connection, run: int, channel: int, start: int, end: int) -> bool:
    """Return True if a channel has readings from ``start`` on and before ``end``."""
    place = Readings(database, run, channel).place(start, end)
    return start < end and database.execute(NEXT, place).fetchone() is not None


class Readings:
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
        place = self.place(start, end)
        if not self._edges:
            yield from self._sums(place, start, end, width)
            return
        while found := self._database.execute(NEXT, place | {"start": start, "end": end}).fetchone():
            bucket = found[0] // width
            bucket_end = min((bucket + 1) * width, end)
            yield bucket * width, self._part(place, found[0], bucket_end)
            start = bucket_end

    def place(self, start: int, end: int) -> dict[str, int]:
        """Return the parameters of a query about TABLES: the channel, a time, and the blocks that can have it."""
        return {
            "run": self._run,
            "channel": self._channel,
            "oldest": self._block_before(start),
            "newest": self._block_before(end),
            "start": start,
            "end": end,
        }

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

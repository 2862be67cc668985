"""Overviews: for each channel and minute, and hour, what its readings come to. One rule writes and rebuilds them.

Time never goes back within a channel, so a minute is over when the channel has a reading in a later one, and never
changes again. A row that is there is therefore exact; where there is none, the readings are asked. Minutes with few
readings have none: their rows would take more space than they save time.
"""

import sqlite3
from collections.abc import Iterable

from riglog.sinks.sqlite.places import NEVER_NS, Place

MINUTE_NS, HOUR_NS = 60_000_000_000, 3_600_000_000_000
MINUTE_ROWS = 55
"""A minute with fewer readings has no row: one reading in a second, with slots that move over the edge, has."""


def _edge(direction: str) -> str:
    """Return the SQL of the first (``ASC``) or last (``DESC``) value of a minute."""
    return f"""(SELECT edge.value FROM block AS part CROSS JOIN reading AS edge
        ON edge.block_id = part.id AND edge.channel_id = :channel
        WHERE part.run_id = :run AND edge.value IS NOT NULL
        AND edge.received_ns >= at * {MINUTE_NS} AND edge.received_ns < (at + 1) * {MINUTE_NS}
        ORDER BY part.id {direction}, edge.received_ns {direction}, edge.n {direction} LIMIT 1)"""  # noqa: S608


VALUES = "count(*) AS rows, count(value) AS count, min(value) AS low, max(value) AS high, sum(value) AS total"
MINUTES = f"""
INSERT OR REPLACE INTO minute
SELECT :channel, at, rows, count, low, high, total, {_edge("ASC")}, {_edge("DESC")}
FROM (
    SELECT received_ns / {MINUTE_NS} AS at, {VALUES}
    FROM block CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = :channel
    WHERE block.run_id = :run AND received_ns >= :start AND received_ns < :end
    GROUP BY at HAVING count(*) >= {MINUTE_ROWS}
)"""  # noqa: S608 - constants of this file
HOUR = f"""
INSERT OR REPLACE INTO hour
WITH RECURSIVE
span (at) AS (VALUES (:hour * 60) UNION ALL SELECT at + 1 FROM span WHERE at < :hour * 60 + 59),
few AS (
    SELECT at, {VALUES}
    FROM span CROSS JOIN block ON block.run_id = :run
    CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = :channel
        AND received_ns >= at * {MINUTE_NS} AND received_ns < (at + 1) * {MINUTE_NS}
    WHERE NOT EXISTS (SELECT 1 FROM minute WHERE channel_id = :channel AND minute = at)
    GROUP BY at
),
part AS MATERIALIZED (
    SELECT minute AS at, rows, count, low, high, total, first, last, 1 AS stored FROM minute
    WHERE channel_id = :channel AND minute BETWEEN :hour * 60 AND :hour * 60 + 59
    UNION ALL
    SELECT at, rows, count, low, high, total, {_edge("ASC")}, {_edge("DESC")}, 0 FROM few
)
SELECT :channel, :hour, sum(rows), sum(count), min(low), max(high), sum(total),
    (SELECT first FROM part WHERE first IS NOT NULL ORDER BY at LIMIT 1),
    (SELECT last FROM part WHERE last IS NOT NULL ORDER BY at DESC LIMIT 1),
    sum(stored)
FROM part HAVING sum(rows) > 0"""  # noqa: S608 - constants of this file
FIRST_NS = """
SELECT min((SELECT received_ns FROM reading WHERE block_id = block.id AND channel_id = :channel
    AND received_ns >= :start ORDER BY received_ns LIMIT 1)) FROM block WHERE run_id = :run"""


class Overviews:
    """The overviews of a run that is being written."""

    def __init__(self, database: sqlite3.Connection, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._minute = 0  # in which the newest reading is
        self._done: dict[int, tuple[int, int]] = {}

    def forget(self) -> None:
        """A transaction was rolled back: what is done is read from the file again."""
        self._done.clear()
        self._minute = 0

    def update(self, places: Iterable[Place], newest_ns: int) -> None:
        """Write the minutes and hours that are over, if a reading is in another minute than the newest one before."""
        minute = newest_ns // MINUTE_NS
        if minute != self._minute:
            self.complete(places)
            self._minute = minute

    def complete(self, places: Iterable[Place]) -> None:
        """Write all minutes and hours of channels that are over."""
        for place in places:
            if place.received_ns > NEVER_NS:
                self._complete(place.channel_id, place.received_ns)

    def close(self, places: Iterable[Place]) -> None:
        """Write what is over of channels that get no reading any more: their segment has ended."""
        places = list(places)
        self.complete(places)
        for place in places:
            self._done.pop(place.channel_id, None)

    def _complete(self, channel: int, newest_ns: int) -> None:
        minutes, hours = self._done.get(channel) or self._stored(channel)
        minute, hour = newest_ns // MINUTE_NS, newest_ns // HOUR_NS
        values = {"channel": channel, "run": self._run_id}
        if minutes < minute:
            self._database.execute(MINUTES, values | {"start": minutes * MINUTE_NS, "end": minute * MINUTE_NS})
        while hours < hour:
            (first_ns,) = self._database.execute(FIRST_NS, values | {"start": hours * HOUR_NS}).fetchone()
            hours = min(hour, first_ns // HOUR_NS)
            if hours < hour:
                self._database.execute(HOUR, values | {"hour": hours})
                hours += 1
        self._done[channel] = minute, hour

    def _stored(self, channel: int) -> tuple[int, int]:
        """Return the first minute and hour of a channel that have no rows yet."""
        (minutes, hours) = self._database.execute(
            "SELECT (SELECT max(minute) + 1 FROM minute WHERE channel_id = :channel),"
            " (SELECT max(hour) + 1 FROM hour WHERE channel_id = :channel)",
            {"channel": channel},
        ).fetchone()
        if minutes is None or hours is None:
            values = {"channel": channel, "run": self._run_id, "start": NEVER_NS}
            (first_ns,) = self._database.execute(FIRST_NS, values).fetchone()
            hours = first_ns // HOUR_NS if hours is None else hours
            minutes = max(first_ns // MINUTE_NS, hours * 60) if minutes is None else minutes
        return minutes, hours


def rebuild(database: sqlite3.Connection) -> None:
    """Write the overviews of all channels again. Within a transaction of the caller."""
    database.execute("DELETE FROM minute")
    database.execute("DELETE FROM hour")
    newest = "SELECT max(received_ns) FROM reading WHERE block_id = block.id AND channel_id = channel.id"
    for run_id, channel, received_ns in database.execute(
        f"SELECT run_id, id, (SELECT max(({newest})) FROM block WHERE block.run_id = channel.run_id) FROM channel"  # noqa: S608
    ).fetchall():
        if received_ns is not None:
            Overviews(database, run_id).complete([Place(channel, received_ns)])

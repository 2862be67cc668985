"""The newest rows of each channel of an SQLite recording that grows, each read once."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

from msgspec import Struct

from riglog.live.source import LiveChannel, Point
from riglog.model import NS
from riglog.recordings.gaps import Key
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, Reading, StoredRows

MS = NS // 1000
LOOK_BACK_ROWS = 10_000
"""So far back a last value is looked for, at the first look only."""
PERIOD_ROWS = 8
MOST_EQUAL = 2**31
"""More than the readings of a channel that can have the same time."""
MOST_POINTS = 20
"""Of a channel in one message; more of them become their least, their greatest and their last."""
CHANNELS = """
SELECT series.id, channel.id, channel.run_id, channel.segment, series.device, series.parameter, series.instance,
    channel.unit, run.rate_hz, run.run
FROM channel JOIN series ON series.id = channel.series_id JOIN run ON run.id = channel.run_id
WHERE channel.id > :known ORDER BY channel.id"""
NEWEST = f"""
SELECT {READING_COLUMNS} FROM channel CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = channel.id
WHERE channel.id = :channel ORDER BY block.id DESC, reading.received_ns DESC, reading.n DESC LIMIT {LOOK_BACK_ROWS}"""  # noqa: S608 - constants
Place = tuple[int, int]
"""``received_ns`` and ``n``: the order of rows within a channel."""


class _Stored(Struct):
    """A channel of the file, and how far it was read."""

    id: int
    run_id: int
    segment: int
    rate_hz: float | None
    run: str
    seen: Place | None = None
    newest: Place | None = None


class Tail:
    """The channels of a recording that is open. ``channels`` are in the order in which they first appeared."""

    def __init__(self, database: sqlite3.Connection, before: "Tail | None" = None) -> None:
        """Open it. ``before`` is that of the file before, in a rotation: its channels go on, with their ids."""
        self.channels: dict[int, LiveChannel] = {} if before is None else before.channels
        self._ids: dict[int, int] = {}
        self._known_ids = {(each.device, each.parameter, each.instance): each.id for each in self.channels.values()}
        self._database = database
        self._row = StoredRows(database).row
        self._known = 0
        self._stored: dict[int, list[_Stored]] = {}
        self._goes_on = before is not None

    def read(self, shown: Callable[[float | None, str | None], str]) -> dict[int, list[Point]]:
        """Read what is new; return the new values of each channel.

        Args:
            shown: how a value is written.
        """
        self._find_channels()
        self._goes_on = False
        points: dict[int, list[Point]] = {}
        for series, stored in self._stored.items():
            channel = self.channels[self._ids[series]]
            new = self._read(channel, stored, shown)
            if new:
                points[channel.id] = thinned(new)
        return points

    def _find_channels(self) -> None:
        for series, number, run_id, segment, device, parameter, instance, unit, rate, run in self._database.execute(
            CHANNELS, {"known": self._known}
        ).fetchall():
            self._known = max(self._known, number)
            name = str(Key("", device, parameter, instance))
            if series not in self._ids:
                free = series if series not in self.channels else max(self.channels) + 1
                self._ids[series] = self._known_ids.get((device, parameter, instance), free)
            id = self._ids[series]
            channel = self.channels.setdefault(
                id,
                LiveChannel(
                    id=id,
                    host=None,
                    device=device,
                    parameter=parameter,
                    instance=instance,
                    name=name,
                    run=run,
                    unit=unit,
                ),
            )
            if unit is not None:
                channel.unit = unit
            found = _Stored(number, run_id, segment, rate, run)
            if self._goes_on and channel.received_ms is not None:
                found.seen = round(channel.received_ms * MS), MOST_EQUAL
            present = self._stored.setdefault(series, [])
            if present and (run_id, segment) < (present[0].run_id, present[0].segment):
                continue
            if present and (run_id, segment) > (present[0].run_id, present[0].segment):
                present.clear()
            present.append(found)

    def _read(
        self, channel: LiveChannel, stored: list[_Stored], shown: Callable[[float | None, str | None], str]
    ) -> list[Point]:
        """Bring a channel up to date from the newest of its stored channels; return its new values."""
        first_look = channel.received_ms is None
        rows: list[tuple[Reading, Row]] = []
        for each in stored:
            found = list(self._newest(each, channel))
            if found and (not rows or found[0][0][0] >= rows[0][0][0]):
                rows = found
                newest = each
        if not rows:
            return []
        new = [(reading, row) for reading, row in rows if newest.seen is None or reading[:2] > newest.seen]
        newest.seen = rows[0][0][:2]
        if not new:
            return []
        self._update(channel, newest, rows, shown)
        points = [(reading[0] / MS, row.value if row.unit == channel.unit else None) for reading, row in reversed(new)]
        return [] if first_look else points

    def _newest(self, stored: _Stored, channel: LiveChannel) -> Iterator[tuple[Reading, Row]]:
        """Return the newest rows, the newest one first: those not seen yet, and enough for the period and the value."""
        cursor = self._database.execute(NEWEST, {"channel": stored.id})
        with_value = channel.value_ms is not None or stored.seen is not None
        try:
            for number, reading in enumerate(cursor):
                row = self._row(reading)
                yield reading, row
                with_value = with_value or has_value(row)
                is_seen = stored.seen is not None and reading[:2] <= stored.seen
                if (is_seen or stored.seen is None) and number >= PERIOD_ROWS and with_value:
                    return
        finally:
            cursor.close()

    def _update(
        self,
        channel: LiveChannel,
        stored: _Stored,
        rows: list[tuple[Reading, Row]],
        shown: Callable[[float | None, str | None], str],
    ) -> None:
        reading, row = rows[0]
        channel.run = row.run
        channel.received_ms = reading[0] / MS
        channel.status, channel.flags, channel.error = row.status, row.flags, row.error
        channel.period = period_of([reading[0] for reading, _ in rows[: PERIOD_ROWS + 1]], stored.rate_hz)
        valued = next(((reading, row) for reading, row in rows if has_value(row)), None)
        if valued is not None:
            (received, *_), row = valued
            channel.value, channel.text, channel.value_ms = row.value, row.text, received / MS
            channel.unit = row.unit if row.unit is not None else channel.unit
            channel.shown = shown(row.value, row.text)


def has_value(row: Row) -> bool:
    """Return whether a row has a value: a number or a text."""
    return row.value is not None or row.text is not None


def period_of(received: list[int], rate_hz: float | None) -> float:
    """Return the seconds between the newest rows; those of a burst have one time."""
    times = sorted(set(received))
    between = [later - earlier for earlier, later in pairwise(times)]
    return median(between) / NS if between else 1 / (rate_hz or 1.0)


def thinned(points: list[Point]) -> list[Point]:
    """Return few points of many: the first without a value, the least, the greatest and the last one."""
    if len(points) <= MOST_POINTS:
        return points
    valued = [(at, value) for at, value in points if value is not None]
    chosen: set[Point] = {points[-1], *[point for point in points if point[1] is None][:1]}
    if valued:
        chosen |= {min(valued, key=lambda point: point[1]), max(valued, key=lambda point: point[1])}
    return sorted(chosen, key=lambda point: point[0])

"""The parts of a channel in buckets, by unit. The minutes and hours of an overview do not distinguish units.

A unit hardly ever changes. So only the buckets with a value in another unit than the usual one of the channel are
summed from their readings; they are looked up once, and not at all if no row of the recording can be in another unit.
"""

import sqlite3
from collections.abc import Iterator

from msgspec import Struct

from riglog.recordings.parts import Part, channel_parts

ROWS = """
FROM block CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = :channel
    AND reading.received_ns >= :start AND reading.received_ns < :end
WHERE block.run_id = :run"""
ANY = "SELECT EXISTS (SELECT 1 FROM annotation WHERE unit IS NOT :unit AND status NOT IN ('missing', 'skipped'))"
UNIT = "(SELECT unit FROM annotation WHERE id = reading.annotation_id)"
OTHER = f"""
SELECT reading.received_ns {ROWS} AND reading.value IS NOT NULL
    AND reading.annotation_id IS NOT NULL AND {UNIT} IS NOT :unit
ORDER BY block.id, reading.received_ns LIMIT 1"""
SUMS = f"""
SELECT annotation_id, min(CASE WHEN value IS NOT NULL THEN received_ns END), count(*), count(value), min(value),
    max(value), sum(value) {ROWS} GROUP BY annotation_id"""
EDGES = tuple(
    f"""
SELECT value {ROWS} AND reading.value IS NOT NULL
    AND (CASE WHEN annotation_id IS NULL THEN :usual ELSE {UNIT} END) IS :unit
ORDER BY block.id {order}, received_ns {order}, n {order} LIMIT 1"""
    for order in ("ASC", "DESC")
)


class StoredChannel(Struct, frozen=True):
    """A channel of the file. ``unit`` is that of its rows without an annotation."""

    id: int
    run_id: int
    unit: str | None


UnitPart = tuple[str | None, int, Part]
"""Unit, when it begins, and what its rows come to. Rows without a value are a part of their own, without a unit."""


class UnitReader:
    """Reads the parts of channels of one recording of schema 2, by unit."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._units: dict[int, str | None] = {}

    def parts(
        self, channel: StoredChannel, start: int, end: int, width: int, *, edges: bool = True
    ) -> Iterator[UnitPart]:
        """Return the parts of a channel as ``channel_parts`` does, each in one unit; those of one unit in order."""
        mixed = set(self.mixed_buckets(channel, start, end, width))
        for at, part in channel_parts(self._database, channel.run_id, channel.id, start, end, width, edges=edges):
            if at // width not in mixed:
                yield channel.unit if part.count else None, at, part
        for bucket in sorted(mixed):
            yield from self._of_bucket(channel, max(start, bucket * width), min(end, (bucket + 1) * width), edges)

    def mixed_buckets(self, channel: StoredChannel, start: int, end: int, width: int) -> Iterator[int]:
        """Return the numbers of the buckets with a value in another unit than that of the channel, in their order."""
        if not self._database.execute(ANY, {"unit": channel.unit}).fetchone()[0]:
            return
        place = _place(channel, end) | {"unit": channel.unit}
        while found := self._database.execute(OTHER, place | {"start": start}).fetchone():
            bucket = found[0] // width
            yield bucket
            start = (bucket + 1) * width

    def _of_bucket(self, channel: StoredChannel, start: int, end: int, edges: bool) -> Iterator[UnitPart]:
        place = _place(channel, end) | {"start": start}
        found: dict[str | None, tuple[int, Part]] = {}
        valueless = 0
        for annotation, first_ns, rows, count, low, high, total in self._database.execute(SUMS, place).fetchall():
            valueless += rows - count
            if count:
                unit = channel.unit if annotation is None else self._unit(annotation)
                began, part = found.get(unit, (first_ns, Part()))
                part.add(Part(count, count, low, high, total))
                found[unit] = min(began, first_ns), part
        if valueless:
            yield None, start, Part(valueless)
        for unit, (first_ns, part) in sorted(found.items(), key=lambda item: item[1][0]):
            if edges:
                wanted = place | {"unit": unit, "usual": channel.unit}
                part.first, part.last = (self._database.execute(sql, wanted).fetchone()[0] for sql in EDGES)
            yield unit, first_ns, part

    def _unit(self, annotation: int) -> str | None:
        if annotation not in self._units:
            found = self._database.execute("SELECT unit FROM annotation WHERE id = :id", {"id": annotation}).fetchone()
            self._units[annotation] = None if found is None else found[0]
        return self._units[annotation]


def _place(channel: StoredChannel, end: int) -> dict[str, int]:
    return {"channel": channel.id, "run": channel.run_id, "end": end}

"""Overviews of a recording: each channel in a number of buckets of time, at a cost that depends on their number."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import NS, iso
from riglog.recordings.parts import Part, span_of_channel
from riglog.recordings.units import StoredChannel, UnitReader
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.overviews import HOUR_NS, MINUTE_NS
from riglog.sinks.sqlite.reader import opened_recording
from riglog.sinks.sqlite.recorded import Recorded2, Selection, nanoseconds, recorded

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

    All numbers are in ``unit``; it is None without one. A time with numbers in several units has a bucket for each,
    and the first of them counts the rows without a number.
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
    unit: str | None = None


Series = tuple[str, str, int]


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


class _Sums:
    """The buckets of one series: by their number, and in each by unit in the order of its first number."""

    def __init__(self) -> None:
        self._valued: dict[int, dict[str | None, Part]] = {}
        self._valueless: dict[int, int] = {}

    def add(self, number: int, unit: str | None, part: Part) -> None:
        if part.count:
            self._valued.setdefault(number, {}).setdefault(unit, Part()).add(part)
        else:
            self._valueless[number] = self._valueless.get(number, 0) + part.rows

    def parts(self) -> Iterator[tuple[int, str | None, Part]]:
        """Return number, unit and part of each bucket."""
        for number in sorted(self._valued.keys() | self._valueless.keys()):
            valueless = self._valueless.get(number, 0)
            for unit, part in self._valued.get(number, {None: Part()}).items():
                part.rows += valueless
                valueless = 0
                yield number, unit, part


def overview(path: Path, selection: Selection, buckets: int) -> list[Bucket]:
    """Return the overview of a selection of an SQLite recording; see ``Rows.overview``."""
    with opened_recording(path) as database:
        source = recorded(database)
        if not isinstance(source, Recorded2):
            rows = [row for page in source.pages(selection) for row in page.rows]
            return overview_of_rows(rows, selection, buckets)
        channels = _channels(database, selection)
        spans = [span_of_channel(database, channel.run_id, channel.id) for _, channel in channels]
        limits = _limits(spans, selection)
        if limits is None:
            return []
        start, end, width = *limits, bucket_width(limits[1] - limits[0], buckets)
        found: dict[Series, _Sums] = {}
        reader = UnitReader(database)
        for series, channel in channels:
            sums = found.setdefault(series, _Sums())
            for unit, at, part in reader.parts(channel, start, end, width):
                sums.add(at // width, unit, part)
        return _buckets(found, width)


def overview_of_rows(rows: Iterable[Row], selection: Selection, buckets: int) -> list[Bucket]:
    """Return the overview of rows that have no overviews of their own: all of them are read."""
    timed = [(nanoseconds(row.received_at), row) for row in rows]
    limits = _limits([(at, at) for at, _ in timed], selection)
    if limits is None:
        return []
    width = bucket_width(limits[1] - limits[0], buckets)
    found: dict[Series, _Sums] = {}
    for at, row in timed:
        number = Part(1) if row.value is None else Part(1, 1, row.value, row.value, row.value, row.value, row.value)
        found.setdefault((row.device, row.parameter, row.instance), _Sums()).add(at // width, row.unit, number)
    return _buckets(found, width)


def _buckets(found: dict[Series, _Sums], width: int) -> list[Bucket]:
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
            unit,
        )
        for series, sums in found.items()
        for number, unit, part in sums.parts()
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


def _channels(database: sqlite3.Connection, selection: Selection) -> list[tuple[Series, StoredChannel]]:
    """Return the selected channels with their series, the earlier ones of a series first."""
    where, values = Selection(selection.run, selection.device, selection.parameter).condition("")
    tables = f"channel JOIN series ON series.id = series_id WHERE {where} ORDER BY series.id, run_id, segment"
    query = f"SELECT device, parameter, instance, channel.id, run_id, unit FROM {tables}"  # noqa: S608 - placeholders
    found = database.execute(query, values)
    return [((device, parameter, instance), StoredChannel(*stored)) for device, parameter, instance, *stored in found]

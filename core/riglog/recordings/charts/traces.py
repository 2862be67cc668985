"""Channels as lines of a chart: their rows if there are few, else buckets of time with lowest, highest and mean.

A line is broken where there is no value. What is suspect or faulty is marked, in a long time once in a bucket.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from riglog.model import NS
from riglog.recordings.gaps import STEP_S, has_own_time
from riglog.recordings.marks import MARKED, first_marks
from riglog.recordings.parts import Part
from riglog.recordings.units import StoredChannel, UnitReader
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.recorded import Recorded2, nanoseconds

SINGLE_ROWS = 4_000
"""A channel with more rows is drawn in buckets."""


class Marks(Struct):
    """Rows with a status that is marked. ``values`` has NaN for a row without a value."""

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class Trace(Struct, kw_only=True):
    """One channel of one run in one unit.

    ``times`` are in seconds since the epoch (UTC), of rows or of the middles of buckets. ``values`` are those of
    rows or the means of buckets; NaN breaks the line. ``low`` and ``high`` are None if rows are drawn singly.
    ``marks`` are by status.
    """

    run: str
    device: str
    parameter: str
    instance: int
    unit: str | None
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    low: list[float] | None = None
    high: list[float] | None = None
    marks: dict[str, Marks] = field(default_factory=dict)

    @property
    def channel(self) -> str:
        """Return its name: ``oven.process_value``, ``oven.process_value[2]``."""
        return channel_text(self.device, self.parameter, self.instance)

    @property
    def has_values(self) -> bool:
        return any(not math.isnan(value) for value in self.values)

    def add(self, at: float, value: float, low: float | None = None, high: float | None = None) -> None:
        self.times.append(at)
        self.values.append(value)
        if self.low is not None and self.high is not None:
            self.low.append(math.nan if low is None else low)
            self.high.append(math.nan if high is None else high)

    def mark(self, status: str, at: float, value: float | None) -> None:
        marks = self.marks.setdefault(status, Marks())
        marks.times.append(at)
        marks.values.append(math.nan if value is None else value)

    def append(self, later: "Trace") -> None:
        """Add the points of another trace of the same channel; the line is broken between them."""
        if later.times:
            self.interrupt(later.times[0])
        for at, value, low, high in zip(
            later.times, later.values, later.low or later.values, later.high or later.values, strict=True
        ):
            if later.low is not None and self.low is None:
                self.low, self.high = [*self.values], [*self.values]
            self.add(at, value, low, high)
        for status, marks in later.marks.items():
            for at, value in zip(marks.times, marks.values, strict=True):
                self.mark(status, at, value)

    def shift(self, seconds: float) -> None:
        """Move all points in time."""
        self.times = [at + seconds for at in self.times]
        for marks in self.marks.values():
            marks.times = [at + seconds for at in marks.times]

    def interrupt(self, at: float) -> None:
        """Break the line, unless it is broken already."""
        if self.values and not math.isnan(self.values[-1]):
            self.add(at, math.nan)


class ChannelId(NamedTuple):
    """A channel of a recording of schema 2."""

    id: int
    run_id: int
    segment: int
    run: str
    device: str
    parameter: str
    instance: int
    unit: str | None


def channel_text(device: str, parameter: str, instance: int) -> str:
    """Return the name of a channel as in messages: ``oven.process_value``, ``oven.process_value[2]``."""
    return f"{device}.{parameter}" + (f"[{instance}]" if instance != 1 else "")


class _Reading(NamedTuple):
    """One row. ``clock`` is the monotonic clock minus UTC in seconds, from any zero; None: not known."""

    at_ns: int
    value: float | None
    unit: str | None
    status: str
    tick: int | None
    clock: float | None


class _Buckets:
    """What the readings of a channel come to in buckets of time, by unit, and those that are marked."""

    def __init__(self, width_ns: int) -> None:
        self._width = width_ns
        self._sums: dict[str | None, dict[int, Part]] = {}
        self._marks: dict[tuple[str | None, str, int], tuple[int, float | None]] = {}

    def add(self, unit: str | None, at_ns: int, part: Part) -> None:
        self._sums.setdefault(unit, {}).setdefault(at_ns // self._width, Part()).add(part)

    def mark(self, unit: str | None, status: str, at_ns: int, value: float | None) -> None:
        """Mark a reading, unless its bucket has an earlier one of this status."""
        self._marks.setdefault((unit, status, at_ns // self._width), (at_ns, value))

    def add_readings(self, readings: Iterable[_Reading]) -> "_Buckets":
        for reading in readings:
            if reading.value is not None:
                value = reading.value
                self.add(reading.unit, reading.at_ns, Part(1, 1, value, value, value))
            if reading.status in MARKED:
                self.mark(reading.unit, reading.status, reading.at_ns, reading.value)
        return self

    def traces(self, channel: ChannelId) -> list[Trace]:
        """Return one for each unit."""
        units = dict.fromkeys([*self._sums, *(unit for unit, *_ in self._marks)]) or {channel.unit: None}
        traces = {unit: _line(channel, unit, self._sums.get(unit, {}), self._width) for unit in units}
        for (unit, status, _), (at_ns, value) in self._marks.items():
            traces[unit].mark(status, at_ns / NS, value)
        return list(traces.values())


class TraceReader:
    """Reads the readings of channels of one recording of schema 2, from ``start_ns`` on and before ``end_ns``.

    Args:
        width_ns: of a bucket.
    """

    def __init__(self, source: Recorded2, start_ns: int, end_ns: int, width_ns: int) -> None:
        self._database = source.database
        self._start = start_ns
        self._end = end_ns
        self._width = width_ns
        self._annotations: dict[int, tuple[str | None, str]] = {
            number: (unit, status)
            for number, unit, status in self._database.execute("SELECT id, unit, status FROM annotation")
        }
        self._reader = UnitReader(source.database)

    def readings(self, channel: ChannelId, most: int) -> list[_Reading] | None:
        """Return the readings of a channel; None if there are more than ``most``."""
        place = self._place(channel)
        if most < 0 or self._database.execute(HAS_MORE, place | {"most": most}).fetchone()[0]:
            return None
        rows = self._database.execute(ROWS, place).fetchall()
        readings = []
        for at_ns, value, annotation, tick, skew_ns in rows:
            unit, status = (channel.unit, "ok") if annotation is None else self._annotations[annotation]
            readings.append(_Reading(at_ns, value, unit, status, tick, None if skew_ns is None else skew_ns / NS))
        return readings

    def add_buckets(self, channel: ChannelId, to: _Buckets) -> None:
        """Add what the readings of a channel come to in buckets, and those that are marked."""
        stored = StoredChannel(channel.id, channel.run_id, channel.unit)
        for unit, at, part in self._reader.parts(stored, self._start, self._end, self._width, edges=False):
            if part.count:
                to.add(unit, at, part)
        for _, at_ns, value, unit, status in first_marks(self._database, stored, self._start, self._end, self._width):
            to.mark(unit, status, at_ns, value)

    def _place(self, channel: ChannelId) -> dict[str, int]:
        return {"channel": channel.id, "run": channel.run_id, "start": self._start, "end": self._end}


class Line:
    """A channel of one run, in one piece or in several, such as the files of a rotation. Its readings if they are few,
    else buckets of them.
    """

    def __init__(self, channel: ChannelId, width_ns: int) -> None:
        self._channel = channel
        self._width = width_ns
        self._readings: list[_Reading] | None = []
        self._buckets = _Buckets(width_ns)

    def add(self, reader: TraceReader, channel: ChannelId) -> None:
        """Add the next piece."""
        if self._readings is not None:
            found = reader.readings(channel, SINGLE_ROWS - len(self._readings))
            if found is not None:
                self._readings += found
                return
            self._buckets.add_readings(self._readings)
            self._readings = None
        reader.add_buckets(channel, self._buckets)

    def traces(self) -> list[Trace]:
        """Return its traces: one for each unit."""
        if self._readings is not None:
            return _single(self._channel, self._readings)
        return self._buckets.traces(self._channel)


def traces_of_rows(rows: Iterable[Row], width_ns: int) -> list[Trace]:
    """Return the traces of rows that are in no SQLite recording of schema 2: all of them are read, and kept."""
    found: dict[ChannelId, list[_Reading]] = {}
    for row in rows:
        key = ChannelId(0, 0, 0, row.run or "", row.device, row.parameter, row.instance, None)
        at_ns = nanoseconds(row.midpoint_at if has_own_time(row) else row.received_at)
        clock = None if has_own_time(row) else (row.monotonic_ns - nanoseconds(row.midpoint_at)) / NS
        reading = _Reading(at_ns, row.value, row.unit, row.status, row.tick, clock)
        found.setdefault(key, []).append(reading)
    return [
        trace
        for channel, readings in found.items()
        for trace in (
            _single(channel, readings)
            if len(readings) <= SINGLE_ROWS
            else _Buckets(width_ns).add_readings(readings).traces(channel)
        )
    ]


def _single(channel: ChannelId, readings: Sequence[_Reading]) -> list[Trace]:
    """Return the traces of a channel with a point for each row that has a number."""
    traces: dict[str | None, Trace] = {}
    last: _Reading | None = None
    for reading in readings:
        at = reading.at_ns / NS
        if last is not None and (reading.value is None or reading.unit != last.unit or _is_apart(last, reading)):
            for trace in traces.values():
                trace.interrupt(at)
        last = reading
        if reading.value is not None or reading.status in MARKED:
            trace = traces.setdefault(reading.unit, _trace(channel, reading.unit))
            if reading.value is not None:
                trace.add(at, reading.value)
            if reading.status in MARKED:
                trace.mark(reading.status, at, reading.value)
    return list(traces.values())


def _is_apart(last: _Reading, reading: _Reading) -> bool:
    """Return True if slots without a row are between two rows, the computer was suspended, or the clock set back."""
    if last.tick is not None and reading.tick is not None and reading.tick - last.tick > 1:
        return True
    gained = last.clock is not None and reading.clock is not None and last.clock - reading.clock > STEP_S
    return gained or reading.at_ns < last.at_ns


def _line(channel: ChannelId, unit: str | None, buckets: dict[int, Part], width: int) -> Trace:
    """Return the trace of buckets by their number. It is broken where one is missing, or has no value."""
    trace = _trace(channel, unit)
    trace.low, trace.high = [], []
    last = None
    for number, sums in sorted(buckets.items()):
        if last is not None and number != last + 1:
            trace.interrupt((last + 1) * width / NS)
        last = number
        if sums.count:
            trace.add((number + 0.5) * width / NS, sums.total / sums.count, sums.low, sums.high)
        else:
            trace.interrupt(number * width / NS)
    return trace


def _trace(channel: ChannelId, unit: str | None) -> Trace:
    return Trace(
        run=channel.run,
        device=channel.device,
        parameter=channel.parameter,
        instance=channel.instance,
        unit=unit,
    )


READINGS = """FROM block CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = :channel
AND received_ns >= :start AND received_ns < :end WHERE block.run_id = :run"""
AT = "received_ns + coalesce(own_ns, 0)"
ROWS = f"""SELECT {AT}, value, annotation_id, tick, CASE WHEN own_ns IS NULL THEN skew_ns END {READINGS}
ORDER BY block.id, received_ns, n"""
HAS_MORE = f"SELECT EXISTS (SELECT 1 {READINGS} LIMIT 1 OFFSET :most)"

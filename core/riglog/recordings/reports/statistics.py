"""What the rows of a channel come to in a report: from its rows one by one, or from the overviews of its recording.

A sum of the overviews has been rounded in another order than one of all rows. So the most that this can change is
summed beside it, and where it could change a digit that is shown, the values are added one by one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct, field

from riglog.recordings.gaps import Key
from riglog.recordings.parts import TABLES, Part, Readings, channel_parts
from riglog.recordings.selection import Selection
from riglog.recordings.stored_channels import ChannelTime, selected_channels
from riglog.recordings.units import UnitPart, UnitReader
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.overviews import HOUR_NS

ROUNDING = 2.0**-52
"""Twice the share of a sum that one addition loses at most: this covers both ways of adding."""
HAS_ANNOTATIONS = "SELECT EXISTS (SELECT 1 FROM annotation)"
ANNOTATED = f"""
SELECT unit, coalesce(status, 'ok'), sum(rows), sum(valued), min(first_ns) FROM (
    SELECT annotation_id, count(*) AS rows, count(value) AS valued, min(received_ns) AS first_ns
    {TABLES} AND annotation_id IS NOT NULL GROUP BY annotation_id
) LEFT JOIN annotation ON annotation.id = annotation_id GROUP BY 1, 2"""  # noqa: S608 - constants
FIRST_USUAL = f"SELECT received_ns {TABLES} AND annotation_id IS NULL ORDER BY block.id, received_ns LIMIT 1"
VALUES = f"""SELECT value {TABLES} AND value IS NOT NULL AND iif(
    annotation_id IS NULL, :usual, (SELECT unit FROM annotation WHERE id = annotation_id)) IS :unit"""  # noqa: S608 - constants
Units = dict[str | None, "Statistics"]


class Statistics(Struct, kw_only=True):
    """What the rows of one channel of a run come to in one unit."""

    rows: int = 0
    count: int = 0
    low: float | None = None
    high: float | None = None
    first: float | None = None
    last: float | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    _total: float = 0.0
    _lost: float = 0.0
    _error: float = 0.0

    def add(self, row: Row) -> None:
        self.add_rows(row.status, 1)
        if row.value is not None:
            self.add_values(Part(1, 1, row.value, row.value, row.value, row.value, row.value))

    def add_rows(self, status: str, rows: int) -> None:
        self.rows += rows
        self.statuses[status] = self.statuses.get(status, 0) + rows

    def add_values(self, part: Part) -> None:
        """Add the values of a part; its rows and their status are added by themselves."""
        if not part.count or part.low is None or part.high is None:
            return
        self.low = part.low if self.low is None else min(self.low, part.low)
        self.high = part.high if self.high is None else max(self.high, part.high)
        self.first = part.first if self.count == 0 else self.first
        self.last = part.last
        self.count += part.count
        self._add_to_sum(part.total)
        if part.count > 1:
            self._error += ROUNDING * part.count * (part.count + 1) * max(abs(part.low), abs(part.high))

    def sum_again(self, values: Iterable[float]) -> None:
        """Sum the values that were added once more, one by one."""
        self._total = self._lost = self._error = 0.0
        for value in islice(values, self.count):
            self._add_to_sum(value)

    def _add_to_sum(self, value: float) -> None:
        total = self._total + value  # with what rounding loses, so that the mean is exact to the last digit shown
        larger, smaller = (self._total, value) if abs(self._total) >= abs(value) else (value, self._total)
        self._lost += larger - total + smaller
        self._total = total

    @property
    def mean(self) -> float | None:
        return (self._total + self._lost) / self.count if self.count else None

    @property
    def is_mean_certain(self) -> bool:
        """False if the order in which values were added can change a digit of the mean that is shown."""
        if self.mean is None or not self._error:
            return True
        error = self._error / self.count
        return number(self.mean - error) == number(self.mean + error)


def number(value: float | None) -> str:
    """Return a value with seven significant digits, as the tables of riglog show it."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.7g}"


def add_channel(channel: ChannelTime, units: Units) -> None:
    """Add what the rows of a channel come to, by unit in the order of their first rows."""
    database, usual = channel.database, channel.stored.unit
    place = Readings(database, channel.stored.run_id, channel.stored.id).place(channel.start, channel.end)
    annotated: list[tuple[str | None, str, int, int, int]] = []
    if database.execute(HAS_ANNOTATIONS).fetchone()[0]:
        annotated = database.execute(ANNOTATED, place).fetchall()
    others = any(valued and unit != usual for unit, _, _, valued, _ in annotated)
    parts = list(_parts(channel, mixed=others))
    usual_rows = sum(part.rows for _, _, part in parts) - sum(rows for _, _, rows, _, _ in annotated)
    found = [(first_ns, unit, status, rows) for unit, status, rows, _, first_ns in annotated]
    if usual_rows:
        first_ns = database.execute(FIRST_USUAL, place).fetchone()[0] if annotated else channel.start
        found.append((first_ns, usual, "ok", usual_rows))
    for _, unit, status, rows in sorted(found, key=lambda each: each[0]):
        units.setdefault(unit, Statistics()).add_rows(status, rows)
    for unit, _, part in sorted(parts, key=lambda each: each[1] // HOUR_NS):  # within an hour they are in order
        if part.count:
            units[unit].add_values(part)


def _parts(channel: ChannelTime, *, mixed: bool) -> Iterator[UnitPart]:
    stored, start, end = channel.stored, channel.start, channel.end
    if mixed:
        yield from UnitReader(channel.database).parts(stored, start, end, HOUR_NS)
        return
    for at, part in channel_parts(channel.database, stored.run_id, stored.id, start, end, HOUR_NS):
        yield stored.unit, at, part


def make_certain(paths: Sequence[Path], selection: Selection, statistics: dict[Key, Units]) -> None:
    """Sum the values of those channels once more whose mean is not certain to the last digit that is shown."""
    wanted = {
        key: [unit for unit, each in units.items() if not each.is_mean_certain] for key, units in statistics.items()
    }

    def values(key: Key, unit: str | None) -> Iterator[float]:
        one = Selection(key.run, key.device, key.parameter, selection.start, selection.end)
        for channel in selected_channels(paths, one):
            if channel.key == key:
                place = Readings(channel.database, channel.stored.run_id, channel.stored.id).place(
                    channel.start, channel.end
                )
                for (value,) in channel.database.execute(VALUES, place | {"unit": unit, "usual": channel.stored.unit}):
                    yield value

    for key, inexact in wanted.items():
        for unit in inexact:
            statistics[key][unit].sum_again(values(key, unit))

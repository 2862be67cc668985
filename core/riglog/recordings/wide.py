"""One row per tick, one column per channel: the form for spreadsheets. Nothing is filled, averaged or moved.

A row is a tick of a run where all channels share their ticks. Ticks of devices with different rates, or with none, do
not mean the same moment; then a row is a stretch of time, and a cell the last value received in it.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from riglog.model import NS, iso
from riglog.sinks.columns import Column, Kind
from riglog.sinks.sqlite.schema import SAMPLE_TABLES

AGREE_TICKS = 1.0
"""Channels share their ticks if their rates, measured over the recording, take them no further apart than this."""
PAGE = 2_000
_UNIT = "CASE WHEN reading.note_id IS NULL THEN channel.unit ELSE note.unit END"


class Layout(Struct, frozen=True):
    """``cells`` are (channel, unit) to column; ``every_ns`` is the length of a stretch, None for rows of ticks."""

    columns: tuple[Column, ...]
    cells: dict[tuple[int, str | None], int]
    numeric: frozenset[int]
    every_ns: int | None


class _Seen(Struct, frozen=True):
    """What a channel did in one unit over the whole selection."""

    channel: int
    run: int
    name: str
    unit: str | None
    numbers: int
    words: int
    untimed: int
    rate: float | None
    span: int
    usual: float | None

    @property
    def slot_s(self) -> float:
        """Seconds from slot to slot: of the run, if the channel keeps to it, or else as measured."""
        if self.rate is None or (self.usual and abs(self.rate / self.usual - 1) < 0.02):
            return 1 / (self.usual or 1.0)
        return 1 / float(f"{self.rate:.3g}")


def layout(database: sqlite3.Connection, where: str, values: list[object], every: float | None) -> Layout:
    """Find out which columns there are; goes through the recording once.

    Args:
        every: seconds of a stretch of time, None to let the recording decide.
    """
    seen = list(_survey(database, where, values))
    filled = {one.channel for one in seen if one.numbers or one.words}
    named: dict[str, int] = {}
    cells, numeric = {}, set()
    for one in seen:
        if one.numbers or one.words or one.channel not in filled:
            label = f"{one.name} [{one.unit}]" if one.unit else one.name
            at = cells[one.channel, one.unit] = named.setdefault(label, len(named))
            if one.numbers:
                numeric.add(at)
    if every is None and not _ticks_agree(seen):
        every = max((one.slot_s for one in seen if one.rate or one.untimed), default=1.0)
    lead = [Column("run", Kind.TEXT, True), *([] if every else [Column("tick", Kind.INTEGER)])]
    lead.append(Column("time", Kind.TIME, True))
    columns = [Column(name, Kind.REAL if at in numeric else Kind.TEXT) for name, at in named.items()]
    return Layout((*lead, *columns), cells, frozenset(numeric), round(every * NS) if every else None)


def wide_records(
    database: sqlite3.Connection, where: str, values: list[object], shape: Layout
) -> Iterator[tuple[int, list[list[Any]]]]:
    """Pages of records with the columns of the layout, each with the number of readings that went into it.

    SQLite sorts the readings, on disk if they are many.
    """
    every = shape.every_ns
    slot = "reading.tick" if every is None else f"reading.received_ns / {every}"
    found = database.execute(
        f"SELECT run.run, run.started_ns, {slot}, reading.received_ns, channel.id, {_UNIT}, reading.value, note.text"
        f" {SAMPLE_TABLES} WHERE {where or 'true'} ORDER BY run.id, {slot}, reading.id",
        values,
    )
    page: list[list[Any]] = []
    wide = _WideRow(shape)
    readings = 0
    for run, started, number, received, channel, unit, value, text in found:
        readings += 1
        at = shape.cells.get((channel, unit))
        if wide.begins_another(run, number, at):
            page.append(wide.record())
            wide = _WideRow(shape)
        wide.put(run, number, started + (received if every is None else number * every), at, value, text)
        if len(page) >= PAGE:
            yield readings, page
            page, readings = [], 0
    if wide.key is not None:
        page.append(wide.record())
    if page:
        yield readings, page


class _WideRow:
    """The row being filled."""

    def __init__(self, shape: Layout) -> None:
        self.shape = shape
        self.key: tuple[str, int | None] | None = None
        self.time = 0
        self.cells: list[Any] = [None] * len(set(shape.cells.values()))

    def begins_another(self, run: str, number: int | None, at: int | None) -> bool:
        if self.key is None:
            return False
        twice = self.shape.every_ns is None and at is not None and self.cells[at] is not None
        return self.key != (run, number) or twice

    def put(
        self, run: str, number: int | None, time: int, at: int | None, value: float | None, text: str | None
    ) -> None:
        self.time = min(self.time, time) if self.key else time
        self.key = run, number
        if at is not None and (cell := value if at in self.shape.numeric else text) is not None:
            self.cells[at] = cell

    def record(self) -> list[Any]:
        assert self.key is not None
        run, number = self.key
        return [run, *([number] if self.shape.every_ns is None else []), iso(self.time), *self.cells]


def _survey(database: sqlite3.Connection, where: str, values: list[object]) -> Iterator[_Seen]:
    found = database.execute(
        "SELECT channel.id, run.id, channel.device, channel.parameter, channel.instance,"
        f" {_UNIT} AS said, count(reading.value), count(note.text), count(*) - count(reading.tick),"
        " (max(reading.tick) - min(reading.tick)) * 1e9"
        " / nullif(max(reading.received_ns) - min(reading.received_ns), 0),"
        " coalesce(max(reading.tick) - min(reading.tick), 0), run.rate_hz"
        f" {SAMPLE_TABLES} WHERE {where or 'true'} GROUP BY channel.id, said ORDER BY channel.id, min(reading.id)",
        values,
    )
    for channel, run, device, parameter, instance, unit, *counts in found:
        yield _Seen(channel, run, f"{device}.{parameter}[{instance}]", unit, *counts)


def _ticks_agree(seen: list[_Seen]) -> bool:
    """Whether a tick means the same moment for all channels of a run."""
    for run in {one.run for one in seen}:
        here = [one for one in seen if one.run == run]
        if any(one.untimed for one in here):
            return False
        rates = [(one.rate, one.span) for one in here if one.rate]
        if any(abs(rate / rates[0][0] - 1) * min(span, rates[0][1]) > AGREE_TICKS for rate, span in rates):
            return False
    return True

"""The wide form: one row per slot, one column per channel, for spreadsheets. No value is filled in, averaged or moved.

If all channels of a run share the same slots, a row is one slot. Slots of devices with different rates are at different
times, and device-paced devices have none; a row is then an interval of time, and a cell the last value received in it.
A sample of a burst counts where it was measured, not where the burst arrived.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, structs

from riglog.errors import ConfigError
from riglog.model import NS, iso
from riglog.sinks.rows import Column, Kind
from riglog.sinks.sqlite.recorded import Recorded, Selection

MAX_DRIFT_SLOTS = 1.0
"""Channels share their slots if their rates, measured over the recording, let them drift apart by at most this much."""
PAGE_ROWS = 2_000


class Layout(Struct, frozen=True):
    """``cells`` maps (channel, unit) to a column; ``every_ns`` is the interval of a row, None if a row is a slot."""

    columns: tuple[Column, ...]
    cells: dict[tuple[int, str | None], int]
    numeric: frozenset[int]
    every_ns: int | None

    @property
    def lead(self) -> int:
        """The number of columns before those of the channels."""
        return 3 if self.every_ns is None else 2


class _Series(Struct, frozen=True):
    """The samples of one channel in one unit, over the whole selection."""

    channel: int
    run: int
    name: str
    unit: str | None
    numbers: int
    texts: int
    without_tick: int
    measured_rate: float | None
    slots: int
    run_rate: float | None
    burst_s: float | None = None

    @property
    def slot_s(self) -> float:
        """Seconds from slot to slot: of the run, or as measured if the channel has another rate or delivers bursts."""
        if self.burst_s:
            return float(f"{self.burst_s:.3g}")
        rate, usual = self.measured_rate, self.run_rate
        if rate is None or (usual and abs(rate / usual - 1) < 0.02):
            return 1 / (usual or 1.0)
        return 1 / float(f"{rate:.3g}")


def refuse_wide_corrected(corrected: bool) -> None:
    """Refuse corrected values in a wide table: a cell has no place for the uncertainty and the certificate.

    Raises:
        ConfigError: they are wanted.
    """
    if corrected:
        raise ConfigError("corrected values are not in wide tables", hint="Remove --wide, or --corrected")


def check_interval(wide: bool, every: float | None) -> None:
    """Refuse an interval of a row without the wide form, or one that is no time.

    Raises:
        ConfigError: as said.
    """
    if every is not None and not (wide and every > 0):
        raise ConfigError("--every needs --wide and a time greater than 0 s", hint="Add --wide")


def column_name(channel: str, unit: str | None) -> str:
    """Return the name of the column of a channel in a unit."""
    return f"{channel} [{unit}]" if unit else channel


def layout(recording: Recorded, selection: Selection, every: float | None) -> Layout:
    """Return the columns of the selected rows. Reads the recording once.

    Args:
        every: seconds covered by a row; None: determined from the rates of the channels.
    """
    found = list(_survey(recording, selection))
    with_values = {series.channel for series in found if series.numbers or series.texts}
    names: dict[str, int] = {}
    cells, numeric = {}, set()
    for series in found:
        if series.numbers or series.texts or series.channel not in with_values:
            label = column_name(series.name, series.unit)
            column = cells[series.channel, series.unit] = names.setdefault(label, len(names))
            if series.numbers:
                numeric.add(column)
    if every is None and not _slots_agree(found):
        every = max((series.slot_s for series in found if series.measured_rate or series.without_tick), default=1.0)
    return _layout(names, cells, numeric, round(every * NS) if every else None)


def joined(layouts: Sequence[Layout]) -> list[Layout]:
    """Return the layouts of several files with the same columns: those of all of them. The widest interval counts."""
    every_ns = max((shape.every_ns for shape in layouts if shape.every_ns), default=None)
    names: dict[str, int] = {}
    numeric = set()
    for shape in layouts:
        for column in shape.columns[shape.lead :]:
            number = names.setdefault(column.name, len(names))
            if column.kind is Kind.REAL:
                numeric.add(number)
    return [
        _layout(
            names,
            {key: names[shape.columns[shape.lead + column].name] for key, column in shape.cells.items()},
            numeric,
            every_ns,
        )
        for shape in layouts
    ]


def _layout(
    names: dict[str, int], cells: dict[tuple[int, str | None], int], numeric: set[int], every_ns: int | None
) -> Layout:
    lead = [Column("run", Kind.TEXT, True), *([] if every_ns else [Column("tick", Kind.INTEGER)])]
    lead.append(Column("time", Kind.TIME, True))
    columns = [Column(name, Kind.REAL if column in numeric else Kind.TEXT) for name, column in names.items()]
    return Layout((*lead, *columns), cells, frozenset(numeric), every_ns)


def wide_records(recording: Recorded, selection: Selection, shape: Layout) -> Iterator[tuple[int, list[list[Any]]]]:
    """Return pages of records with the columns of the layout, each with the number of readings in it.

    SQLite sorts the readings, on disk if there are many.
    """
    every = shape.every_ns
    since = f"({recording.at} - run.started_ns)"
    slot = "reading.tick" if every is None else f"({since} / {every} - ({since} % {every} < 0))"
    where, values = selection.condition(recording.received)
    found = recording.database.execute(
        f"SELECT run.run, run.started_ns, {slot}, {since}, channel.id, {recording.unit}, reading.value,"
        f" {recording.text} {recording.tables} WHERE {where} ORDER BY run.id, {slot}, {recording.order}",
        values,
    )
    page: list[list[Any]] = []
    wide = _WideRow(shape)
    readings = 0
    for run, started, number, received, channel, unit, value, text in found:
        readings += 1
        column = shape.cells.get((channel, unit))
        if wide.ends_before(run, number, column):
            page.append(wide.record())
            wide = _WideRow(shape)
        wide.put(run, number, started + (received if every is None else number * every), column, value, text)
        if len(page) >= PAGE_ROWS:
            yield readings, page
            page, readings = [], 0
    if wide.key is not None:
        page.append(wide.record())
    if page:
        yield readings, page


class _WideRow:
    """A row that is being filled."""

    def __init__(self, shape: Layout) -> None:
        self.shape = shape
        self.key: tuple[str, int | None] | None = None
        self.time = 0
        self.cells: list[Any] = [None] * (len(shape.columns) - shape.lead)

    def ends_before(self, run: str, number: int | None, column: int | None) -> bool:
        """Return True if a reading belongs to the next row: another slot, or a second reading in the same slot."""
        if self.key is None:
            return False
        second = self.shape.every_ns is None and column is not None and self.cells[column] is not None
        return self.key != (run, number) or second

    def put(
        self, run: str, number: int | None, time: int, column: int | None, value: float | None, text: str | None
    ) -> None:
        self.time = min(self.time, time) if self.key else time
        self.key = run, number
        if column is not None and (cell := value if column in self.shape.numeric else text) is not None:
            self.cells[column] = cell

    def record(self) -> list[Any]:
        assert self.key is not None
        run, number = self.key
        return [run, *([number] if self.shape.every_ns is None else []), iso(self.time), *self.cells]


def _survey(recording: Recorded, selection: Selection) -> Iterator[_Series]:
    received = recording.received
    where, values = selection.condition(received)
    found = recording.database.execute(
        "SELECT channel.id, run.id, series.device, series.parameter, series.instance,"
        f" {recording.unit} AS sample_unit, count(reading.value), count({recording.text}),"
        " count(*) - count(reading.tick),"
        f" (max(reading.tick) - min(reading.tick)) * 1e9 / nullif(max({received}) - min({received}), 0),"
        f" coalesce(max(reading.tick) - min(reading.tick), 0), run.rate_hz, count({recording.own})"
        f" {recording.tables} WHERE {where}"
        f" GROUP BY channel.id, sample_unit ORDER BY channel.id, min({received})",
        values,
    )
    steps: dict[int, float] = {}
    for channel, run, device, parameter, instance, unit, *counts, own in found.fetchall():
        if own and not steps:
            steps = _burst_steps(recording, selection)
        series = _Series(channel, run, f"{device}.{parameter}[{instance}]", unit, *counts)
        yield structs.replace(series, burst_s=steps.get(channel))


def _burst_steps(recording: Recorded, selection: Selection) -> dict[int, float]:
    """Return the seconds from sample to sample in the bursts of each channel; of several rates the shortest."""
    where, values = selection.condition(recording.received)
    step = f"(max({recording.own}) - min({recording.own})) * 1.0 / (count(*) - 1)"
    bursts = (
        f"{recording.tables} WHERE {recording.own} IS NOT NULL AND {where} GROUP BY channel.id, {recording.received}"
    )
    found = recording.database.execute(
        f"SELECT id, min(step) / 1e9 FROM (SELECT channel.id, {step} AS step {bursts} HAVING count(*) > 1)"  # noqa: S608
        " WHERE step > 0 GROUP BY id",
        values,
    )
    return dict(found.fetchall())


def _slots_agree(found: list[_Series]) -> bool:
    """Return True if a slot number means the same time for all channels of a run."""
    for run in {series.run for series in found}:
        of_run = [series for series in found if series.run == run]
        if any(series.without_tick for series in of_run):
            return False
        rates = [(series.measured_rate, series.slots) for series in of_run if series.measured_rate]
        if any(abs(rate / rates[0][0] - 1) * min(slots, rates[0][1]) > MAX_DRIFT_SLOTS for rate, slots in rates):
            return False
    return True

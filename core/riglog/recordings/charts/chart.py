"""What a chart of a recording shows: panels of channels with equal units, and beside them notes, events and alarms."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct, field, structs

from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.model import NS, EventKind
from riglog.recordings.charts.happenings import AlarmBand, Happening, alarm_bands, events, marked, notes
from riglog.recordings.charts.traces import ChannelId, Trace, TraceReader, channel_text, traces_of_rows
from riglog.recordings.overview import bucket_width
from riglog.recordings.parts import span_of_channel
from riglog.recordings.selection import Selection, check_selection
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.overviews import MINUTE_NS
from riglog.sinks.sqlite.reader import RUNS, open_recording, refuse_unknown
from riglog.sinks.sqlite.recorded import EARLIEST_NS, LATEST_NS, Recorded2, nanoseconds, recorded
from riglog.sinks.sqlite.schema import sqlite_errors

BUCKETS = 1_000
MANY_CHANNELS = 12
FEW_BUCKETS = 500
"""Of each channel, if there are more than MANY_CHANNELS."""
CHANNELS_OF_A_PANEL = 8
READ_SINGLY = 1_000_000
"""From so many rows on, the overviews of minutes are used as soon as the time has enough of them."""
ENOUGH_MINUTES = 120
CHANNELS = """
SELECT channel.id, channel.run_id, segment, run.run, device, parameter, instance, channel.unit
FROM channel JOIN series ON series.id = series_id JOIN run ON run.id = channel.run_id
WHERE (:run IS NULL OR :run IN (run.run, run.name)) AND (:device IS NULL OR device = :device)
AND (:parameter IS NULL OR parameter = :parameter) ORDER BY series.id, channel.run_id, segment"""


class Panel(Struct):
    """Traces in one unit; ``None``: the unit is not known."""

    unit: str | None
    traces: list[Trace]


class Chart(Struct, kw_only=True):
    """``start`` and ``end`` in seconds since the epoch, UTC; with ``aligned``, since the moment of this name.

    ``remarks`` state what is not shown.
    """

    title: str
    start: float
    end: float
    panels: list[Panel] = field(default_factory=list)
    notes: list[Happening] = field(default_factory=list)
    events: list[Happening] = field(default_factory=list)
    alarms: list[AlarmBand] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    aligned: str | None = None


class Wanted(Struct, frozen=True):
    """Which part of a recording a chart shows.

    ``channels`` are patterns such as ``oven.*``; a channel is shown if it matches one. ``last_s``: only so many seconds
    before the last row.
    """

    selection: Selection = Selection()
    channels: Sequence[str] = ()
    last_s: float | None = None
    buckets: int | None = None

    def matches(self, channel: str) -> bool:
        return not self.channels or any(_matches(channel, pattern) for pattern in self.channels)


def _matches(channel: str, pattern: str) -> bool:
    """Return True if a pattern with ``*`` and ``?`` fits a channel. The brackets of an instance are no pattern."""
    literal = pattern.replace("[", "\0").replace("\0", "[[]")
    return fnmatchcase(channel, literal) or fnmatchcase(channel, f"{literal}[[]*]")


def chart(path: Path, wanted: Wanted) -> Chart:
    """Return the chart of an SQLite recording.

    Raises:
        ConfigError: an invalid time; a run, device, parameter or channel that is not in it.
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    selection = wanted.selection
    selection.condition("")
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        check_selection(selection, database)
        source = recorded(database)
        if not isinstance(source, Recorded2):
            rows = (row for page in source.pages(selection) for row in page.rows)
            made = chart_of_rows(rows, wanted, path.name)
        else:
            made = _of_schema_2(source, wanted, path.name)
        start_ns, end_ns = round(made.start * NS), round(made.end * NS) + 1
        made.notes = notes(database, start_ns, end_ns, selection.run)
        made.events = list(marked(events(database, start_ns, end_ns, selection.run)))
        made.alarms = [
            band for band in alarm_bands(database, start_ns, end_ns, selection.run) if wanted.matches(band.channel)
        ]
        return made


def chart_of_rows(rows: Iterable[Row], wanted: Wanted, title: str) -> Chart:
    """Return the chart of rows that are in no SQLite recording of schema 2. All of them are read."""
    kept, names = [], {}
    for row in rows:
        name = channel_text(row.device, row.parameter, row.instance)
        names[name] = True
        if wanted.matches(name):
            kept.append(row)
    _refuse_unmatched(wanted, list(names))
    times = [nanoseconds(row.received_at) for row in kept]
    limits = _limits([(min(times), max(times))] if times else [], wanted)
    width = bucket_width(max(1, limits[1] - limits[0]), wanted.buckets or BUCKETS)
    shown = [row for row, at in zip(kept, times, strict=True) if limits[0] <= at < limits[1]]
    return _chart(title, limits, traces_of_rows(shown, width))


def _of_schema_2(source: Recorded2, wanted: Wanted, title: str) -> Chart:
    selection = wanted.selection
    place = {"run": selection.run, "device": selection.device, "parameter": selection.parameter}
    found = [ChannelId(*each) for each in source.database.execute(CHANNELS, place)]
    channels = [each for each in found if wanted.matches(channel_text(each.device, each.parameter, each.instance))]
    _refuse_unmatched(wanted, [channel_text(each.device, each.parameter, each.instance) for each in found])
    spans = [span_of_channel(source.database, each.run_id, each.id) for each in channels]
    limits = _limits([span for span in spans if span is not None], wanted)
    reader = TraceReader(source, *limits, _width(source.database, limits, len(channels), wanted))
    traces = [trace for channel in channels for trace in reader.read(channel)]
    return _chart(title, limits, _joined(traces))


def _limits(spans: Sequence[tuple[int, int]], wanted: Wanted) -> tuple[int, int]:
    """Return from when to when the chart goes."""
    selection = wanted.selection
    first = min((start for start, _ in spans), default=0)
    last = max((end for _, end in spans), default=0) + 1
    start = first if selection.start_ns is None else selection.start_ns
    end = last if selection.end_ns is None else selection.end_ns
    if wanted.last_s is not None:
        start = max(start, min(end, last) - round(wanted.last_s * NS))
    return max(start, EARLIEST_NS), min(max(end, start + 1), LATEST_NS)


def _width(database: sqlite3.Connection, limits: tuple[int, int], channels: int, wanted: Wanted) -> int:
    """Return the width of a bucket in ns: about a pixel; a minute and more where that saves reading many rows."""
    span = max(1, limits[1] - limits[0])
    width = bucket_width(span, wanted.buckets or (BUCKETS if channels <= MANY_CHANNELS else FEW_BUCKETS))
    if width % MINUTE_NS and span >= ENOUGH_MINUTES * MINUTE_NS:
        rows = database.execute(
            "SELECT sum(rows) FROM flush WHERE last_ns >= :start AND first_ns < :end",
            {"start": limits[0], "end": limits[1]},
        ).fetchone()[0]
        if (rows or 0) > READ_SINGLY:
            return MINUTE_NS
    return width


def _joined(traces: Sequence[Trace]) -> list[Trace]:
    """Return one trace for each channel, unit and run; a run has several after the clock was set back."""
    found: dict[tuple[object, ...], Trace] = {}
    for trace in traces:
        key = trace.run, trace.device, trace.parameter, trace.instance, trace.unit
        first = found.setdefault(key, trace)
        if first is not trace:
            first.append(trace)
    return list(found.values())


def _chart(title: str, limits: tuple[int, int], traces: Sequence[Trace]) -> Chart:
    shown = [trace for trace in traces if trace.has_values or trace.marks]
    with_values = {trace.channel for trace in shown}
    without = list(dict.fromkeys(trace.channel for trace in traces if trace.channel not in with_values))
    remarks = [f"without a number in this time: {', '.join(without)}"] if without else []
    return Chart(title=title, start=limits[0] / NS, end=limits[1] / NS, panels=panels(shown), remarks=remarks)


def panels(traces: Iterable[Trace]) -> list[Panel]:
    """Return traces in panels, those of one unit in one; in several if they are of many channels."""
    by_unit: dict[str | None, dict[str, list[Trace]]] = {}
    for trace in traces:
        by_unit.setdefault(trace.unit or None, {}).setdefault(trace.channel, []).append(trace)
    made = []
    for unit, channels in by_unit.items():
        names = list(channels)
        parts = -(-len(names) // CHANNELS_OF_A_PANEL)
        size = -(-len(names) // parts)
        for first in range(0, len(names), size):
            made.append(Panel(unit, [trace for name in names[first : first + size] for trace in channels[name]]))
    return made


def _refuse_unmatched(wanted: Wanted, names: Sequence[str]) -> None:
    """Refuse a pattern that fits no channel of the recording.

    Raises:
        ConfigError: the hint has the channels that are there.
    """
    for pattern in wanted.channels:
        if not any(_matches(name, pattern) for name in names):
            known = list(dict.fromkeys(names))
            shown = ", ".join([*known[:12], *(["…"] if len(known) > 12 else [])])
            hint = f"{did_you_mean(pattern, known)}It has: {shown or 'none'}"
            raise ConfigError(f"no channel {pattern!r} in the recording", hint=hint)


def compared(path: Path, wanted: Wanted, runs: tuple[str, str], align: str | None = None) -> Chart:
    """Return the chart of two runs of an SQLite recording on one axis: the time since their start, or since an event.

    Args:
        runs: the id of each run, or a name: then the latest run of this name.
        align: the kind of the event, such as ``alarm_raised``, and after a colon a part of its message: ``note:door``.
            The first such event of each run counts.

    Raises:
        ConfigError: as for ``chart``; a run without this event.
    """
    charts = []
    for run in runs:
        selection = structs.replace(wanted.selection, run=_run_id(path, run))
        made = chart(path, structs.replace(wanted, selection=selection))
        charts.append(_shifted(made, _origin(path, selection.run or "", align)))
    first, second = charts
    moment = "the start of each run" if align is None else f"the first {align} of each run"
    return Chart(
        title=first.title,
        start=min(first.start, second.start),
        end=max(first.end, second.end),
        panels=panels(trace for made in charts for panel in made.panels for trace in panel.traces),
        notes=[*first.notes, *second.notes],
        events=[*first.events, *second.events],
        alarms=[*first.alarms, *second.alarms],
        remarks=list(dict.fromkeys([*first.remarks, *second.remarks])),
        aligned=moment,
    )


def _run_id(path: Path, run: str) -> str:
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        refuse_unknown(database, "run", run, RUNS)
        latest = "SELECT run FROM run WHERE :run IN (run, name) ORDER BY id DESC LIMIT 1"
        return str(database.execute(latest, {"run": run}).fetchone()[0])


def _origin(path: Path, run: str, align: str | None) -> float:
    """Return when a run started, or when its event happened, in seconds since the epoch."""
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        if align is None:
            return (
                float(database.execute("SELECT started_ns FROM run WHERE run = :run", {"run": run}).fetchone()[0]) / NS
            )
        kind, _, text = align.partition(":")
        if kind not in {each.value for each in EventKind}:
            raise ConfigError(f"--align: unknown kind {kind!r}", hint=f"Kinds: {', '.join(EventKind)}")
        for event in events(database, EARLIEST_NS, LATEST_NS, run):
            if event.kind == kind and text in event.text:
                return event.at
    raise ConfigError(f"run {run} has no event {align!r}", hint=f"List its events: riglog events {path} --run {run}")


def _shifted(made: Chart, origin: float) -> Chart:
    """Return a chart whose times are relative to a moment."""
    for panel in made.panels:
        for trace in panel.traces:
            trace.shift(-origin)
    for happening in (*made.notes, *made.events):
        happening.at -= origin
    for band in made.alarms:
        band.start -= origin
        band.end -= origin
    made.start -= origin
    made.end -= origin
    return made

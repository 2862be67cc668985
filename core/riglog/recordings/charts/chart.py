"""What a chart of a recording shows: panels of channels with equal units, and beside them notes, events and alarms."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct, field, structs

from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.model import NS, EventKind
from riglog.recordings.charts.happenings import AlarmBand, Happening, alarm_bands, events, marked, notes
from riglog.recordings.charts.traces import ChannelId, Line, Trace, TraceReader, channel_text, traces_of_rows
from riglog.recordings.overview import bucket_width
from riglog.recordings.parts import span_of_channel
from riglog.recordings.selection import Selection, check_selection
from riglog.recordings.several import of_each
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

FLUSHED = "SELECT sum(rows) FROM flush WHERE last_ns >= :start AND first_ns < :end"


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


class _File(Struct):
    """A file of a recording: its channels that are in the chart, the time of their rows, and the names of all."""

    path: Path
    channels: list[ChannelId]
    span: tuple[int, int] | None
    names: list[str]


def chart(paths: Sequence[Path], wanted: Wanted) -> Chart:
    """Return the chart of an SQLite recording.

    Args:
        paths: its files: one, or several of schema 2, such as those of a rotation, in any order.

    Raises:
        ConfigError: an invalid time; a run, device, parameter or channel that is not in it.
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    selection = wanted.selection
    selection.condition("")
    title = paths[0].name + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    if len(paths) == 1 and (rows := _rows_of_schema_1(paths[0], selection)) is not None:
        made, names = chart_of_rows(rows, wanted, title), list(paths)
    else:
        files = of_each(paths, lambda path: _file(Path(path), wanted))
        files.sort(key=lambda file: (file.span is None, file.span))
        _refuse_unmatched(wanted, [name for file in files for name in file.names])
        made, names = _of_files(files, wanted, title), [file.path for file in files]
    _add_happenings(made, names, wanted)
    return made


def _rows_of_schema_1(path: Path, selection: Selection) -> list[Row] | None:
    with _opened(path) as database:
        source = recorded(database)
        if isinstance(source, Recorded2):
            return None
        check_selection(selection, database)
        return [row for page in source.pages(selection) for row in page.rows]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        yield database


def _file(path: Path, wanted: Wanted) -> _File:
    selection = wanted.selection
    with _opened(path) as database:
        check_selection(selection, database)
        place = {"run": selection.run, "device": selection.device, "parameter": selection.parameter}
        found = [ChannelId(*each) for each in database.execute(CHANNELS, place)]
        names = [channel_text(each.device, each.parameter, each.instance) for each in found]
        channels = [each for each, name in zip(found, names, strict=True) if wanted.matches(name)]
        spans = [span for each in channels if (span := span_of_channel(database, each.run_id, each.id)) is not None]
        whole = (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None
        return _File(path, channels, whole, names)


def _of_files(files: Sequence[_File], wanted: Wanted, title: str) -> Chart:
    limits = _limits([file.span for file in files if file.span is not None], wanted)
    channels = {each[4:7] for file in files for each in file.channels}
    width = _width([file.path for file in files], limits, len(channels), wanted)
    lines: list[Line] = []
    newest: dict[tuple[str, str, str, int], Line] = {}
    for file in files:
        begun = set()
        with _opened(file.path) as database:
            reader = TraceReader(Recorded2(database), *limits, width)
            for channel in file.channels:
                key = channel.run, channel.device, channel.parameter, channel.instance
                if key not in newest or key in begun:  # another segment: the clock was set back
                    newest[key] = Line(channel, width)
                    lines.append(newest[key])
                begun.add(key)
                newest[key].add(reader, channel)
    return _chart(title, limits, _joined([trace for line in lines for trace in line.traces()]))


def _add_happenings(made: Chart, paths: Sequence[Path], wanted: Wanted) -> None:
    """Add what happened. A further file of a rotation repeats some of it, and knows how an alarm went on."""
    run = wanted.selection.run
    start_ns, end_ns = round(made.start * NS), round(made.end * NS) + 1
    found: dict[tuple[object, ...], Happening] = {}
    bands: dict[tuple[object, ...], AlarmBand] = {}
    for path in paths:
        with _opened(path) as database:
            happened = [*notes(database, start_ns, end_ns, run), *marked(events(database, start_ns, end_ns, run))]
            found |= {structs.astuple(each): each for each in happened}
            for band in alarm_bands(database, start_ns, end_ns, run):
                if wanted.matches(band.channel):
                    bands[band.run, band.name, band.channel, band.start] = band
    in_order = sorted(found.values(), key=lambda each: each.at)
    made.notes = [each for each in in_order if each.kind == EventKind.NOTE]
    made.events = [each for each in in_order if each.kind != EventKind.NOTE]
    made.alarms = list(bands.values())


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


def _width(paths: Sequence[Path], limits: tuple[int, int], channels: int, wanted: Wanted) -> int:
    """Return the width of a bucket in ns: about a pixel; a minute and more where that saves reading many rows."""
    span = max(1, limits[1] - limits[0])
    width = bucket_width(span, wanted.buckets or (BUCKETS if channels <= MANY_CHANNELS else FEW_BUCKETS))
    if width % MINUTE_NS and span >= ENOUGH_MINUTES * MINUTE_NS:
        rows = 0
        for path in paths:
            with _opened(path) as database:
                found = database.execute(FLUSHED, {"start": limits[0], "end": limits[1]}).fetchone()[0]
            rows += found or 0
        if rows > READ_SINGLY:
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


def compared(paths: Sequence[Path], wanted: Wanted, runs: tuple[str, str], align: str | None = None) -> Chart:
    """Return the chart of two runs of an SQLite recording on one axis: the time since their start, or since an event.

    Args:
        runs: the id of each run, or a name: then the latest run of this name.
        align: the kind of the event, such as ``alarm_raised``, and after a colon a part of its message: ``note:door``.
            The first such event of each run counts.

    Raises:
        ConfigError: as for ``chart``; a run without this event.
    """
    charts = []
    for name in runs:
        run = _run_id(paths, name)
        selection = structs.replace(wanted.selection, run=run)
        made = chart(paths, structs.replace(wanted, selection=selection))
        charts.append(_shifted(made, _origin(paths, run, align)))
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


def _run_id(paths: Sequence[Path], run: str) -> str:
    """Return the id of a run; of a name, that of its latest run."""

    def latest(path: str | Path) -> tuple[int, str]:
        with _opened(Path(path)) as database:
            refuse_unknown(database, "run", run, RUNS)
            started, found = database.execute(LATEST, {"run": run}).fetchone()
            return int(started), str(found)

    return max(of_each(paths, latest))[1]


LATEST = "SELECT started_ns, run FROM run WHERE :run IN (run, name) ORDER BY id DESC LIMIT 1"
STARTED = "SELECT started_ns FROM run WHERE run = :run"


def _origin(paths: Sequence[Path], run: str, align: str | None) -> float:
    """Return when a run started (slot 0), or when its event happened, in seconds since the epoch.

    The file knew a run before its clock was started; that time counts only if it has no other.
    """
    kind, _, text = (align or "").partition(":")
    if align is not None and kind not in {each.value for each in EventKind}:
        raise ConfigError(f"--align: unknown kind {kind!r}", hint=f"Kinds: {', '.join(EventKind)}")
    found: list[float] = []
    known: list[float] = []
    for path in paths:
        with _opened(path) as database:
            known += [float(started) / NS for (started,) in database.execute(STARTED, {"run": run})]
            happened = events(database, EARLIEST_NS, LATEST_NS, run)
            wanted = EventKind.RUN_STARTED.value if align is None else kind
            found += [event.at for event in happened if event.kind == wanted and text in event.text]
    if align is None:
        found = found or known
    if found:
        return min(found)
    raise ConfigError(
        f"run {run} has no event {align!r}", hint=f"List its events: riglog events {paths[0]} --run {run}"
    )


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

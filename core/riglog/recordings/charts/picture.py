"""Pictures of charts, drawn by matplotlib: PNG, SVG and PDF. matplotlib is imported when a picture is drawn."""

import io
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riglog.errors import ConfigError
from riglog.model import Status
from riglog.printable import printable
from riglog.recordings.charts.chart import CHANNELS_OF_A_PANEL, Chart, Panel
from riglog.recordings.charts.happenings import TROUBLE, Happening
from riglog.recordings.local_times import LocalZone, local_moment, offset_text, time_labels
from riglog.recordings.targets import Kind, check_target, output
from riglog.sinks.optional_dependencies import import_optional

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c564b")
"""For eight channels; also people who do not see all colours can tell them apart."""
STYLES = ("-", "--", ":")
MARKERS = {
    Status.SUSPECT.value: {"marker": "D", "edgecolors": "#b34700", "facecolors": "none", "s": 16, "linewidths": 1.0},
    Status.FAULT.value: {"marker": "x", "color": "#c00000", "s": 24, "linewidths": 1.4},
}
NOTE_COLOUR, TROUBLE_COLOUR, EVENT_COLOUR, ALARM_COLOUR = "#00695c", "#c00000", "#777777", "#c00000"
DAY_S = 86_400.0
WIDTH_IN, PANEL_IN, STRIP_IN, LINE_IN = 12.0, 2.2, 0.42, 0.17
LEFT, RIGHT = 0.075, 0.735
LABEL_CHARACTERS, LISTED_CHARACTERS = 44, 170
LISTED = 8
"""So many notes, and so many events, are listed below a picture."""
FEW_POINTS = 40
LARGEST = 1e307
"""Values beyond it are drawn at the edge."""
MANY_MARKS = 100
ROUND_SECONDS = (0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
TICK_STEPS = ([1, 2, 3, 4, 6, 12], [1, 2, 5, 10, 15, 30], [1, 2, 5, 10, 15, 30])
"""Of hours, minutes and seconds."""
DPI = 110
NAME = "riglog picture"
FORMATS = ("png", "svg", "pdf")
METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": NAME},
    "svg": {"Creator": NAME, "Date": None},
    "pdf": {"Creator": NAME, "CreationDate": None},
}
OPTIONS: dict[str, dict[str, Any]] = {"png": {"pil_kwargs": {"compress_level": 3}}}
"""It saves a quarter of the time of drawing and writing (0.08 of 0.31 s), for files that are 15 % larger."""
HEAD_BYTES = 65_536


class Picture:
    """A picture of a recording. In a notebook it is shown; ``figure`` is the ``matplotlib.figure.Figure``."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it into a file: PNG, SVG or PDF, by the ending of its name.

        Args:
            overwrite: replace an earlier picture in the same format. Nothing else is ever replaced.

        Raises:
            ConfigError: another ending.
            StorageError: the file cannot be written, or exists.
        """
        path = Path(path)
        kind = picture_kind(path)
        check_target(path, kind, overwrite)
        with output(path, kind, overwrite) as file:
            file.write(self.content(kind.name))

    def content(self, format: str) -> bytes:
        """Return it as PNG, SVG or PDF."""
        buffer = io.BytesIO()
        with _quiet(), import_optional("matplotlib", "plot").rc_context({"svg.hashsalt": NAME}):
            self.figure.savefig(buffer, format=format, dpi=DPI, metadata=METADATA[format], **OPTIONS.get(format, {}))
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.content("png")


def check_picture(path: str | Path, *, overwrite: bool = False) -> None:
    """Check that a picture can be written to a path, before it is drawn; see ``Picture.save``."""
    check_target(Path(path), picture_kind(Path(path)), overwrite)


def picture_kind(path: Path) -> Kind:
    """Return the kind of picture that the ending of a name stands for.

    Raises:
        ConfigError: another ending.
    """
    name = path.suffix.removeprefix(".").lower()
    if name not in FORMATS:
        known = ", ".join(f".{format}" for format in FORMATS)
        raise ConfigError(f"--out: unknown ending {path.suffix!r}", hint=f"Use one of {known}", file=str(path))
    return Kind(name, "picture", _is_picture)


def _is_picture(path: Path) -> bool:
    """Return True if riglog has drawn the picture in a file."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - HEAD_BYTES))
        return NAME.encode() in head or NAME.encode() in file.read()


def draw(chart: Chart) -> Picture:
    """Return the picture of a chart.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    figure_module = import_optional("matplotlib.figure", "plot")
    with _quiet():
        return Picture(_Drawing(chart, figure_module.Figure).figure)


class _Drawing:
    def __init__(self, chart: Chart, figure_class: Any) -> None:
        self._chart = chart
        self._scale = 1.0 if chart.aligned else 1 / DAY_S  # matplotlib counts days
        listed = _listed(chart)
        remarks = chart.remarks or []
        panels = chart.panels or [Panel(None, [])]
        lines = len(listed) + len(remarks)
        height = 1.3 + STRIP_IN + PANEL_IN * len(panels) + LINE_IN * lines
        self.figure = figure_class(figsize=(WIDTH_IN, height))
        axes = self.figure.subplots(
            len(panels) + 1,
            1,
            sharex=True,
            squeeze=False,
            gridspec_kw={
                "height_ratios": [STRIP_IN, *([PANEL_IN] * len(panels))],
                "hspace": 0.09,
                "left": LEFT,
                "right": RIGHT,
                "top": 1 - 0.42 / height,
                "bottom": (0.78 + LINE_IN * lines) / height,
            },
        )[:, 0]
        self._colours = _colours(panels)
        _title(self.figure, chart, height)
        self._strip(axes[0], listed)
        for axis, panel in zip(axes[1:], panels, strict=True):
            self._panel(axis, panel)
        self._time_axis(axes[-1])
        self._list(listed, remarks, height)

    def _panel(self, axis: Any, panel: Panel) -> None:
        handles, labels = [], []
        runs = list(dict.fromkeys(each.run for shown in self._chart.panels for each in shown.traces))
        statuses: dict[str, Any] = {}
        for trace in panel.traces:
            colour = self._colours[trace.channel]
            style = STYLES[runs.index(trace.run) % len(STYLES)] if self._chart.aligned else "-"
            x = self._x(trace.times)
            few = {"marker": ".", "markersize": 4} if len(x) <= FEW_POINTS else {}
            values = _within(trace.values)
            (line,) = axis.plot(x, values, color=colour, linestyle=style, linewidth=1.1, **few)
            if trace.low is not None and trace.high is not None:
                axis.fill_between(x, _within(trace.low), _within(trace.high), color=colour, alpha=0.22, linewidth=0)
            if not few and (alone := _alone(values)):
                axis.plot([x[at] for at in alone], [values[at] for at in alone], ".", color=colour, markersize=3)
            for status, marks in trace.marks.items():
                statuses[status] = _mark(axis, self._x(marks.times), marks.values, MARKERS[status])
            label = f"{trace.channel} ({trace.run})" if self._chart.aligned else trace.channel
            if label not in labels:
                handles.append(line)
                labels.append(label)
        handles += statuses.values()
        labels += statuses
        channels = {trace.channel for trace in panel.traces}
        for band in self._chart.alarms:
            if band.channel in channels:
                place, half = self._half(runs, band.run)
                span = axis.axvspan(
                    *self._x((band.start, band.end)), *place, color=ALARM_COLOUR, alpha=0.13, linewidth=0.6, zorder=0
                )
                label = f"alarm {band.name}{half}" + (" (still raised)" if band.open else "")
                if label not in labels:
                    handles.append(span)
                    labels.append(label)
        for note in self._chart.notes:
            axis.axvline(*self._x((note.at,)), color=NOTE_COLOUR, linewidth=0.9, linestyle="-.", zorder=0.6)
        for event in self._chart.events:
            if event.kind in TROUBLE:
                axis.axvline(*self._x((event.at,)), color=TROUBLE_COLOUR, linewidth=0.6, linestyle=":", zorder=0.6)
        if handles:
            _legend(axis, handles, labels)
        axis.set_ylabel(_label(panel.unit or "unit not known"), parse_math=False)
        axis.grid(visible=True, color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.tick_params(labelsize=8)
        axis.margins(y=0.08)
        if not panel.traces:
            axis.text(
                0.5, 0.5, "no numbers in this time", transform=axis.transAxes, ha="center", va="center", color="#777777"
            )

    def _half(self, runs: Sequence[str], run: str) -> tuple[tuple[float, float], str]:
        """Return from where to where in a panel an alarm of a run is drawn, and how the legend calls it.

        The alarms of two runs on one axis share the height, since they may be raised at the same time.
        """
        if not self._chart.aligned or len(runs) < 2:
            return (0.0, 1.0), ""
        above = run == runs[0]
        return ((0.5, 1.0) if above else (0.0, 0.5)), f" ({run}, {'above' if above else 'below'})"

    def _strip(self, axis: Any, listed: Sequence[Happening]) -> None:
        """Draw notes and events above the panels, with their numbers in the list below."""
        handles, labels = [], []
        trouble = [event.at for event in self._chart.events if event.kind in TROUBLE]
        others = [event.at for event in self._chart.events if event.kind not in TROUBLE]
        for name, times, marker, colour, y in (
            ("note", [note.at for note in self._chart.notes], "v", NOTE_COLOUR, 0.3),
            ("failure", trouble, "|", TROUBLE_COLOUR, 0.3),
            ("other event", others, "|", EVENT_COLOUR, 0.3),
        ):
            if times:
                handles.append(axis.scatter(self._x(times), [y] * len(times), marker=marker, color=colour, s=36))
                labels.append(name)
        width, last = self._chart.end - self._chart.start, -math.inf
        for number, happening in enumerate(listed, 1):
            if happening.at - last > width / 60:
                axis.text(*self._x((happening.at,)), 0.88, str(number), fontsize=7, ha="center", va="center")
                last = happening.at
        axis.set_ylim(0, 1.15)
        axis.set_yticks([])
        axis.tick_params(axis="x", length=0)
        for side in ("top", "left", "right"):
            axis.spines[side].set_visible(False)
        if handles:
            _legend(axis, handles, labels, columns=3)

    def _list(self, listed: Sequence[Happening], remarks: Sequence[str], height: float) -> None:
        y = (LINE_IN * (len(listed) + len(remarks)) - 0.04) / height
        for number, happening in enumerate(listed, 1):
            moment = _elapsed(happening.at) if self._chart.aligned else _moment_text(happening.at)
            run = happening.run if self._chart.aligned else None
            who = ", ".join(each for each in (happening.author, happening.subject, run) if each)
            text = f"{number}  {moment}  {happening.kind}{f' ({who})' if who else ''}: {happening.text}"
            self._line(text, y, "#333333")
            y -= LINE_IN / height
        for remark in remarks:
            self._line(remark, y, "#8a4b00")
            y -= LINE_IN / height

    def _line(self, text: str, y: float, colour: str) -> None:
        self.figure.text(
            0.012, y, _label(text, LISTED_CHARACTERS), fontsize=7.5, color=colour, va="center", parse_math=False
        )

    def _time_axis(self, axis: Any) -> None:
        start, end = self._chart.start, self._chart.end
        axis.set_xlim(*self._x((start, end if end > start else start + 1)))
        axis.tick_params(axis="x", labelsize=8)
        if self._chart.aligned:
            ticker = import_optional("matplotlib.ticker", "plot")
            axis.xaxis.set_major_locator(ticker.MultipleLocator(_round_step(end - start)))
            axis.xaxis.set_major_formatter(ticker.FuncFormatter(lambda at, _: _elapsed(at)))
            axis.set_xlabel(
                _label(f"time since {self._chart.aligned}", LISTED_CHARACTERS // 2), fontsize=8, parse_math=False
            )
            return
        dates = import_optional("matplotlib.dates", "plot")
        zone = LocalZone()
        locator = dates.AutoDateLocator(zone, minticks=4, maxticks=10)
        for unit, steps in zip((dates.HOURLY, dates.MINUTELY, dates.SECONDLY), TICK_STEPS, strict=True):
            locator.intervald[unit] = steps
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(_time_formatter(dates, zone))
        axis.set_xlabel("local time with its offset from UTC", fontsize=8)

    def _x(self, times: Iterable[float]) -> list[float]:
        return [at * self._scale for at in times]


def _time_formatter(dates: Any, zone: LocalZone) -> Any:
    """Return a formatter of matplotlib for local times."""
    formatter: Any = import_optional("matplotlib.ticker", "plot").Formatter

    class TimeLabels(formatter):  # type: ignore[misc]
        def __call__(self, at: float, place: int | None = None) -> str:
            return f"{dates.num2date(at, zone):%Y-%m-%d %H:%M:%S}"

        def format_ticks(self, values: Sequence[float]) -> list[str]:
            return time_labels([dates.num2date(at, zone) for at in values])

    return TimeLabels()


def _moment_text(at: float) -> str:
    moment = local_moment(at)
    return f"{moment:%Y-%m-%d %H:%M:%S} {offset_text(moment)}"


def _round_step(span: float) -> float:
    """Return the time between two ticks, so that there are about eight."""
    for step in ROUND_SECONDS:
        if span / step <= 9:
            return step
    return math.ceil(span / 9 / DAY_S) * DAY_S


def _elapsed(seconds: float) -> str:
    """Return a time since a moment: ``1:02:03``, ``-0:00:01.5``."""
    sign, rest = "-" if seconds < 0 else "", round(abs(seconds), 3)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    whole = f"{rest:06.3f}".rstrip("0").rstrip(".")
    return f"{sign}{int(hours)}:{int(minutes):02d}:{whole}"


def _listed(chart: Chart) -> list[Happening]:
    """Return the notes and events that are listed: the first ones, failures before other events."""
    events = sorted(chart.events, key=lambda event: (event.kind not in TROUBLE, event.at))
    return sorted([*chart.notes[:LISTED], *events[:LISTED]], key=lambda happening: happening.at)


def _colours(panels: Sequence[Panel]) -> dict[str, str]:
    """Return a colour for each channel; those in one panel have different ones."""
    found: dict[str, str] = {}
    for panel in panels:
        for place, channel in enumerate(dict.fromkeys(trace.channel for trace in panel.traces)):
            found.setdefault(channel, COLOURS[place % CHANNELS_OF_A_PANEL])
    return found


def _alone(values: Sequence[float]) -> list[int]:
    """Return the places of points with no neighbour, which a line does not show."""
    edges = (math.nan, *values, math.nan)
    return [
        place
        for place, value in enumerate(values)
        if not math.isnan(value) and math.isnan(edges[place]) and math.isnan(edges[place + 2])
    ]


def _within(values: Sequence[float]) -> Sequence[float]:
    """Return values as matplotlib can draw them: the length of an axis must be a number too."""
    if not any(value < -LARGEST or value > LARGEST for value in values):
        return values
    return [value if math.isnan(value) else min(max(value, -LARGEST), LARGEST) for value in values]


def _mark(axis: Any, x: Sequence[float], values: Sequence[float], look: dict[str, Any]) -> Any:
    """Draw the rows of a status: at their values, and those without a value at the lower edge."""
    if len(x) > MANY_MARKS:
        look = look | {"s": look["s"] / 3}
    valued = [(at, value) for at, value in zip(x, _within(values), strict=True) if not math.isnan(value)]
    without = [at for at, value in zip(x, values, strict=True) if math.isnan(value)]
    drawn = axis.scatter([at for at, _ in valued], [value for _, value in valued], zorder=3, **look)
    if without:
        axis.scatter(without, [0.03] * len(without), transform=axis.get_xaxis_transform(), zorder=3, **look)
    return drawn


def _legend(axis: Any, handles: Sequence[Any], labels: Sequence[str], columns: int = 1) -> None:
    legend = axis.legend(
        handles,
        [f" {_label(label)}" for label in labels],  # matplotlib leaves labels out that begin with an underscore
        loc="upper left",
        bbox_to_anchor=(1.008, 1.03),
        borderaxespad=0,
        fontsize=7.5,
        frameon=False,
        handlelength=1.8,
        labelspacing=0.35,
        columnspacing=1.0,
        ncols=columns,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _title(figure: Any, chart: Chart, height: float) -> None:
    runs = list(dict.fromkeys(trace.run for panel in chart.panels for trace in panel.traces))
    named = f", run {runs[0]}" if len(runs) == 1 else f", {len(runs)} runs" if runs else ""
    figure.text(
        LEFT, 1 - 0.2 / height, _label(f"{chart.title}{named}", 110), fontsize=11, weight="bold", parse_math=False
    )


def _label(text: str, characters: int = LABEL_CHARACTERS) -> str:
    """Return a text of a file as it is shown: without control characters, and shortened in the middle."""
    shown = printable(text)
    if len(shown) <= characters:
        return shown
    half = (characters - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Draw without the warnings about characters that no font has: they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield

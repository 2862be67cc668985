"""The charts of a report as SVG: complete without a script, which only moves the view.

Points are in a box of WIDTH by HEIGHT units that the browser stretches, so that zooming changes one attribute. No
element has an attribute ``style``: the page forbids it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

from riglog.printable import printable
from riglog.recordings.charts.chart import Chart, Panel
from riglog.recordings.charts.happenings import TROUBLE
from riglog.recordings.charts.traces import Trace
from riglog.recordings.local_times import local_moment, time_labels

WIDTH, HEIGHT = 10_000, 1_000
LEFT, TOP, RIGHT, BOTTOM = 70, 8, 990, 208
"""Where the box is in a figure of 1000 by FIGURE_HEIGHT units."""
FIGURE_HEIGHT = 256
LARGEST = 1e307
"""A scale goes no further, so that its length is a number; what is beyond is drawn outside the box."""
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
MARKED = {"suspect": "suspect", "fault": "fault"}


def text(value: object) -> str:
    """Return a text for HTML: escaped, with escapes for control and invisible characters."""
    return escape(printable(str(value)), quote=True)


class Scale:
    """Places of times and values in the box of a panel."""

    def __init__(self, chart: Chart, panel: Panel) -> None:
        self.start = chart.start
        self.span = max(chart.end - chart.start, 1e-9)
        values = [each for trace in panel.traces for each in _extent(trace)]
        low, high = max(min(values, default=0.0), -LARGEST), min(max(values, default=1.0), LARGEST)
        margin = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
        self.low, self.high = low - margin, high + margin

    def x(self, at: float) -> str:
        return _short((at - self.start) / self.span * WIDTH)

    def y(self, value: float) -> str:
        return _short((self.high - value) / (self.high - self.low) * HEIGHT)


def figure(chart: Chart, panel: Panel) -> str:
    """Return a panel as HTML: the figure with its legend."""
    scale = Scale(chart, panel)
    names = list(dict.fromkeys(trace.channel for trace in panel.traces))
    layers: list[str] = []
    alarms = [band for band in chart.alarms if band.channel in names]
    for band in alarms:
        x, end = float(scale.x(band.start)), float(scale.x(band.end))
        title = f"alarm {band.name}: {band.reason}"
        layers.append(
            f'<rect class="alarm" x="{x:g}" y="0" width="{max(end - x, 4):g}" height="{HEIGHT}">'
            f"<title>{text(title)}</title></rect>"
        )
    layers += [f'<path class="grid" d="M{scale.x(at)} 0V{HEIGHT}"/>' for at in time_ticks(chart.start, chart.end)]
    layers += [f'<path class="grid" d="M0 {scale.y(value)}H{WIDTH}"/>' for value in ticks(scale.low, scale.high)]
    for note in chart.notes:
        layers.append(
            f'<path class="note" d="M{scale.x(note.at)} 0V{HEIGHT}"><title>{text(f"note: {note.text}")}</title></path>'
        )
    for event in chart.events:
        if event.kind in TROUBLE:
            title = text(f"{event.kind}: {event.text}")
            layers.append(f'<path class="trouble" d="M{scale.x(event.at)} 0V{HEIGHT}"><title>{title}</title></path>')
    for trace in panel.traces:
        layers += _lines(trace, scale, f"c{names.index(trace.channel) % 8}")
    for trace in panel.traces:  # above the bands of all channels
        layers += _marks(trace, scale)
    labels = _labels(chart, scale)
    unit = text(panel.unit or "unit not known")
    summary = text(f"{', '.join(names)} in {panel.unit or 'an unknown unit'}")
    return f"""<figure data-low="{scale.low!r}" data-high="{scale.high!r}">
<figcaption>{unit}</figcaption>
<svg class="panel" viewBox="0 0 1000 {FIGURE_HEIGHT}" role="img" aria-label="{summary}" tabindex="0">
<svg class="box" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}" \
viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">
{chr(10).join(layers)}
</svg>
<rect class="frame" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"/>
<g class="labels">{labels}</g>
</svg>
{_legend(panel, names, [band.name for band in alarms])}
</figure>"""


def _lines(trace: Trace, scale: Scale, colour: str) -> Iterator[str]:
    """Return the layers of a trace. A point alone is a line of no length, which a round end makes a dot."""
    title = f"<title>{text(trace.channel)}</title>"
    if trace.low is not None and trace.high is not None:
        for part in _unbroken(trace):
            upper = " ".join(f"{scale.x(trace.times[at])} {scale.y(trace.high[at])}" for at in part)
            lower = " ".join(f"{scale.x(trace.times[at])} {scale.y(trace.low[at])}" for at in reversed(part))
            yield f'<path class="band {colour}" d="M{upper}L{lower}Z"/>'
    path = "".join(
        "M"
        + " ".join(f"{scale.x(trace.times[at])} {scale.y(trace.values[at])}" for at in part)
        + "h0" * (len(part) < 2)
        for part in _unbroken(trace)
    )
    if path:
        yield f'<path class="line {colour}" d="{path}">{title}</path>'


def _marks(trace: Trace, scale: Scale) -> Iterator[str]:
    """Return the layers of the rows of a trace whose status is marked; those without a value at the lower edge."""
    for status, marks in trace.marks.items():
        points = "".join(
            f"M{scale.x(at)} {HEIGHT - 15 if math.isnan(value) else scale.y(value)}h0"
            for at, value in zip(marks.times, marks.values, strict=True)
        )
        yield f'<path class="{MARKED[status]}" d="{points}"><title>{text(trace.channel)}: {status}</title></path>'


def _unbroken(trace: Trace) -> Iterator[list[int]]:
    """Return the places of points that a line connects."""
    for broken, places in groupby(range(len(trace.values)), lambda at: math.isnan(trace.values[at])):
        if not broken:
            yield list(places)


def _extent(trace: Trace) -> Iterator[float]:
    for values in (trace.low or trace.values, trace.high or trace.values):
        yield from (value for value in values if not math.isnan(value))


def _labels(chart: Chart, scale: Scale) -> str:
    """Return the labels of both axes; the script replaces them when the view moves."""
    found = []
    moments = time_ticks(chart.start, chart.end)
    for at, label in zip(moments, time_labels([local_moment(each) for each in moments]), strict=True):
        x = LEFT + float(scale.x(at)) / WIDTH * (RIGHT - LEFT)
        for row, line in enumerate(label.split("\n")):
            found.append(f'<text class="x" x="{x:.1f}" y="{BOTTOM + 13 + 12 * row}">{line}</text>')
    for value in ticks(scale.low, scale.high):
        y = TOP + float(scale.y(value)) / HEIGHT * (BOTTOM - TOP)
        found.append(f'<text class="y" x="{LEFT - 6}" y="{y + 3:.1f}">{value:.7g}</text>')
    return "".join(found)


def _legend(panel: Panel, names: Sequence[str], alarms: Iterable[str]) -> str:
    statuses = dict.fromkeys(status for trace in panel.traces for status in trace.marks)
    entries = [f'<li><i class="key c{place % 8}"></i>{text(name)}</li>' for place, name in enumerate(names)]
    entries += [f'<li><i class="key {MARKED[status]}"></i>{status}</li>' for status in statuses]
    entries += [f'<li><i class="key alarm"></i>alarm {text(name)}</li>' for name in dict.fromkeys(alarms)]
    return f'<ul class="legend">{"".join(entries)}</ul>'


def ticks(low: float, high: float) -> list[float]:
    """Return four to ten round values in a range."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [at for place in range(first, math.floor(high / step) + 1) if low <= (at := place * step) <= high]


def time_ticks(start: float, end: float) -> list[float]:
    """Return about eight round local times, in seconds since the epoch; the offset of the start counts for all."""
    span = max(end - start, 1e-9)
    step = next((each for each in STEPS_S if span / each <= 9), math.ceil(span / 9 / 86400) * 86400)
    found = local_moment(start).utcoffset()
    offset = found.total_seconds() if found else 0.0
    first = math.ceil((start + offset) / step)
    return [place * step - offset for place in range(first, math.floor((end + offset) / step) + 1)]


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")

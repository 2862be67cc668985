"""``write_report``: a recording as one HTML file that opens from a disk in ten years: it loads nothing from elsewhere.

Everything that comes from the recording is escaped. A content security policy in the page permits its own style and
script only, by their hashes, so that nothing else could run even if an escape were missing.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from riglog.model import SYSTEM_CLOCK, iso
from riglog.recordings.local_times import local_moment, to_local
from riglog.recordings.reports.facts import Facts, RunFacts, collect
from riglog.recordings.reports.figures import figure, text
from riglog.recordings.reports.statistics import Statistics, number
from riglog.recordings.selection import Selection
from riglog.recordings.targets import Kind, check_target, output

GENERATOR = '<meta name="generator" content="riglog report">'
HEAD_BYTES = 4_096
BUCKETS = 1_500
Cells = Sequence[object]


class Number(str):
    """The text of a cell that is a number: right-aligned."""

    __slots__ = ()


class Moment(str):
    """The text of a cell that is a time: not wrapped."""

    __slots__ = ()


def write_report(
    path: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    selection: Selection | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> int:
    """Write a report of an SQLite recording into an HTML file, and return the number of rows that it is about.

    Args:
        path: a recording, or several files, such as those of a rotation.
        selection: a run, a device, a parameter, or a time; default: everything.
        overwrite: replace an earlier report. Nothing else is ever replaced.
        progress: called with the share that is complete, 0 to 1.

    Raises:
        ConfigError: an invalid time; a name that is not in the recording; no rows in this time.
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: it cannot be read, or ``out`` cannot be written, or exists.
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(each) for each in path]
    out = Path(out)
    check_target(out, REPORT, overwrite)
    facts = collect(paths, selection or Selection(), BUCKETS, progress)
    with output(out, REPORT, overwrite) as file:
        file.write(page(facts).encode())
    return facts.rows


def is_report(path: Path) -> bool:
    """Return True if riglog has written a report into a file."""
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(HEAD_BYTES)


REPORT = Kind("html", "report", is_report)


def page(facts: Facts) -> str:
    """Return the report as HTML."""
    style, script = _part("report.css"), _part("report.js")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    chart = facts.chart
    more = f" and {facts.files - 1} more" if facts.files > 1 else ""
    title = text(f"Report of {facts.path.name}{more}")
    data = (
        f'data-start="{chart.start!r}" data-span="{chart.end - chart.start!r}"'
        f' data-offsets="{text(json.dumps(_offsets(chart.start, chart.end)))}"'
    )
    written = _time(iso(SYSTEM_CLOCK.utc_ns()))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}; form-action 'none'">
{GENERATOR}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="lead">{text(_lead(facts))}</p>
<p class="lead">Written {text(written)} by riglog {text(version("riglog"))}. Times are local times of the computer
that wrote this report, with their offset from UTC.</p>
</header>
<main {data}>
{chr(10).join(_sections(facts))}
</main>
<script>{script}</script>
</body>
</html>
"""


def _sections(facts: Facts) -> Iterator[str]:
    yield _section("Runs", _runs(facts.runs))
    yield _section("Charts", _charts(facts))
    yield _section("Channels", _channels(facts))
    yield _section("Gaps", _gaps(facts))
    yield _section("Alarms", _alarms(facts))
    yield _section("Notes", _notes(facts))
    yield _section("Events", _events(facts))
    yield _section("Instruments", _instruments(facts))
    yield _section("Rig file and versions", "\n".join(_rig(run) for run in facts.runs))


def _section(title: str, content: str) -> str:
    return f'<section id="{title.split()[0].lower()}"><h2>{title}</h2>\n{content or _none()}\n</section>'


def _none(what: str = "None.") -> str:
    return f'<p class="lead">{what}</p>'


def table(columns: Sequence[str], rows: Iterable[Cells]) -> str:
    """Return an HTML table; an empty text if there are no rows."""
    body = [f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows]
    if not body:
        return ""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    content = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{chr(10).join(body)}\n</tbody>"
    return f'<div class="wide"><table>{content}</table></div>'


def _cell(value: object) -> str:
    kind = ' class="number"' if isinstance(value, Number) else ' class="time"' if isinstance(value, Moment) else ""
    return f"<td{kind}>{text(value)}</td>"


def _lead(facts: Facts) -> str:
    channels = len({(key.device, key.parameter, key.instance) for key in facts.statistics})
    runs = len({key.run for key in facts.statistics})
    counts = ((facts.rows, "row"), (channels, "channel"), (runs, "run"))
    return ", ".join(f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in counts) + "."


def _runs(runs: Iterable[RunFacts]) -> str:
    return table(
        ("run", "started", "ended", "rate", "computer"),
        ((run.run, _time(run.started_at), _time(run.finished_at), _rate(run.rate_hz), run.host) for run in runs),
    )


def _rate(rate: float | None) -> Number:
    return Number("-" if rate is None else f"{rate:g} Hz")


def _charts(facts: Facts) -> str:
    hint = (
        '<p class="hint">Choose a chart, then: wheel or + and - to zoom, drag or arrow keys to move, double click to'
        " enlarge, 0 to show everything.</p>"
    )
    remarks = "".join(_none(text(remark)) for remark in facts.chart.remarks)
    figures = [figure(facts.chart, panel) for panel in facts.chart.panels]
    return "\n".join([hint, *figures, remarks]) if figures else remarks


def _channels(facts: Facts) -> str:
    columns = ("run", "channel", "unit", "rows", "values", "lowest", "mean", "highest", "first", "last", "availability")
    rows = []
    for key, units in facts.statistics.items():
        share = facts.availability[key].share if key in facts.availability else 0.0
        for unit, each in units.items():
            numbers = (each.low, each.mean, each.high, each.first, each.last)
            rows.append(
                (
                    key.run,
                    key,
                    unit or "",
                    Number(each.rows),
                    Number(each.count),
                    *(Number(number(value)) for value in numbers),
                    Number(f"{share:.3%}"),
                    _statuses(each),
                )
            )
    return table((*columns, "rows by status"), rows)


def _statuses(each: Statistics) -> str:
    return ", ".join(f"{status} {count}" for status, count in each.statuses.items())


def _gaps(facts: Facts) -> str:
    rows: list[Cells] = [
        (
            gap.channel.run,
            _time(gap.started_at),
            _time(gap.ended_at),
            gap.channel,
            Number(f"{gap.seconds:.3f} s"),
            Number(gap.slots),
            gap.first_cause,
        )
        for gap in facts.gaps
    ]
    rows += [
        (
            absence.run,
            _time(absence.started_at),
            _time(absence.ended_at),
            absence.device,
            Number(f"{absence.seconds:.3f} s"),
            Number("-"),
            absence.cause,
        )
        for absence in facts.absences
    ]
    listed = table(("run", "start", "end", "channel", "duration", "slots", "cause"), rows)
    if facts.gap_count > len(facts.gaps):
        listed += _none(f"{facts.gap_count - len(facts.gaps)} more gaps: riglog gaps lists all of them.")
    return listed


def _alarms(facts: Facts) -> str:
    states = {(alarm.run, alarm.name, alarm.channel): alarm for alarm in facts.alarms}
    rows: list[Cells] = [
        (
            band.run,
            band.name,
            band.channel,
            _time(iso(round(band.start * 1e9))),
            Moment("still raised") if band.open else _time(iso(round(band.end * 1e9))),
            band.reason,
        )
        for band in facts.chart.alarms
    ]
    raised = {(band.run, band.name, band.channel) for band in facts.chart.alarms}
    rows += [
        (alarm.run, alarm.name, alarm.channel, Moment("not raised"), "", "")
        for key, alarm in states.items()
        if key not in raised
    ]
    return table(("run", "alarm", "channel", "raised", "cleared", "reason"), rows)


def _notes(facts: Facts) -> str:
    return table(
        ("time", "author", "device", "note"),
        ((_time(note.at), note.author or "", note.device or "", note.text) for note in facts.notes),
    )


def _events(facts: Facts) -> str:
    return table(
        ("time", "event", "device", "port", "description"),
        ((_time(event.at), event.kind, event.device or "", event.port or "", event.message) for event in facts.events),
    )


def _instruments(facts: Facts) -> str:
    return table(
        ("run", "device", "driver", "protocol", "address", "identity"),
        (
            (each.run, each.device, each.driver, each.protocol, each.address, each.identity)
            for each in facts.instruments
        ),
    )


def _rig(run: RunFacts) -> str:
    versions = table(("package", "version"), sorted(run.versions.items()))
    rig = f"<pre>{_lines(run.rig)}</pre>" if run.rig else _none("The run was not started from a rig file.")
    return f"<details><summary>{text(run.run)}</summary>\n{rig}\n{versions}</details>"


def _lines(value: str) -> str:
    """Return a text of several lines for HTML."""
    return "\n".join(text(line) for line in value.expandtabs(4).splitlines())


def _time(at: str | None) -> Moment:
    """Return an ISO 8601 time as local time with its offset, to the millisecond."""
    if at is None:
        return Moment("-")
    local = to_local(at)
    return Moment(f"{local[:10]} {local[11:23]} {local[-6:]}")


def _offsets(start: float, end: float) -> list[tuple[float, int]]:
    """Return the offsets from UTC in a time, in seconds, each with when it begins; found by looking at every hour."""
    found: list[tuple[float, int]] = []
    step = max(3600.0, (end - start) / 100_000)
    at = start - start % 3600
    while at <= end + step:
        offset = local_moment(at).utcoffset()
        seconds = round(offset.total_seconds()) if offset else 0
        if not found or found[-1][1] != seconds:
            found.append((at, seconds))
        at += step
    return found


def _part(name: str) -> str:
    return files("riglog.recordings.reports").joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    """Return the hash of an inline style or script, as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"

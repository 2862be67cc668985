"""What a chart shows is what SQL gives: rows singly or in buckets, gaps, statuses, units, runs, and what happened."""

import math
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import anyio
import pytest
from msgspec import structs
from pictured import batches, channels, pictured, run_of
from recorded import later, store

from riglog.errors import ConfigError
from riglog.model import NS, Status
from riglog.recordings import export, read
from riglog.recordings.charts import chart as chart_module
from riglog.recordings.charts.chart import Chart
from riglog.recordings.charts.traces import Trace
from riglog.sinks import SqliteSink

FILES = Path(__file__).parents[3] / "support" / "recordings"
SINGLE = (
    "SELECT received_ns, value FROM samples WHERE device = ? AND parameter = ? AND instance = ? ORDER BY received_ns"
)
BUCKETS = """SELECT received_ns / :width, avg(value), min(value), max(value) FROM samples
WHERE device = 'oven1' AND parameter = 'process_value' AND instance = :instance AND value IS NOT NULL
GROUP BY 1 ORDER BY 1"""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("chart") / "short.sqlite", 12, 300)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of three channels: more rows than are drawn singly."""
    return pictured(tmp_path_factory.mktemp("chart") / "long.sqlite", 3, 3 * 3600, period=2.0)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("chart") / "two.sqlite", 2, 100, runs=2)


def traces(chart: Chart) -> Iterator[Trace]:
    for panel in chart.panels:
        yield from panel.traces


def trace(chart: Chart, channel: str) -> Trace:
    (found,) = (each for each in traces(chart) if each.channel == channel)
    return found


def points(found: Trace) -> list[tuple[float, float]]:
    return [(at, value) for at, value in zip(found.times, found.values, strict=True) if not math.isnan(value)]


def asked(path: Path, query: str, *values: object, **named: object) -> list[tuple[float, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query, named or values).fetchall()


def gaps(found: Trace) -> list[tuple[float, float]]:
    """The breaks of a line: the time of the point before each, and of the one behind it."""
    broken = [place for place, value in enumerate(found.values) if math.isnan(value)]
    return [(found.times[place - 1], found.times[place + 1]) for place in broken if place + 1 < len(found.times)]


def test_few_rows_are_drawn_as_they_are(short: Path) -> None:
    found = list(traces(read(short).chart()))
    assert len(found) == 12
    for each in found:
        rows = asked(short, SINGLE, each.device, each.parameter, each.instance)
        assert points(each) == [(at / NS, value) for at, value in rows if value is not None]
        assert each.low is None


def test_many_rows_are_drawn_in_buckets_with_their_lowest_highest_and_mean(long: Path) -> None:
    made = read(long).chart()
    for found in traces(made):
        width = round((found.times[1] - found.times[0]) * NS)
        expected = asked(long, BUCKETS, width=width, instance=found.instance)
        drawn = list(zip(found.times, found.values, found.low or (), found.high or (), strict=True))
        drawn = [each for each in drawn if not math.isnan(each[1])]
        assert len(drawn) == len(expected) > 500
        for (at, mean, low, high), (number, *sums) in zip(drawn, expected, strict=True):
            assert at == pytest.approx((number + 0.5) * width / NS, abs=1e-6)
            assert mean == pytest.approx(sums[0], rel=1e-12)
            assert (low, high) == (sums[1], sums[2])


def test_where_minutes_are_stored_they_are_used(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_module, "READ_SINGLY", 100)
    found = trace(read(long).chart(), "oven1.process_value")
    expected = asked(long, BUCKETS, width=60 * NS, instance=1)
    assert [value for _, value in points(found)] == pytest.approx([mean for _, mean, *_ in expected], rel=1e-12)


def test_a_dead_device_and_a_suspended_computer_are_gaps(short: Path) -> None:
    start = run_of(0).started_ns / NS
    assert gaps(trace(read(short).chart(), "oven1.process_value")) == [(start + 246, start + 258)]
    dead = gaps(trace(read(short).chart(), "oven2.process_value"))
    assert dead == [(start + 90, start + 189), (start + 246, start + 258)]


def test_a_gap_stays_a_gap_in_buckets(long: Path) -> None:
    start = run_of(0).started_ns / NS
    (only,) = gaps(trace(read(long).chart(), "oven1.process_value"))
    assert only == pytest.approx((start + 0.82 * 10800, start + 0.86 * 10800), abs=30)


def test_the_pause_between_two_runs_is_a_gap(two: Path) -> None:
    found = [each for each in traces(read(two).chart()) if each.channel == "oven1.process_value"]
    assert [each.run for each in found] == ["kiln.0000", "kiln.0001"]
    assert {each.run for each in traces(read(two, run="kiln.0001").chart())} == {"kiln.0001"}


@pytest.mark.parametrize("name", ["short", "long"])
def test_suspect_and_faulty_rows_are_marked(name: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    chart = read(path).chart()
    for channel, instance, status in (("oven1.process_value", 1, "suspect"), ("oven1.process_value[3]", 3, "fault")):
        marks = trace(chart, channel).marks
        assert list(marks) == [status]
        query = "SELECT received_ns, value FROM samples WHERE device = 'oven1' AND instance = ? AND status = ?"
        rows = {(at / NS, value) for at, value in asked(path, query, instance, status)}
        drawn = set(zip(marks[status].times, marks[status].values, strict=True))
        assert drawn <= rows
        assert len(drawn) == len(rows) if name == "short" else len(drawn) > 5
        times = [at for at, _ in rows]
        assert min(marks[status].times) == min(times)
        assert max(marks[status].times) > max(times) - 20


def test_every_minute_with_a_suspect_or_faulty_row_has_a_mark_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_module, "READ_SINGLY", 100)
    run, random = run_of(0), Random(17)
    found = batches(run, channels(1), 9000)
    marked = set()
    for place in random.sample(range(len(found)), 150):
        status = random.choice([Status.SUSPECT, Status.FAULT])
        value = None if random.random() < 0.3 else 25.0
        samples = [structs.replace(each, status=status, value=value) for each in found[place].samples]
        found[place] = structs.replace(found[place], samples=samples)
    path = tmp_path / "marks.sqlite"
    anyio.run(store, SqliteSink(path), run, found)
    only = trace(read(path).chart(), "oven1.process_value")
    query = "SELECT DISTINCT status, received_ns / 60000000000 FROM samples WHERE status IN ('suspect', 'fault')"
    for status, marks in only.marks.items():
        marked |= {(status, round(at * NS) // (60 * NS)) for at in marks.times}
    assert only.low is not None
    assert marked == set(asked(path, query))


BY_UNIT = """SELECT received_ns / 60000000000, avg(value), min(value), max(value) FROM samples
WHERE unit = ? AND value IS NOT NULL GROUP BY 1 ORDER BY 1"""


def test_in_minutes_a_line_has_values_of_one_unit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_module, "READ_SINGLY", 100)
    path = pictured(tmp_path / "units.sqlite", 1, 3 * 3600)
    with closing(sqlite3.connect(path)) as database:
        (number,) = database.execute(
            "INSERT INTO annotation (unit, status, flags) VALUES ('degF', 'ok', '') RETURNING id"
        ).fetchone()
        changed = "UPDATE reading SET annotation_id = ?, value = value * 1.8 + 32 WHERE annotation_id IS NULL AND"
        start = run_of(0).started_ns
        for first, last in ((3620, 3650), (7230, 8000), (9400, 9401)):
            database.execute(f"{changed} received_ns BETWEEN ? AND ?", (number, start + first * NS, start + last * NS))
        database.commit()
    first, second = read(path).chart().panels
    for panel in (first, second):
        (only,) = panel.traces
        drawn = list(zip(only.times, only.values, only.low or (), only.high or (), strict=True))
        found = [(round(at * NS) // (60 * NS), *each) for at, *each in drawn if not math.isnan(each[0])]
        expected = asked(path, BY_UNIT, panel.unit)
        assert [(at, low, high) for at, _, low, high in found] == [(at, low, high) for at, _, low, high in expected]
        assert [mean for _, mean, *_ in found] == pytest.approx([mean for _, mean, *_ in expected], rel=1e-12)
    assert (first.unit, second.unit) == ("degC", "degF")
    assert len(gaps(second.traces[0])) == 2


@pytest.mark.parametrize("ticks", [20, 5000])
def test_a_channel_whose_unit_changes_is_in_two_panels(tmp_path: Path, ticks: int) -> None:
    run = run_of(0)
    found = batches(run, channels(1), ticks)
    half = len(found) // 2
    for place in range(half, len(found)):
        samples = [structs.replace(each, unit="degF", value=100.0) for each in found[place].samples]
        found[place] = structs.replace(found[place], samples=samples)
    path = tmp_path / "units.sqlite"
    anyio.run(store, SqliteSink(path), run, found)
    first, second = read(path).chart().panels
    assert (first.unit, second.unit) == ("degC", "degF")
    assert max(value for _, value in points(first.traces[0])) < 50
    assert {value for _, value in points(second.traces[0])} == {100.0}


def test_a_clock_that_was_set_back_breaks_the_line(tmp_path: Path) -> None:
    run = run_of(0)
    whole = batches(run, channels(1), 40)
    path = tmp_path / "back.sqlite"
    anyio.run(store, SqliteSink(path), run, [*whole[:20], *later(whole[20:], -10)])
    (found,) = traces(read(path).chart())
    assert len(points(found)) == len(whole)
    before = [at for at, value in zip(found.times, found.values, strict=True) if math.isnan(value)]
    assert len(before) == 2  # the clock, and the suspended computer


def test_a_computer_that_was_suspended_breaks_the_line_although_no_slot_is_missing(tmp_path: Path) -> None:
    run = run_of(0)
    whole = batches(run, channels(1), 30)
    path = tmp_path / "suspended.sqlite"
    anyio.run(store, SqliteSink(path), run, [*whole[:10], *later(whole[10:20], 60)])
    (found,) = traces(read(path).chart())
    assert len(gaps(found)) == 1


def test_only_matching_channels_are_drawn(short: Path) -> None:
    names = {each.channel for each in traces(read(short).chart(channels=["oven2.p*", "oven1.process_value[2]"]))}
    assert names == {"oven2.pressure", "oven1.process_value[2]"} | {
        f"oven2.process_value{instance}" for instance in ("", "[2]", "[3]", "[4]")
    }
    with pytest.raises(ConfigError, match="no channel 'oven9"):
        read(short).chart(channels=["oven9.*"])


def test_only_the_last_seconds_are_drawn(short: Path) -> None:
    found = trace(read(short).chart(last_s=10), "oven1.process_value")
    assert len(points(found)) == 10
    assert found.times[-1] == run_of(0).started_ns / NS + 299


def test_what_happened_is_in_the_chart(short: Path) -> None:
    chart = read(short).chart()
    assert [note.text.split()[0] for note in chart.notes] == ["door", "<script>alert(1)</script>", "sample"]
    assert [event.kind for event in chart.events] == ["device_not_responding", "write", "device_responding"]
    start = run_of(0).started_ns / NS
    hot, low = chart.alarms
    assert (hot.channel, hot.start, hot.end, hot.open) == ("oven1.process_value", start + 60, start + 120, False)
    assert (low.name, low.open, low.end) == ("flow low", True, pytest.approx(start + 299, abs=1.1))
    assert [band.name for band in read(short).chart(channels=["oven1.flow"]).alarms] == ["flow low"]


def test_an_alarm_outside_of_the_time_is_not_in_the_chart(short: Path) -> None:
    start = "2026-11-20T12:02:30Z"
    assert [band.name for band in read(short, start=start).chart().alarms] == ["flow low"]


def test_two_runs_are_on_one_axis_from_their_start_on(two: Path) -> None:
    chart = read(two).chart(compare=("kiln.0000", "kiln.0001"))
    first, second = (each for each in traces(chart) if each.channel == "oven1.process_value")
    assert first.times == pytest.approx(second.times, abs=1e-6)
    assert (chart.start, chart.aligned) == (pytest.approx(0, abs=1e-6), "the start of each run")
    aligned = read(two).chart(compare=("kiln.0000", "kiln"), align="note:door")
    assert aligned.start == pytest.approx(-10)
    with pytest.raises(ConfigError, match="no event"):
        read(two).chart(compare=("kiln.0000", "kiln"), align="note:window")
    with pytest.raises(ConfigError, match="unknown kind"):
        read(two).chart(compare=("kiln.0000", "kiln"), align="notes")
    with pytest.raises(ConfigError, match="no run"):
        read(two).chart(compare=("kiln.0000", "other"))


def test_runs_begin_with_their_slot_0_and_not_when_their_file_knew_them(two: Path, tmp_path: Path) -> None:
    late = Path(shutil.copy(two, tmp_path / "late.sqlite"))
    with closing(sqlite3.connect(late)) as database, database:
        database.execute("UPDATE run SET started_ns = started_ns - 30000000000, anchor_ns = anchor_ns - 30000000000")
    chart = read(late).chart(compare=("kiln.0000", "kiln.0001"))
    assert chart.start == pytest.approx(0, abs=1e-6)
    with closing(sqlite3.connect(late)) as database, database:
        database.execute("DELETE FROM event WHERE kind = 'run_started'")
    assert read(late).chart(compare=("kiln.0000", "kiln.0001")).start == pytest.approx(30, abs=1e-6)


@pytest.mark.parametrize("name", ["short", "long"])
def test_other_formats_have_the_same_lines(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    export(path, tmp_path / "copy.csv", format="csv")
    expected = {each.channel: each for each in traces(read(path).chart())}
    found = {each.channel: each for each in traces(read(tmp_path / "copy.csv").chart())}
    assert list(found) == list(expected)
    for channel, each in found.items():
        values = [value for _, value in points(each)]
        assert values == pytest.approx([value for _, value in points(expected[channel])], rel=1e-12)
        assert len(each.values) == len(expected[channel].values)
        assert list(each.marks) == list(expected[channel].marks)


def test_a_recording_of_schema_1_has_a_chart(tmp_path: Path) -> None:
    old = Path(shutil.copy(FILES / "schema-1.sqlite", tmp_path))
    chart = read(old).chart()
    drawn = sum(len(points(each)) for each in traces(chart))
    assert drawn == sum(row.value is not None for row in read(old)) > 0


def test_a_recording_without_rows_has_an_empty_chart(tmp_path: Path) -> None:
    anyio.run(store, SqliteSink(tmp_path / "empty.sqlite"), run_of(0), [])
    assert read(tmp_path / "empty.sqlite").chart().panels == []

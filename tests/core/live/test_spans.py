"""Charts of a recording: the numbers are those of SQL, gaps are gaps, and the cost is bounded."""

import csv
import io
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from live_page import Page, source_of
from msgspec import structs
from recorded import START, WARM, ZONE, make_run, stamp, steady, store

from riglog.errors import ConfigError
from riglog.live import spans, units
from riglog.model import NS, Batch, Run, Sample, Status, missing_sample
from riglog.recordings.parts import Part
from riglog.recordings.units import StoredChannel
from riglog.sinks import SqliteSink
from riglog.sinks.sqlite.reader import open_recording

SECOND_MS, START_MS = 1000.0, START / 1e6


def recording(path: Path, batches: Sequence[Batch], *, rate_hz: float = 2.0, run: Run | None = None) -> Page:
    run = run or make_run(rate_hz=rate_hz)
    anyio.run(store, SqliteSink(path), run, batches)
    return Page(source_of(path))


def series(page: Page, *ids: int, **query: Any) -> list[dict[str, Any]]:
    span = {"from": START_MS - 1, "to": START_MS + 1e7} | query
    text = "&".join(f"{name.rstrip('_')}={value}" for name, value in span.items())
    found: list[dict[str, Any]] = page.json(f"/api/series?channel={','.join(map(str, ids))}&{text}")["series"]
    return found


def in_sql(path: Path, sql: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql, values).fetchall()


def test_few_rows_are_drawn_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    page = recording(path, list(steady(make_run(), [WARM, ZONE], 15)))
    one, two = series(page, 1, 2, buckets=10)
    expected = in_sql(path, "SELECT received_ns, value FROM samples WHERE instance = 1 ORDER BY received_ns")
    assert list(zip(one["t"], one["mean"], strict=True)) == [(at / 10**6, value) for at, value in expected]
    assert (one["width_ms"], one["unit"], one["marks"]) == (None, "degC", [])
    assert one["last_ms"] == one["t"][-1]
    assert two["mean"] == one["mean"]


@pytest.mark.parametrize(("ticks", "buckets"), [(3_000, 50), (3_000, 600), (20_000, 30)])
def test_buckets_of_many_rows_are_those_of_sql(tmp_path: Path, ticks: int, buckets: int) -> None:
    path = tmp_path / "a.sqlite"
    page = recording(path, list(steady(make_run(), [WARM], ticks)))
    (one,) = series(page, 1, buckets=buckets, to=START_MS + ticks * 500)
    width = round(one["width_ms"] * 1e6)
    expected = in_sql(
        path,
        "SELECT received_ns / ? * ? / 1e6, count(*), count(value), min(value), max(value), avg(value) FROM samples"
        " WHERE received_ns < ? GROUP BY 1 ORDER BY 1",
        width,
        width,
        round((START_MS + ticks * 500) * 1e6),
    )
    found = list(zip(*(one[key] for key in ("t", "rows", "count", "low", "high", "mean")), strict=True))
    assert len(found) <= buckets + 1
    assert [row[:5] for row in found] == [row[:5] for row in expected]
    assert [row[5] for row in found] == pytest.approx([row[5] for row in expected], rel=1e-12)


def test_a_row_without_a_value_breaks_the_line_and_is_marked(tmp_path: Path) -> None:
    run = make_run()
    batches = list(steady(run, [WARM], 9))
    batches[4] = Batch("bus", 4, [missing_sample(WARM, stamp(run, 2.01), Status.MISSING, "no reply")])
    batches[6] = Batch("bus", 6, [structs.replace(batches[6].samples[0], status=Status.SUSPECT)])
    page = recording(tmp_path / "a.sqlite", batches)
    (one,) = series(page, 1)
    assert [place for place, value in enumerate(one["mean"]) if value is None] == [4]
    assert one["marks"] == [[4, "missing"], [6, "suspect"]]
    (coarse,) = series(page, 1, buckets=10, from_=START_MS, to=START_MS + 4000)
    assert coarse["mean"].count(None) == 1


def test_slots_without_a_row_and_the_time_between_two_runs_break_the_line(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    batches = [batch for batch in steady(run, [WARM], 12) if batch.tick not in (5, 6)]
    recording(path, batches)
    later = make_run("later", number=1)
    anyio.run(store, SqliteSink(path), later, list(steady(later, [WARM], 3)))
    page = Page(source_of(path))
    (one,) = series(page, 1)
    assert [place for place, value in enumerate(one["mean"]) if value is None] == [5, 11]
    (only,) = series(page, 1, run="later")
    assert (len(only["t"]), None in only["mean"]) == (3, False)


def test_a_time_without_rows_has_no_buckets(tmp_path: Path) -> None:
    run = make_run(rate_hz=10)
    batches = [batch for batch in steady(run, [WARM], 4_000) if not 1_000 <= (batch.tick or 0) < 3_000]
    page = recording(tmp_path / "a.sqlite", batches, rate_hz=10)
    (one,) = series(page, 1, buckets=100, to=START_MS + 400e3)
    assert one["width_ms"] == 5 * SECOND_MS
    apart = [later - earlier for earlier, later in zip(one["t"], one["t"][1:], strict=False)]
    assert sorted(set(apart)) == [5_000.0, max(apart)]
    assert max(apart) > 195_000


def test_a_value_in_another_unit_is_not_drawn_in_this_one(tmp_path: Path) -> None:
    run = make_run()
    given = ["kg", "kg", "degC", "degC"]
    batches = [
        Batch("bus", tick, [Sample(channel=WARM, stamp=stamp(run, tick * 0.5), value=float(tick), unit=unit)])
        for tick, unit in enumerate(given)
    ]
    (one,) = series(recording(tmp_path / "a.sqlite", batches), 1)
    assert (one["unit"], one["mean"]) == ("degC", [None, None, 2.0, 3.0])


@pytest.mark.parametrize("buckets", [10, 50])
@pytest.mark.parametrize("expected", ["degC", None])
def test_buckets_have_values_of_one_unit_only(tmp_path: Path, buckets: int, expected: str | None) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    channel = structs.replace(WARM, unit=expected)
    given = ["K", "degC", "degC"]
    batches = [
        Batch(
            "bus", tick, [Sample(channel=channel, stamp=stamp(run, tick / 2), value=float(tick), unit=given[tick % 3])]
        )
        for tick in range(1_500)
    ]
    page = recording(path, batches)
    for _ in range(2):
        (one,) = series(page, 1, buckets=buckets, to=START_MS + 750e3)
        values = "count(*), count(value), min(value), max(value)"
        sql = f"SELECT {values} FROM samples WHERE unit = 'degC' GROUP BY received_ns / ?"
        found = [row for row in zip(one["count"], one["count"], one["low"], one["high"], strict=True) if row[0]]
        assert found == in_sql(
            path, f"{sql} ORDER BY received_ns / {round(one['width_ms'] * 1e6)}", round(one["width_ms"] * 1e6)
        )
        assert sum(one["rows"]) == 1_500


@pytest.mark.parametrize("seed", range(6))
def test_what_is_remembered_of_units_and_marks_changes_no_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)
    monkeypatch.setattr(units, "PIECE_NS", 400 * NS)
    monkeypatch.setattr(units, "MOST_MARKS", random.choice([20, 1_000]))
    path, batches, run = tmp_path / "a.sqlite", [], make_run()
    unit, left = "degC", 0
    for tick in range(3_000):
        if not left:
            unit, left = random.choice(["degC", "K", "degC", "F"]), random.choice([1, 70, 400])
        left -= 1
        status = random.choices([Status.OK, Status.SUSPECT, Status.FAULT], [60, 2, 1])[0]
        value = None if status is not Status.OK and random.random() < 0.3 else random.random()
        sample = Sample(channel=WARM, stamp=stamp(run, tick / 2), value=value, unit=unit, status=status)
        batches.append(Batch("bus", tick, [sample]))
    recording(path, batches)
    channel, index = StoredChannel(1, 1, "degC"), units.AnnotatedIndex(path)
    with closing(open_recording(path)) as database:

        def reply(start: int, end: int, width: int) -> tuple[Any, Any]:
            parts: dict[int, Part] = {}
            for wanted in ("degC", "K"):
                for at, part in index.parts(database, channel, wanted, start, end, width):
                    parts.setdefault(at // width, Part()).add(structs.replace(part, total=round(part.total, 9)))
            marks: dict[Any, Any] = {}
            for received, *mark in index.marks(database, channel, start, end, width):
                marks.setdefault((received // width, mark[-1]), (received, *mark))
            sums = {
                at: (part.rows, part.count, part.low, part.high, round(part.total, 6)) for at, part in parts.items()
            }
            return sums, marks

        spans_of_chart = []
        for width in (NS // 2, 2 * NS, 5 * NS, 15 * NS, 60 * NS, 300 * NS, 3_600 * NS):
            start = START + random.randrange(1_400) * NS
            spans_of_chart += [
                (START - NS, START + 2_000 * NS, width),
                (start, start + random.randrange(900) * NS, width),
            ]
        index._failed = True  # nothing is searched in the background
        searched = [reply(*span) for span in spans_of_chart]
        assert not index._known
        index._failed = False
        assert not index.knows(channel)
        index.wait()
        assert index.knows(channel)
        assert [reply(*span) for span in spans_of_chart] == searched


def test_the_readings_of_a_long_time_are_searched_once(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    batches = []
    for tick in range(1_500):
        unit, status = ("K", Status.OK) if tick > 700 else ("degC", Status.SUSPECT if tick == 500 else Status.OK)
        sample = Sample(channel=WARM, stamp=stamp(run, tick / 2), value=1.0, unit=unit, status=status)
        batches.append(Batch("bus", tick, [sample]))
    recording(path, batches)
    channel, index = StoredChannel(1, 1, "degC"), units.AnnotatedIndex(path)
    index.knows(channel)
    index.wait()
    with closing(open_recording(path)) as database:
        queries: list[str] = []
        database.set_trace_callback(queries.append)
        found = dict(index.parts(database, channel, "degC", START, START + 750 * NS, 60 * NS))
        marks = list(index.marks(database, channel, START, START + 750 * NS, 60 * NS))
        assert 600 < sum(part.count for part in found.values()) < 710
        assert [mark[-1] for mark in marks] == ["suspect"]
        seconds = [
            (int(end) - int(start)) / NS
            for query in queries
            if "annotation" in query
            for start, end in re.findall(r"received_ns >= (-?\d+)\s+AND reading.received_ns < (\d+)", query)
        ]
        assert seconds
        assert max(seconds) <= 120  # the first and the last minute, and that in which the unit changed


def test_a_row_in_another_unit_that_is_stored_after_a_chart_was_drawn_is_not_in_its_buckets(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run(rate_hz=2.0)
    degrees = list(steady(run, [WARM], 300))
    text = structs.replace(ZONE, unit="g")
    other = [Sample(channel=text, stamp=stamp(run, 0.2), value=1.0, unit="g", flags=("stable",))]
    later = [Sample(channel=WARM, stamp=stamp(run, 150.2), value=1e6, unit="K")]
    last = [Sample(channel=WARM, stamp=stamp(run, 150.7), value=20.0, unit="degC")]

    async def written() -> list[dict[str, Any]]:
        sink = SqliteSink(path)
        await sink.check()
        await sink.open(run)
        await sink.write([Batch("bus", 0, other), *degrees], ())
        page = Page(source_of(path))
        series(page, 1, buckets=10, to=START_MS + 500e3)
        await sink.write([Batch("bus", 300, later), Batch("bus", 301, last)], ())
        page.look()
        found = series(page, 1, buckets=10, to=START_MS + 500e3)
        await sink.aclose()
        return found

    (one,) = anyio.run(written)
    assert one["unit"] == "degC"
    assert max(high for high in one["high"] if high is not None) < 1e3


@pytest.mark.parametrize("buckets", [10, 20, 40, 100])
def test_buckets_mark_their_first_suspect_and_faulty_row(tmp_path: Path, buckets: int) -> None:
    path, random = tmp_path / "a.sqlite", Random(17)
    batches = list(steady(make_run(), [WARM], 1_500))
    for place in random.sample(range(len(batches)), 200):
        status = random.choice([Status.SUSPECT, Status.FAULT])
        value = None if random.random() < 0.3 else 25.0
        samples = [structs.replace(each, status=status, value=value) for each in batches[place].samples]
        batches[place] = structs.replace(batches[place], samples=samples)
    page = recording(path, batches)
    for first in (START_MS + 300e3, START_MS - 1, START_MS + 100e3):
        (one,) = series(page, 1, buckets=buckets, **{"from": first}, to=START_MS + 750e3)
        width = round(one["width_ms"] * 1e6)
        sql = """SELECT min(received_ns), value, status FROM samples WHERE status IN ('suspect', 'fault')
        AND received_ns >= ? GROUP BY received_ns / ?, status ORDER BY 1"""
        expected = in_sql(path, sql, round(first * 1e6), width)
        assert [(round(at), value, status) for at, value, status in one["marked"]] == [
            (round(at / 1e6), value, status) for at, value, status in expected
        ]


def test_a_quick_chart_states_that_it_does_not_mark(tmp_path: Path) -> None:
    batches = list(steady(make_run(), [WARM], 1_500))
    page = recording(tmp_path / "a.sqlite", batches)
    query = f"/api/series?channel=1&from={START_MS}&to={START_MS + 750e3}&buckets=10"
    assert not page.json(f"{query}&quick=1")["coarse"]
    samples = [structs.replace(each, status=Status.SUSPECT) for each in batches[700].samples]
    batches[700] = structs.replace(batches[700], samples=samples)
    page = recording(tmp_path / "b.sqlite", batches)
    quick, exact = page.json(f"{query}&quick=1"), page.json(query)
    assert (quick["coarse"], quick["series"][0]["marked"]) == (True, [])
    assert (exact["coarse"], len(exact["series"][0]["marked"])) == (False, 1)
    saved = page.reply(f"/api/series.csv?{query.partition('?')[2]}").body.decode()
    assert saved.count("suspect") == 1


def test_rows_that_were_stored_late_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    batches = list(steady(make_run(), [WARM], 10))
    page = recording(tmp_path / "a.sqlite", [*batches[:4], *batches[5:], batches[4]])
    (one,) = series(page, 1)
    assert one["t"] == sorted(one["t"])
    assert [value for value in one["mean"] if value is not None] == [tick + 0.1 for tick in range(10)]


def test_for_many_rows_a_quick_reply_has_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "QUICK_ROWS", 1_000)
    page = recording(tmp_path / "a.sqlite", list(steady(make_run(), [WARM], 4_000)))
    span = f"channel=1&from={START_MS}&to={START_MS + 2e6}&buckets=400"
    quick, fine = page.json(f"/api/series?{span}&quick=1"), page.json(f"/api/series?{span}")
    assert (quick["coarse"], quick["series"][0]["width_ms"]) == (True, 60_000.0)
    assert (fine["coarse"], fine["series"][0]["width_ms"]) == (False, 5_000.0)
    assert sum(quick["series"][0]["rows"]) == sum(fine["series"][0]["rows"]) == 4_000


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("channel=9", "no channel has the number 9"),
        ("channel=x", "whole numbers"),
        ("channel=1&from=5&to=5", "ends before it begins"),
        ("channel=1&from=nan", "not a number"),
        ("channel=1&from=1e99", "not a number"),
        ("channel=1&run=other", "no run 'other'"),
        ("channel=" + ",".join(map(str, range(99))), "channels requested"),
    ],
)
def test_a_wrong_request_is_refused(tmp_path: Path, query: str, message: str) -> None:
    page = recording(tmp_path / "a.sqlite", list(steady(make_run(), [WARM], 3)))
    with pytest.raises(ConfigError, match=message):
        page.reply(f"/api/series?{query}")


def test_a_chart_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "LONGEST_SECONDS", -1.0)
    monkeypatch.setattr(spans, "STEPS", 1)
    page = recording(tmp_path / "a.sqlite", list(steady(make_run(), [WARM], 300)))
    with pytest.raises(Exception, match="takes too long"):
        series(page, 1)


def test_the_csv_has_the_rows_of_the_chart_and_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    hostile = structs.replace(WARM, device="=cmd|' /C calc'!A0")
    page = recording(path, list(steady(make_run(), [hostile], 5)))
    reply = page.reply(f"/api/series.csv?channel=1&from={START_MS}&to={START_MS + 9e6}")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert [float(row["mean"]) for row in rows] == [tick + 0.1 for tick in range(5)]
    assert {row["channel"][0] for row in rows} == {"'"}
    assert [row["time"] for row in rows] == [at for (at,) in in_sql(path, "SELECT received_at FROM samples")]


@pytest.mark.parametrize("year", [1970, 2016, 2038, 2100, 2262])
def test_the_csv_has_every_row_with_the_time_that_sql_has(tmp_path: Path, year: int) -> None:
    started = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * NS
    run = structs.replace(make_run(), started_ns=started)
    path, random = tmp_path / "a.sqlite", Random(year)
    batches = []
    for tick in range(60):
        at = stamp(run, tick * 0.5 + random.random() / 3, random.choice((None, 0.0471)))
        value = random.choice((random.gauss(20, 5), "open", 1e300, -0.0, 5e-324, 2**63 - 1))
        batches.append(Batch("bus", tick, [Sample(channel=WARM, stamp=at, value=value, unit="degC")]))
    page = recording(path, batches, run=run)
    from_ms = started / 1e6
    reply = page.reply(f"/api/series.csv?channel=1&from={from_ms}&to={from_ms + 60e3}")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    found = [(row["time"], row["mean"] and float(row["mean"])) for row in rows]
    expected = in_sql(path, "SELECT received_at, value FROM samples ORDER BY received_at")
    assert repr(found) == repr([(at, "" if value is None else value) for at, value in expected])
    (columns,) = page.json(f"/api/series?channel=1&from={from_ms}&to={from_ms + 60e3}")["series"]
    assert "at_ns" not in columns


def test_values_whose_sum_is_beyond_every_number_have_no_mean(tmp_path: Path) -> None:
    run = make_run()
    batches = [
        Batch("bus", tick, [Sample(channel=WARM, stamp=stamp(run, tick / 2), value=1.7e308, unit="degC")])
        for tick in range(100)
    ]
    page = recording(tmp_path / "a.sqlite", batches)
    (found,) = page.json(f"/api/series?channel=1&from={START_MS}&to={START_MS + 60e3}&buckets=10")["series"]
    assert (set(found["mean"]), set(found["high"]), sum(found["count"])) == ({None}, {1.7e308}, 100)


def test_a_transaction_is_over_when_the_reply_is_there(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    page = recording(path, list(steady(run, [WARM], 50)))
    series(page, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE run SET name = 'x'")
        busy, log, checkpointed = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, log, checkpointed) == (0, 0, 0)

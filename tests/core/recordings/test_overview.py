"""``read(...).overview``: equal to what all rows come to, whatever the width of the buckets, in every format."""

import math
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from recorded import WARM, ZONE, later, make_run, store

from riglog.errors import ConfigError
from riglog.model import NS, Batch, Sample, Stamp, Status, iso, missing_sample
from riglog.recordings import export, read
from riglog.recordings.overview import Bucket, bucket_width
from riglog.sinks import SqliteSink
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.recorded import nanoseconds

FILES = Path(__file__).parents[2] / "support" / "recordings"
RUN = make_run(rate_hz=1.0)


def batches(seconds: int, *, first: int = 0) -> list[Batch]:
    """Two channels, one of them with a value in every tenth row only, and a gap of eleven minutes."""
    found = []
    for tick in range(first, first + seconds):
        if 700 <= tick % 3600 < 1360:
            continue
        at = Stamp(RUN.started_ns + tick * NS, 3_000_000, RUN.anchor_ns + tick * NS)
        value = Sample(channel=WARM, stamp=at, value=math.sin(tick / 50) + tick, unit="degC")
        few = Sample(channel=ZONE, stamp=at, value=float(tick), unit="degC")
        lost = missing_sample(ZONE, at, Status.MISSING, "no reply")
        found.append(Batch("bus", tick, [value, lost if tick % 10 else few]))
    return found


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours and some minutes at 1 Hz; after them the clock is set back for ten minutes."""
    path = tmp_path_factory.mktemp("overview") / "bench.sqlite"
    whole = [*batches(7300), *later(batches(600, first=7300), -7200)]
    anyio.run(store, SqliteSink(path), RUN, whole)
    return path


def expected(rows: Iterable[Row], width: int) -> dict[tuple[str, int, str], tuple[object, ...]]:
    found: dict[tuple[str, int, str], list[float | None]] = {}
    for row in rows:
        start = iso(nanoseconds(row.received_at) // width * width)
        found.setdefault((row.parameter, row.instance, start), []).append(row.value)
    return {key: _facts(values) for key, values in found.items()}


def _facts(values: list[float | None]) -> tuple[object, ...]:
    numbers = [value for value in values if value is not None]
    mean = pytest.approx(sum(numbers) / len(numbers), rel=1e-12) if numbers else None
    edges = (numbers[0], numbers[-1]) if numbers else (None, None)
    extremes = (min(numbers), max(numbers)) if numbers else (None, None)
    return (len(values), len(numbers), *extremes, mean, *edges)


def as_facts(buckets: list[Bucket]) -> dict[tuple[str, int, str], tuple[object, ...]]:
    return {
        (each.parameter, each.instance, each.start): (
            each.rows,
            each.count,
            each.low,
            each.high,
            each.mean,
            each.first,
            each.last,
        )
        for each in buckets
    }


def width_of(bucket: Bucket) -> int:
    return nanoseconds(bucket.end) - nanoseconds(bucket.start)


@pytest.mark.parametrize("buckets", [1, 2, 7, 60, 100, 500, 1000, 10_000])
def test_an_overview_is_what_all_rows_come_to(recording: Path, buckets: int) -> None:
    found = read(recording).overview(buckets=buckets)
    assert as_facts(found) == expected(read(recording), width_of(found[0]))
    starts = {bucket.start for bucket in found}
    assert 0 < len(starts) <= buckets + 1  # the first one may begin before the first row


@pytest.mark.parametrize("buckets", [3, 50, 400])
def test_a_part_of_the_time_has_only_its_rows(recording: Path, buckets: int) -> None:
    start, end = "2026-11-20T12:20:10.5Z", "2026-11-20T13:41:00Z"
    found = read(recording).overview(start, end, buckets)
    assert as_facts(found) == expected(read(recording, start=start, end=end), width_of(found[0]))
    selected = read(recording, start=start, end=end, parameter="process_value").overview(buckets=buckets)
    assert as_facts(selected) == as_facts(found)
    assert read(recording).overview(end, start) == []


def test_gaps_have_no_buckets(recording: Path) -> None:
    found = [each for each in read(recording).overview(buckets=200) if each.instance == 1]
    starts = {each.start for each in found}
    assert "2026-11-20T12:16:00.000000Z" not in starts


UNITS = """
SELECT received_ns / :width, unit, count(*), min(value), max(value), avg(value) FROM samples
WHERE instance = 1 AND value IS NOT NULL GROUP BY 1, 2 ORDER BY 1, min(received_ns)"""


@pytest.mark.parametrize("buckets", [1, 9, 150, 3000])
@pytest.mark.parametrize("format", ["sqlite", "csv"])
def test_a_bucket_has_numbers_of_one_unit_only(tmp_path: Path, format: str, buckets: int) -> None:
    found = batches(7300)
    for place, batch in enumerate(found):
        first, *others = batch.samples
        if 2000 < place < 2010 or place > 5000:
            first = structs.replace(first, unit="K", value=(first.value or 0.0) + 273.15)
        elif place % 500 == 0:
            first = missing_sample(WARM, first.stamp, Status.MISSING, "no reply")
        found[place] = structs.replace(batch, samples=[first, *others])
    path = tmp_path / "bench.sqlite"
    anyio.run(store, SqliteSink(path), RUN, found)
    other = path if format == "sqlite" else tmp_path / f"bench.{format}"
    if other != path:
        export(path, other, format=format)
    made = [each for each in read(other).overview(buckets=buckets) if each.instance == 1]
    width = width_of(made[0])
    valued = [each for each in made if each.count]
    with closing(sqlite3.connect(path)) as database:
        expected = database.execute(UNITS, {"width": width}).fetchall()
    numbers = [(nanoseconds(each.start) // width, each.unit, each.count, each.low, each.high) for each in valued]
    assert numbers == [each[:5] for each in expected]
    assert [each.mean for each in valued] == pytest.approx([each[5] for each in expected], rel=1e-12)
    assert sum(each.rows for each in made) == len(found)
    edges: dict[tuple[int, str | None], list[float]] = {}
    for row in read(path, parameter=WARM.parameter):
        if row.instance == 1 and row.value is not None:
            edges.setdefault((nanoseconds(row.received_at) // width, row.unit), []).append(row.value)
    assert {(nanoseconds(each.start) // width, each.unit): (each.first, each.last) for each in valued} == {
        key: (values[0], values[-1]) for key, values in edges.items()
    }


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_other_formats_have_the_same_overview(recording: Path, tmp_path: Path, format: str) -> None:
    other = tmp_path / f"bench.{format}"
    export(recording, other, format=format)
    for arguments in ((None, None, 90), ("2026-11-20T12:20:00Z", "2026-11-20T12:40:00Z", 30)):
        assert as_facts(read(other).overview(*arguments)) == {
            key: (*facts[:4], None if facts[4] is None else pytest.approx(facts[4]), *facts[5:])
            for key, facts in as_facts(read(recording).overview(*arguments)).items()
        }


def test_schema_1_has_an_overview_too(tmp_path: Path) -> None:
    old = Path(shutil.copy(FILES / "schema-1.sqlite", tmp_path))
    found = read(old).overview(buckets=10)
    assert sum(each.rows for each in found) == len(list(read(old)))


def test_a_recording_without_rows_has_no_buckets(tmp_path: Path) -> None:
    anyio.run(store, SqliteSink(tmp_path / "empty.sqlite"), RUN, [])
    assert read(tmp_path / "empty.sqlite").overview() == []


@pytest.mark.parametrize("buckets", [0, -1, 100_001])
def test_a_number_of_buckets_out_of_range_is_refused(recording: Path, buckets: int) -> None:
    with pytest.raises(ConfigError, match="must be from 1 to 100000"):
        read(recording).overview(buckets=buckets)


@pytest.mark.parametrize(
    ("seconds", "buckets", "width"),
    [(1000, 1000, 1), (1001, 1000, 2), (60_000, 1000, 60), (60_001, 1000, 120), (86_400 * 365, 1000, 9 * 3600)],
)
def test_buckets_have_round_widths(seconds: int, buckets: int, width: int) -> None:
    assert bucket_width(seconds * NS, buckets) == width * NS

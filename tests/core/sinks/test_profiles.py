"""The profiles of the SQLite sink: other blocks, the same rows; whatever happens while blocks are merged."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from recorded import GAS, NET, WARM, ZONE, later, make_run, stamp, steady, store, varied

from riglog.errors import StorageError
from riglog.model import NS, Batch, Sample
from riglog.recordings import read
from riglog.sinks import COLUMNS, SqliteSink, rows
from riglog.sinks.sqlite import blocks
from riglog.sinks.sqlite.blocks import Profile

RUN = make_run()
BATCHES = list(steady(RUN, [WARM, ZONE, GAS, NET], 120))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge often: a hundred rows are many here."""
    monkeypatch.setattr(blocks, "LEAST_MERGED", {"desk": 40, "card": 40})
    monkeypatch.setattr(blocks, "MERGED_OF_A_CHANNEL", {"desk": 1, "card": 1})


async def flushed(sink: SqliteSink, batches: list[object], step: int) -> None:
    for at in range(0, len(batches), step):
        await sink.write(batches[at : at + step], [])  # type: ignore[arg-type]


def found_blocks(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA quick_check").fetchone() == ("ok",)
        return [merged for (merged,) in file.execute("SELECT merged FROM block ORDER BY id")]


@pytest.mark.parametrize("profile", ["desk", "card"])
@pytest.mark.parametrize("step", [1, 2, 7])
async def test_every_row_is_read_in_order_at_every_moment(tmp_path: Path, profile: Profile, step: int) -> None:
    path = tmp_path / "run"
    sink = SqliteSink(path, profile=profile)
    await sink.open(RUN)
    for at in range(0, len(BATCHES), step):
        await sink.write(BATCHES[at : at + step], [])
        if at % 5 == 0:
            assert list(read(path)) == list(rows(RUN.id, BATCHES[: at + step]))
    await sink.aclose()
    assert list(read(path)) == list(rows(RUN.id, BATCHES))
    found = found_blocks(path)
    assert set(found) == {1}
    assert len(found) == 1 if profile == "desk" else len(found) > 5


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_a_killed_recording_is_continued_with_either_profile(tmp_path: Path, profile: Profile) -> None:
    sink = SqliteSink(tmp_path / "run", profile=profile)
    await sink.open(RUN)
    await flushed(sink, BATCHES[:57], 1)  # type: ignore[arg-type]
    for suffix in ("", "-wal"):
        shutil.copy(f"{tmp_path / 'run'}{suffix}", f"{tmp_path / 'copy'}{suffix}")
    await sink.aclose()
    assert 0 in found_blocks(tmp_path / "copy")
    other = SqliteSink(tmp_path / "copy", profile="card" if profile == "desk" else "desk")
    await other.open(RUN)
    back = later(BATCHES[57:], -3600)
    await flushed(other, back, 3)  # type: ignore[arg-type]
    await other.aclose()
    assert list(read(tmp_path / "copy")) == list(rows(RUN.id, [*BATCHES[:57], *back]))
    with closing(sqlite3.connect(tmp_path / "copy")) as file:
        assert file.execute("SELECT DISTINCT tick FROM latest").fetchall() == [(119,)]


async def test_a_merge_that_fails_loses_no_row_and_doubles_none(tmp_path: Path) -> None:
    path = tmp_path / "run"
    sink = SqliteSink(path)
    await sink.open(RUN)
    database = sink._file.database  # type: ignore[union-attr]
    await flushed(sink, BATCHES[:5], 1)  # type: ignore[arg-type]
    database.execute("CREATE TEMP TRIGGER no BEFORE DELETE ON main.reading BEGIN SELECT raise(ABORT, 'no'); END")
    await flushed(sink, BATCHES[5:60], 1)  # type: ignore[arg-type]
    assert found_blocks(path).count(0) > 20
    assert list(read(path)) == list(rows(RUN.id, BATCHES[:60]))
    database.execute("DROP TRIGGER no")
    await flushed(sink, BATCHES[60:], 1)  # type: ignore[arg-type]
    await sink.aclose()
    assert list(read(path)) == list(rows(RUN.id, BATCHES))
    assert found_blocks(path) == [1]


async def test_a_write_that_was_undone_leaves_no_block(tmp_path: Path) -> None:
    path = tmp_path / "run"
    sink = SqliteSink(path, profile="card")
    await sink.open(RUN)
    await sink.write(BATCHES[:1], [])
    bad = structs.replace(BATCHES[1], samples=[structs.replace(BATCHES[1].samples[0], value=object())])
    for _ in range(2):
        with pytest.raises((TypeError, StorageError)):
            await sink.write([bad], [])
    await sink.write(BATCHES[1:2], [])
    assert found_blocks(path) == [1, 0, 0]
    await sink.aclose()
    assert list(read(path)) == list(rows(RUN.id, BATCHES[:2]))


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_both_profiles_store_every_shape(tmp_path: Path, profile: Profile) -> None:
    await store(SqliteSink(tmp_path / "run", profile=profile), RUN, varied(RUN))
    assert list(read(tmp_path / "run")) == list(rows(RUN.id, varied(RUN)))


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_rows_are_those_of_the_view(tmp_path: Path, profile: Profile) -> None:
    """Rows are made of the stored numbers; the view makes them of the same ones in SQL."""
    path, run = tmp_path / "run", make_run()
    own = structs.replace(stamp(run, 70, None), own_ns=run.started_ns + 69 * NS)
    burst = Batch("stream", None, [Sample(channel=NET, stamp=own, value=1.5, unit="g")])
    batches = [*varied(run, 60), burst, *later(varied(run, 3), -3600)]
    await store(SqliteSink(path, profile=profile), run, batches)
    with closing(sqlite3.connect(path)) as file:
        columns = ", ".join(COLUMNS)
        found = file.execute(f"SELECT {columns} FROM samples ORDER BY segment, received_ns, n, channel_id").fetchall()
    assert [structs.astuple(row) for row in read(path)] == found
    assert len({row[COLUMNS.index("status")] for row in found}) == 3


async def test_a_mean_looks_up_no_annotation(tmp_path: Path) -> None:
    path = tmp_path / "run"
    await store(SqliteSink(path), RUN, BATCHES)
    question = "SELECT device, parameter, avg(value) FROM samples GROUP BY device, parameter"
    with closing(sqlite3.connect(path)) as file:
        plan = [detail for *_, detail in file.execute(f"EXPLAIN QUERY PLAN {question}")]
    assert not [step for step in plan if "annotation" in step or "TEMP B-TREE" in step]
    assert [step for step in plan if step.startswith("SCAN")] == [
        "SCAN series USING COVERING INDEX sqlite_autoindex_series_1"
    ]


@pytest.mark.parametrize("buckets", [7, 100, 4000])
async def test_an_overview_of_many_blocks_finds_those_of_its_time(tmp_path: Path, buckets: int) -> None:
    """Buckets below a minute are read from the readings; a channel that is not in every block has its own search."""
    path = tmp_path / "run"
    sink = SqliteSink(path, profile="card")
    await sink.open(RUN)
    rare = [batch if n % 30 else structs.replace(batch, samples=batch.samples[:1]) for n, batch in enumerate(BATCHES)]
    await flushed(sink, rare, 3)
    await sink.aclose()
    assert len(found_blocks(path)) > 5
    start, end = "2026-11-20T12:00:07Z", "2026-11-20T12:00:47Z"
    rows = [row for row in read(path, start=start, end=end) if row.value is not None]
    found = read(path).overview(start, end, buckets)
    assert sum(each.count for each in found) == len(rows)
    for each in found:
        inside = [
            row.value
            for row in rows
            if (row.device, row.parameter, row.instance) == (each.device, each.parameter, each.instance)
            and each.start <= row.received_at < each.end
        ]
        assert (each.first, each.last, each.low, each.high) == (inside[0], inside[-1], min(inside), max(inside))

"""Keys of readings: whatever the clock does, every row is stored, once, and read in the order of recording."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from postgres import rows_there
from recorded import GAS, WARM, later, make_run, steady, store

from riglog.acquire import pipe, record
from riglog.device import Pace
from riglog.model import Batch, Sample, Stamp
from riglog.recordings import read
from riglog.sinks import SqliteSink, rows
from riglog.sinks.postgres import forward
from riglog.testing import LoopClock

RUN = make_run()


def stepped(seconds: float) -> list[Batch]:
    """Twenty slots; the clock is set back before the tenth, and reaches the old times again."""
    batches = list(steady(RUN, [WARM, GAS], 20))
    return [*batches[:10], *later(batches[10:], -seconds)]


@pytest.mark.parametrize("seconds", [0.6, 2.0, 3600.0])
async def test_rows_are_in_the_order_of_recording_although_the_clock_was_set_back(
    tmp_path: Path, seconds: float
) -> None:
    await store(SqliteSink(tmp_path / "run"), RUN, stepped(seconds))
    assert list(read(tmp_path / "run")) == list(rows(RUN.id, stepped(seconds)))


async def test_a_clock_that_is_set_back_within_a_flush_begins_a_segment(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "run")
    await sink.open(RUN)
    await sink.write(stepped(3600), [])
    await sink.aclose()
    assert list(read(tmp_path / "run")) == list(rows(RUN.id, stepped(3600)))
    with closing(sqlite3.connect(tmp_path / "run")) as file:
        assert file.execute("SELECT segment, rows FROM flush ORDER BY id").fetchall() == [(0, 20), (1, 20)]
        assert file.execute("SELECT count(*) FROM series").fetchone() == (2,)
        newest = file.execute("SELECT parameter, tick FROM latest ORDER BY tick, parameter").fetchall()
    assert newest == [("I1", 19), ("process_value", 19)]


async def test_equal_times_are_told_apart_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "run"
    batches = list(steady(RUN, [WARM], 4))
    same = [structs.replace(batches[-1], tick=tick) for tick in range(4, 8)]
    await store(SqliteSink(path), RUN, [*batches, *same[:2]])
    await store(SqliteSink(path), RUN, same[2:])
    assert list(read(path)) == list(rows(RUN.id, [*batches, *same]))


@pytest.mark.parametrize("seed", range(5))
async def test_no_clock_loses_a_row(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    batches: list[Batch] = []
    offset = 0.0
    for tick in range(300):
        if chance.random() < 0.03:
            offset += chance.choice([-3600, -1, -0.5, 0.5, 7200, 1_700_000_000])
        batches += later(steady(RUN, [WARM, GAS], 1, first=tick if chance.random() < 0.9 else max(0, tick - 1)), offset)
    for at in range(0, len(batches), 75):
        await store(SqliteSink(tmp_path / "run"), RUN, batches[at : at + 75])
    assert list(read(tmp_path / "run")) == list(rows(RUN.id, batches))


@pytest.mark.real_time
async def test_the_forwarder_sends_every_row_although_the_clock_was_set_back(
    database: str, schema: str, tmp_path: Path
) -> None:
    sink = SqliteSink(tmp_path / "run")
    await sink.open(RUN)
    batches = stepped(3600)
    for batch in batches[:12]:
        await sink.write([batch], [])
    assert (await forward(tmp_path / "run", database, schema=schema)).remaining == 0
    for batch in [*batches[12:], batches[-1], batches[-1]]:
        await sink.write([batch], [])
    await sink.aclose()
    assert (await forward(tmp_path / "run", database, schema=schema)).remaining == 0
    wanted = [structs.astuple(row) for row in rows(RUN.id, [*batches, batches[-1], batches[-1]])]
    assert sorted(await rows_there(database, schema), key=str) == sorted(wanted, key=str)


async def test_slots_that_were_skipped_during_a_poll_begin_no_segment(tmp_path: Path) -> None:
    """The row of the poll is written first, and is newer than theirs: they have the times at which they were due."""
    in_time = list(steady(RUN, [WARM, GAS], 40))
    sink = SqliteSink(tmp_path / "run")
    await sink.open(RUN)
    for at in range(0, 40, 4):
        await sink.write([in_time[at + 3], *in_time[at : at + 3]], [])
    await sink.aclose()
    assert list(read(tmp_path / "run")) == list(rows(RUN.id, in_time))
    with closing(sqlite3.connect(tmp_path / "run")) as file:
        assert file.execute("SELECT count(*), max(segment) FROM channel").fetchone() == (2, 0)


async def test_segments_that_have_ended_are_kept_in_no_memory(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "run")
    await sink.open(RUN)
    for number in range(30):
        await sink.write(later(steady(RUN, [WARM, GAS], 2, first=2 * number), -3600.0 * number), [])
    assert sink._file is not None
    assert len(sink._file.overviews._done) <= 2
    await sink.aclose()
    assert len(list(read(tmp_path / "run"))) == 120


class SlowSource:
    """One channel; each poll takes two and a half slots."""

    name = "slow"
    channels = (WARM,)
    pace = Pace.HOST
    rate_hz = None

    async def poll(self) -> list[Sample]:
        await anyio.sleep(2.5)
        clock = LoopClock()
        return [Sample(channel=WARM, stamp=Stamp(clock.utc_ns(), None, clock.monotonic_ns()), value=1.0, unit="degC")]


async def test_a_recording_whose_polls_overrun_has_one_segment(tmp_path: Path) -> None:
    clock = LoopClock()
    async with record(SlowSource(), rate_hz=1, duration=120, clock=clock) as active_run:
        await pipe(active_run, SqliteSink(tmp_path / "run"), run=RUN, clock=clock, flush_interval=1.0)
    found = list(read(tmp_path / "run"))
    assert sorted(row.tick for row in found if row.tick is not None) == list(range(120))
    assert sum(row.status == "skipped" for row in found) > 60
    with closing(sqlite3.connect(tmp_path / "run")) as file:
        assert file.execute("SELECT count(*), max(segment) FROM channel").fetchone() == (1, 0)

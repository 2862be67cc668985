"""Overviews: equal to the readings they stand for, whatever the clock does, and to what a rebuild writes."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from recorded import GAS, WARM, ZONE, later, make_run, steady, store

from riglog.model import Batch, Status
from riglog.sinks import SqliteSink
from riglog.sinks.sqlite.blocks import Profile
from riglog.sinks.sqlite.overviews import HOUR_NS, MINUTE_NS, MINUTE_ROWS, rebuild

RUN = make_run(rate_hz=1.0)
SLOW = make_run(rate_hz=0.1)


def holes(batches: list[Batch], chance: random.Random) -> list[Batch]:
    """Some values are missing."""

    def changed(sample: Any) -> Any:
        return structs.replace(sample, value=None, status=Status.MISSING) if chance.random() < 0.02 else sample

    return [structs.replace(batch, samples=[changed(sample) for sample in batch.samples]) for batch in batches]


def overviews(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as file:
        return {name: file.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in ("minute", "hour")}


def rebuilt(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as file:
        rebuild(file)
        file.commit()
    return overviews(path)


def expected(path: Path, name: str, length_ns: int, least: int) -> list[tuple[Any, ...]]:
    """Computed without SQL: the rows that must be there, except those of the newest minute or hour of a channel."""
    with closing(sqlite3.connect(path)) as file:
        readings = file.execute(
            "SELECT channel_id, received_ns, value FROM reading ORDER BY channel_id, received_ns, n"
        ).fetchall()
    found: dict[tuple[int, int], list[float | None]] = {}
    for channel, received, value in readings:
        found.setdefault((channel, received // length_ns), []).append(value)
    newest = dict(sorted(found))
    wanted = []
    for (channel, at), values in sorted(found.items()):
        numbers = [value for value in values if value is not None]
        if at != newest[channel] and len(values) >= least:
            ends = (min(numbers), max(numbers), pytest.approx(sum(numbers)), numbers[0], numbers[-1])
            wanted.append((channel, at, len(values), len(numbers), *(ends if numbers else (None,) * 5)))
    return wanted


def check(path: Path) -> None:
    live = overviews(path)
    assert live["minute"] == expected(path, "minute", MINUTE_NS, MINUTE_ROWS)
    assert [row[:9] for row in live["hour"]] == expected(path, "hour", HOUR_NS, 1)
    assert rebuilt(path) == live


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_minutes_and_hours_are_those_of_the_readings(tmp_path: Path, profile: Profile) -> None:
    path = tmp_path / "run"
    sink = SqliteSink(path, profile=profile)
    await sink.open(RUN)
    batches = holes(list(steady(RUN, [WARM, GAS], 4000)), random.Random(1))
    for at in range(0, len(batches), 170):
        await sink.write(batches[at : at + 170], [])
    await sink.aclose()
    check(path)
    assert len(overviews(path)["minute"]) > 120
    assert len(overviews(path)["hour"]) == 2


async def test_slow_channels_have_hours_only(tmp_path: Path) -> None:
    await store(SqliteSink(tmp_path / "run"), SLOW, list(steady(SLOW, [WARM], 1500)))
    check(tmp_path / "run")
    found = overviews(tmp_path / "run")
    assert found["minute"] == []
    assert [row[9] for row in found["hour"]] == [0] * 4


@pytest.mark.parametrize("seed", range(3))
async def test_gaps_steps_of_the_clock_and_resuming_change_nothing(tmp_path: Path, seed: int) -> None:
    chance, path, offset, batches = random.Random(seed), tmp_path / "run", 0.0, []
    for minute in range(25):
        if chance.random() < 0.3:
            offset += chance.choice([-3600, -90, -7, 20, 300, 90_000])
        if chance.random() < 0.9:
            batches += later(steady(RUN, [WARM, ZONE], 61, first=minute * 61), offset)
    batches = holes(batches, chance)
    while batches:
        part = chance.randint(200, 1500)
        await store(SqliteSink(path), RUN, batches[:part])
        batches = batches[part:]
    live = overviews(path)
    assert all(row in rebuilt(path)["minute"] for row in live["minute"])
    assert live["minute"]
    check(path)


async def test_after_a_kill_every_row_is_exact_and_the_next_run_completes_them(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "run")
    await sink.open(RUN)
    batches = list(steady(RUN, [WARM], 8000))
    for at in range(0, 4000, 70):
        await sink.write(batches[at : at + 70], [])
    for suffix in ("", "-wal"):
        shutil.copy(f"{tmp_path / 'run'}{suffix}", f"{tmp_path / 'copy'}{suffix}")
    await sink.aclose()
    wanted = expected(tmp_path / "copy", "minute", MINUTE_NS, MINUTE_ROWS)
    killed = overviews(tmp_path / "copy")["minute"]
    assert killed == wanted[: len(killed)]
    assert len(killed) > 50
    await store(SqliteSink(tmp_path / "copy"), RUN, batches[4060:])
    check(tmp_path / "copy")


async def test_a_write_that_was_undone_leaves_no_overview(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "run")
    await sink.open(RUN)
    batches = list(steady(RUN, [WARM], 300))
    await sink.write(batches[:100], [])
    bad = structs.replace(batches[299], samples=[structs.replace(batches[299].samples[0], value=object())])
    with pytest.raises(TypeError):
        await sink.write([*batches[100:299], bad], [])
    for at in range(100, 300, 50):
        await sink.write(batches[at : at + 50], [])
    await sink.aclose()
    check(tmp_path / "run")

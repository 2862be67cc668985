"""Rotation: several files, one run, no row lost or stored twice at a boundary, whatever fails there."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from recorded import GAS, WARM, make_run, steady, store
from rotated import BEGAN, RUN, rotating

from riglog.config.rotation import limit
from riglog.errors import ConfigError, StorageError
from riglog.model import NS, Batch, Event, EventKind, Run
from riglog.recordings import Selection, contents, export, read
from riglog.sinks import CsvSink, JsonlSink, SqliteSink
from riglog.sinks.files import FileSink
from riglog.sinks.part_names import newest_part, next_part, parts
from riglog.sinks.rotation import Limit, RotatingSink
from riglog.sinks.sqlite import read_events, stored_identities, stored_run


async def record(sink: RotatingSink, first: int, count: int, run: Run = RUN, events: Sequence[Event] = BEGAN) -> None:
    """Record slots at 2 Hz, two in each flush."""
    await sink.check()
    await sink.open(run)
    batches = list(steady(run, [WARM], count, first=first))
    for at in range(0, count, 2):
        await sink.write(batches[at : at + 2], events if not at else ())
    await sink.aclose()


def ticks(path: Path) -> list[int | None]:
    return [row.tick for row in read(path)]


@pytest.mark.parametrize(("make", "suffix"), [(SqliteSink, "sqlite"), (CsvSink, "csv"), (JsonlSink, "jsonl")])
async def test_every_row_is_in_one_file_and_no_row_in_two(
    tmp_path: Path, make: Callable[[Path], FileSink], suffix: str
) -> None:
    path = tmp_path / f"kiln.{suffix}"
    await record(rotating(path, make=make), 0, 60)
    assert [part.name for part in parts(path)] == [
        f"kiln{number}.{suffix}" for number in ("", ".part0002", ".part0003")
    ]
    assert [tick for part in parts(path) for tick in ticks(part)] == list(range(60))
    assert {row.run for part in parts(path) for row in read(part)} == {RUN.id}
    assert {part.name for part in tmp_path.iterdir()} == {part.name for part in parts(path)}


async def test_every_file_can_be_resumed_and_names_its_instruments(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    await record(rotating(path), 0, 60)
    for number, part in enumerate(parts(path)):
        stored = stored_run(part, RUN.name)
        assert stored is not None
        assert stored.slot_zero_ns == RUN.started_ns + 17
        assert stored.last_ticks == {"oven": min(59, 20 * number + 21)}
        assert stored_identities(part, RUN.name) == {"oven": "0815"}
        (run,) = contents(part).runs
        assert run.finished_at is not None
        if number < 2:
            assert run.last_row_at == run.finished_at
    continued = [
        event.message.rpartition("/")[2]
        for part in parts(path)
        for event in read_events(part)
        if event.kind == "recording_continued"
    ]
    assert continued == ["kiln.part0002.sqlite", "kiln.sqlite", "kiln.part0003.sqlite", "kiln.part0002.sqlite"]


async def test_a_size_ends_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kiln.csv"
    await record(rotating(path, Limit(bytes=3000), CsvSink), 0, 60)
    sizes = [part.stat().st_size for part in parts(path)]
    assert all(3000 <= size < 3800 for size in sizes[:-1])
    assert [tick for part in parts(path) for tick in ticks(part)] == list(range(60))


async def test_the_newest_file_is_continued_and_a_gap_in_the_numbers_is_none_in_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    await record(rotating(path), 0, 30)
    path.rename(tmp_path / "archived.sqlite")
    (begun,) = parts(path)
    os.utime(begun, ns=(RUN.started_ns + 14 * NS, RUN.started_ns + 14 * NS))
    await record(rotating(path, now_ns=RUN.started_ns + 15 * NS), 30, 30, events=())
    assert [part.name for part in parts(path)] == ["kiln.part0002.sqlite", "kiln.part0003.sqlite"]
    rows = [tick for part in (tmp_path / "archived.sqlite", *parts(path)) for tick in ticks(part)]
    assert rows == list(range(60))
    stored = stored_run(parts(path)[-1], RUN.name)
    assert stored is not None
    assert stored.slot_zero_ns == RUN.started_ns + 17
    assert stored_identities(parts(path)[-1], RUN.name) == {"oven": "0815"}


async def test_a_file_that_a_killed_program_has_just_begun_gets_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    await record(rotating(path), 0, 10)
    begun = SqliteSink(next_part(path))
    await begun.open(RUN)
    await begun.aclose()
    await record(rotating(path), 30, 4, events=())
    stored = stored_run(newest_part(path), RUN.name)
    assert stored is not None
    assert stored.slot_zero_ns == RUN.started_ns + 17
    assert stored_identities(newest_part(path), RUN.name) == {"oven": "0815"}


@pytest.mark.parametrize("where", ["open", "write"])
async def test_a_next_file_that_cannot_be_begun_costs_nothing(tmp_path: Path, where: str) -> None:
    path = tmp_path / "kiln.sqlite"
    failures = 3

    class Failing(SqliteSink):
        async def open(self, run: Run) -> None:
            self._fail("open")
            await super().open(run)

        async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
            self._fail("write")
            await super().write(batches, events)

        def _fail(self, now: str) -> None:
            nonlocal failures
            if now == where and self.path != path and failures:
                failures -= 1
                raise StorageError("write failed: No space left on device")

    sink = rotating(path, make=Failing)
    await record(sink, 0, 40)
    assert failures == 0
    assert [tick for part in parts(path) for tick in ticks(part)] == list(range(40))
    assert len(ticks(path)) > 21
    assert stored_identities(newest_part(path), RUN.name) == {"oven": "0815"}


async def test_a_failing_next_file_is_a_warning_until_it_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"

    def make(part: Path) -> SqliteSink:
        return SqliteSink(part if part == path else tmp_path / "missing" / "x.sqlite")

    sink = rotating(path, make=make)
    await record(sink, 0, 40)
    assert ticks(path) == list(range(40))
    assert sink.warning is not None
    assert "the next file cannot be begun" in sink.warning


async def test_a_failing_next_file_is_no_damage_of_the_present_one(tmp_path: Path) -> None:
    path = tmp_path / "kiln.csv"
    await store(CsvSink(path), RUN, list(steady(RUN, [WARM], 2)))
    with path.open("ab") as file:
        file.write(b"?\n")
    sink = rotating(path, make=lambda part: CsvSink(part if part == path else tmp_path / "missing" / "x.csv"))
    kinds = set()
    await sink.open(RUN)
    for batch in steady(RUN, [WARM], 40, first=2):
        await sink.write([batch], ())
        kinds.add((sink.warning_kind, "cannot be begun" in (sink.warning or "")))
    await sink.aclose()
    assert kinds == {(EventKind.RECORDING_DAMAGED, False), (EventKind.RECORDING_MOVED, True)}


async def test_nothing_is_replaced_and_only_files_with_the_whole_name_are_parts(tmp_path: Path) -> None:
    for name in ("kiln-2.sqlite", "kiln.part2.sqlite", "kiln.part0004.csv", "xkiln.part0005.sqlite"):
        (tmp_path / name).write_text("mine")
    path = tmp_path / "kiln.sqlite"
    (tmp_path / "kiln.part0007.sqlite").write_text("mine")
    with pytest.raises(StorageError):
        await rotating(path).check()
    assert next_part(path).name == "kiln.part0008.sqlite"
    assert all(entry.read_text() == "mine" for entry in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("100MB", Limit(bytes=10**8)),
        ("1.5 GB", Limit(bytes=15 * 10**8)),
        ("200kb", Limit(bytes=200_000)),
        ("1d", Limit(period_ns=86_400 * NS)),
        ("1h30m", Limit(period_ns=5400 * NS)),
    ],
)
def test_a_limit_is_a_size_or_a_time(text: str, wanted: Limit) -> None:
    assert limit(text, "sink 1") == wanted


@pytest.mark.parametrize("text", ["", "0MB", "1kB", "10s", "daily", "-1d", "1MiB", "MB", "1e400", "100"])
def test_another_limit_is_refused(text: str) -> None:
    if text == "100":
        assert limit(text, "sink 1") == Limit(period_ns=100 * NS)
        return
    with pytest.raises(ConfigError, match=r"sink 1\.rotate"):
        limit(text, "sink 1")


async def two_ports(path: Path) -> None:
    """Record 40 slots of two ports, of which a file ends between the two halves of slot 21."""
    sink = rotating(path)
    await sink.open(RUN)
    for warm, gas in zip(steady(RUN, [WARM], 40), steady(RUN, [GAS], 40), strict=True):
        for batch in (warm, gas):
            await sink.write([batch], BEGAN if batch is warm and batch.tick == 0 else ())
    await sink.aclose()


async def test_the_files_of_a_rotation_are_read_and_exported_as_one(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    await two_ports(path)
    files = parts(path)
    assert len(files) == 2
    assert ticks(files[0])[-1] == ticks(files[1])[0]
    one = SqliteSink(tmp_path / "one.sqlite")
    pairs = zip(steady(RUN, [WARM], 40), steady(RUN, [GAS], 40), strict=True)
    await store(one, RUN, [batch for pair in pairs for batch in pair])
    for order in (files, files[::-1]):
        assert sorted(map(str, read(order))) == sorted(map(str, read(one.path)))
        for wide in (False, True):
            out = tmp_path / f"out-{wide}.csv"
            export(order, out, format="csv", wide=wide, overwrite=True)
            export(one.path, tmp_path / "wanted.csv", format="csv", wide=wide, overwrite=True)
            assert sorted(out.read_text().splitlines()) == sorted((tmp_path / "wanted.csv").read_text().splitlines())
    assert [row.tick for row in read(files, device="oven")] == list(range(40))
    with pytest.raises(ConfigError, match="no device 'ovne'"):
        read(files, device="ovne")
    with pytest.raises(ConfigError, match="no device 'ovne'"):
        export(files, tmp_path / "no.csv", format="csv", selection=Selection(device="ovne"))


async def test_columns_of_all_files_stand_beside_each_other(tmp_path: Path) -> None:
    await store(SqliteSink(tmp_path / "a.sqlite"), RUN, list(steady(RUN, [WARM], 3)))
    later = make_run(number=2)
    await store(SqliteSink(tmp_path / "b.sqlite"), later, list(steady(later, [GAS], 2)))
    export([tmp_path / "b.sqlite", tmp_path / "a.sqlite"], tmp_path / "out.csv", format="csv", wide=True)
    head, *rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == 5
    warm, gas = ([line.split(",")[column] != "" for line in rows] for column in (3, 4))
    assert head.count(",") == 4
    assert (warm, gas) == ([True] * 3 + [False] * 2, [False] * 3 + [True] * 2)

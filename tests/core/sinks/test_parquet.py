"""Parquet: readable at any moment by any reader, in few files, with the types of the schema."""

import errno
import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from processes import running
from recorded import WARM, make_run, steady, store, varied

from riglog.errors import NotARecordingError, StorageError
from riglog.recordings import read
from riglog.sinks import ParquetSink, disk, parquet, rows

KILLED = """
import sys, anyio
sys.path.insert(0, sys.argv[2])
from recorded import *
from riglog.sinks import ParquetSink

async def main():
    run = make_run()
    sink = ParquetSink(sys.argv[1])
    await sink.open(run)
    for batch in steady(run, [WARM], 1_000_000):
        await sink.write([batch], [])
        print(batch.tick, flush=True)

anyio.run(main)
"""


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
async def test_a_killed_recording_can_be_read_by_any_reader(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    support = str(Path(__file__).parents[2] / "support")
    with running([sys.executable, "-c", KILLED, str(path), support], stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        for _ in range(20):
            stored = int(recorder.stdout.readline())
    found = pyarrow.dataset.dataset(path, format="parquet").to_table()["tick"].to_pylist()
    assert found[: stored + 1] == list(range(stored + 1))
    run = make_run(number=9)
    await store(ParquetSink(path), run, varied(run))
    assert [row.tick for row in read(path)][: len(found)] == found


@pytest.mark.real_time
async def test_parts_are_few_and_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 30)
    path, run = tmp_path / "run.parquet", make_run()
    sink = ParquetSink(path)
    await sink.open(run)
    batches = list(steady(run, [WARM], 100))
    for batch in batches:
        await sink.write([batch], [])
    await sink.aclose()
    assert sorted(part.name for part in path.iterdir()) == [f"part-00000{number}.parquet" for number in (1, 2, 3, 4)]
    assert list(read(path)) == list(rows(run.id, batches))


async def test_the_types_are_those_of_the_schema(tmp_path: Path) -> None:
    path, run = tmp_path / "run.parquet", make_run()
    await store(ParquetSink(path), run, varied(run))
    found = {field.name: str(field.type) for field in pyarrow.parquet.read_table(path).schema}
    assert found["received_at"] == found["requested_at"] == "timestamp[us, tz=UTC]"
    assert (found["value"], found["tick"], found["address"]) == ("double", "int64", "string")


async def test_parts_with_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.parquet").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "run.parquet" / "part-000001.parquet")
    with pytest.raises(NotARecordingError, match=r"part-000001\.parquet has different columns"):
        await ParquetSink(tmp_path / "run.parquet").check()


async def test_a_part_never_replaces_a_file_that_appeared_meanwhile(tmp_path: Path) -> None:
    folder, run = tmp_path / "rows", make_run()
    sink = ParquetSink(folder)
    await sink.open(run)
    (folder / "part-000001.parquet").write_text("precious")
    with pytest.raises(StorageError, match="File exists"):
        await sink.write(varied(run), [])
    await sink.aclose()
    assert [entry.name for entry in folder.iterdir()] == ["part-000001.parquet"]
    assert (folder / "part-000001.parquet").read_text() == "precious"


FAILING = [(os, "replace", False), (os, "replace", True), (os, "close", True), (disk, "sync_folder", True)]


@pytest.mark.parametrize(("module", "name", "done"), FAILING)
async def test_one_call_that_fails_costs_no_row(
    module: ModuleType, name: str, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a reserved name nor a part whose name was not synced is in the way of the next attempt."""
    run, batches = make_run(), varied(make_run())[:3]
    sink = ParquetSink(tmp_path / "rows")
    await sink.open(run)
    really = getattr(module, name)
    for batch in batches:
        calls: list[object] = []

        def fail_once(*args: object, calls: list[object] = calls) -> object:
            calls.append(args)
            if len(calls) > 1 or done:
                result = really(*args)
            if len(calls) == 1:
                raise OSError(errno.EIO, "Input/output error")
            return result

        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail_once)
            with pytest.raises(StorageError, match="Input/output error"):
                await sink.write([batch], [])
        await sink.write([batch], [])
    await sink.aclose()
    assert list(read(tmp_path / "rows")) == list(rows(run.id, batches))


async def test_what_a_power_failure_left_behind_is_removed(tmp_path: Path) -> None:
    folder, run = tmp_path / "rows", make_run()
    await store(ParquetSink(folder), run, varied(run))
    (folder / ".riglog-0123456789abcdef.new").write_text("half a part")
    await store(ParquetSink(folder), make_run(number=2), varied(run))
    assert [entry.name for entry in sorted(folder.iterdir())] == ["part-000001.parquet", "part-000002.parquet"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_flipped_bit_changes_no_row_without_a_word(tmp_path: Path) -> None:
    """It is in a page with its checksum, or where nothing is decoded without it; some bits mean nothing."""
    path, run = tmp_path / "run.parquet", make_run()
    await store(ParquetSink(path), run, varied(run))
    (part,) = path.glob("*.parquet")
    data, rows, refused = part.read_bytes(), list(read(path)), 0
    draw = random.Random(3)
    for bit in draw.sample(range(len(data) * 8), 60):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        part.write_bytes(damaged)
        try:
            found = list(read(path))
        except (StorageError, NotARecordingError):
            refused += 1
        else:
            assert found == rows
    assert refused > 20


@pytest.mark.skipif(sys.platform == "win32", reason="access is not in the mode")
async def test_only_the_owner_and_the_group_can_write_into_the_folder(tmp_path: Path) -> None:
    path, run, mask = tmp_path / "run.parquet", make_run(), os.umask(0)
    try:
        await store(ParquetSink(path), run, varied(run))
    finally:
        os.umask(mask)
    assert [one for one in (path, *path.iterdir()) if one.stat().st_mode & 0o002] == []

"""A file that is deleted or moved while it is recorded: the rows are kept, or counted as lost; never silence."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from recorded import make_run, varied

from riglog.acquire.sink_writer import SinkWriter
from riglog.errors import StorageError
from riglog.model import Event, EventKind
from riglog.recordings import read
from riglog.sinks import CsvSink, JsonlSink, ParquetSink, SqliteSink, parquet, rows
from riglog.sinks.files import FileSink
from riglog.testing import LoopClock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to delete or move an open file")
Make = Callable[..., FileSink]


@pytest.fixture(params=[SqliteSink, CsvSink, JsonlSink, ParquetSink], ids=["sqlite", "csv", "jsonl", "parquet"])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


async def half_recorded(make: Make, path: Path) -> FileSink:
    sink = make(path)
    await sink.open(make_run())
    await sink.write(varied(make_run())[:5], [])
    return sink


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def everything() -> list[object]:
    return list(rows(make_run().id, varied(make_run())))


def newest() -> list[object]:
    return list(rows(make_run().id, varied(make_run())[5:]))


async def test_a_deleted_file_is_written_again_with_all_its_rows(make: Make, folder: Path) -> None:
    path = folder / "run.x"
    sink = await half_recorded(make, path)
    delete(path)
    await sink.write(varied(make_run())[5:], [])
    assert sink.warning is not None
    assert "deleted" in sink.warning
    await sink.aclose()
    assert list(read(sink.path)) == everything()
    assert sink.samples_deleted == 0
    assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")]


async def test_a_file_that_was_deleted_after_the_last_flush_is_written_again(make: Make, folder: Path) -> None:
    path = folder / "run.x"
    sink = await half_recorded(make, path)
    await sink.write(varied(make_run())[5:], [])
    delete(path)
    await sink.aclose()
    assert list(read(sink.path)) == everything()


async def test_a_moved_file_keeps_its_rows_and_a_new_one_takes_the_newer(make: Make, folder: Path) -> None:
    path, moved = folder / "run.x", folder / "yesterday.x"
    sink = await half_recorded(make, path)
    path.rename(moved)
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    assert [*read(moved), *read(sink.path)] == everything()
    assert sink.warning is not None
    assert "newer rows are in" in sink.warning
    if sys.platform == "linux":
        assert f"moved to {moved}" in sink.warning


async def test_another_file_at_the_old_name_is_never_touched(make: Make, folder: Path) -> None:
    path = folder / "run.x"
    sink = await half_recorded(make, path)
    delete(path)
    path.write_text("minutes of the meeting")
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    assert path.read_text() == "minutes of the meeting"
    assert sink.path == folder / "run-2.x"
    assert list(read(sink.path)) == everything()


async def test_without_its_folder_the_rows_wait_and_are_written_when_it_is_back(make: Make, folder: Path) -> None:
    sink = await half_recorded(make, folder / "run.x")
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(StorageError, match="deleted or moved"):
            await sink.write(varied(make_run())[5:], [])
    folder.mkdir()
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    assert list(read(sink.path)) == everything()


async def new_writer(sink: FileSink, events: list[Event]) -> SinkWriter:
    """Open a sink and return the writer that a recording would give it."""
    await sink.open(make_run())
    return SinkWriter(
        sink,
        add_event=events.append,
        batch_size=1,
        flush_interval=1.0,
        buffer_size=1000,
        close_timeout=0.0,
        clock=LoopClock(),
    )


async def test_rows_that_were_deleted_for_good_are_counted_as_lost(make: Make, folder: Path) -> None:
    events: list[Event] = []
    writer = await new_writer(make(folder / "run.x"), events)
    writer.enqueue(varied(make_run())[:5], [])
    assert await writer.flush()
    shutil.rmtree(folder)
    await writer.close()
    assert writer.result.lost == len(everything()) - len(newest())
    assert writer.result.written == 0
    assert not writer.result.closed


async def test_the_rescue_is_an_event(make: Make, folder: Path) -> None:
    events: list[Event] = []
    writer = await new_writer(make(folder / "run.x"), events)
    delete(folder / "run.x")
    writer.enqueue(varied(make_run()), [])
    assert await writer.flush()
    await writer.close()
    assert [event.kind for event in events] == [EventKind.RECORDING_MOVED]
    assert "run.x was deleted while it was being recorded" in events[0].message
    assert (writer.result.written, writer.result.lost) == (len(everything()), 0)


async def test_a_new_database_does_not_read_the_log_of_the_deleted_one(folder: Path) -> None:
    """The write-ahead log keeps its name; SQLite would apply it to a new file of the same name."""
    path = folder / "run.sqlite"
    sink = await half_recorded(SqliteSink, path)
    other = sqlite3.connect(path)  # holds the log open, so that closing does not remove it
    other.execute("SELECT count(*) FROM reading").fetchone()
    os.unlink(path)
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    other.close()
    assert list(read(sink.path)) == everything()
    with closing(sqlite3.connect(sink.path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_full_parts_of_a_deleted_parquet_folder_are_counted_as_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 5)
    sink = await half_recorded(ParquetSink, folder / "run.x")
    delete(folder / "run.x")
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    assert list(read(sink.path)) == newest()
    assert sink.samples_deleted == len(everything()) - len(newest())
    assert "has the newest rows only" in (sink.warning or "")

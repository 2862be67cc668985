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


async def test_a_file_whose_folder_is_moved_is_continued_where_it_is_now(make: Make, folder: Path) -> None:
    sink = await half_recorded(make, folder / "run.x")
    now = folder.rename(folder.parent / "archive")
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    if sys.platform == "linux":
        assert sink.path == now / "run.x"
        assert "it is continued there" in (sink.warning or "")
    assert list(read(now / "run.x")) == everything()
    assert sink.samples_deleted == 0
    assert [entry.name for entry in now.iterdir()] == ["run.x"]


def overwrite(path: Path, content: bytes) -> None:
    """Write into the file itself, as a shell does: its name still leads to it."""
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(content)


@pytest.mark.parametrize("content", [b"", b"minutes of the meeting", b"x" * 300_000], ids=["empty", "short", "long"])
@pytest.mark.parametrize("make", [SqliteSink, CsvSink, JsonlSink])
async def test_a_file_that_is_overwritten_is_an_event_and_a_loss_and_newer_rows_are_in_a_new_one(
    make: Make, content: bytes, folder: Path
) -> None:
    events: list[Event] = []
    path = folder / "run.x"
    writer = await new_writer(make(path), events)
    writer.enqueue(varied(make_run())[:5], [])
    assert await writer.flush()
    overwrite(path, content)
    writer.enqueue(varied(make_run())[5:], [])
    assert await writer.flush()
    await writer.close()
    assert list(read(folder / "run-2.x")) == newest()
    assert (writer.result.written, writer.result.lost) == (len(newest()), len(everything()) - len(newest()))
    assert [event.kind for event in events] == [EventKind.RECORDING_MOVED]
    assert f"another program has overwritten {path}" in events[0].message
    if make is not SqliteSink:  # of which the log is written back
        assert path.read_bytes() == content


@pytest.mark.parametrize("make", [SqliteSink, CsvSink, JsonlSink])
async def test_a_file_that_is_overwritten_after_the_last_flush_is_a_loss(make: Make, folder: Path) -> None:
    writer = await new_writer(make(folder / "run.x"), [])
    writer.enqueue(varied(make_run()), [])
    assert await writer.flush()
    overwrite(folder / "run.x", b"minutes of the meeting")
    await writer.close()
    assert (writer.result.written, writer.result.lost) == (0, len(everything()))
    assert "has overwritten" in (writer.result.warning or "")


async def test_a_checkpoint_of_another_program_is_no_loss(folder: Path) -> None:
    sink = await half_recorded(SqliteSink, folder / "run.x")
    with closing(sqlite3.connect(folder / "run.x")) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    assert list(read(folder / "run.x")) == everything()
    assert (sink.warning, sink.samples_deleted) == (None, 0)


@pytest.mark.parametrize("appended", [b"a note\n", b"a note without an end"])
@pytest.mark.parametrize("make", [CsvSink, JsonlSink])
async def test_what_another_program_appends_to_a_text_file_is_kept(make: Make, appended: bytes, folder: Path) -> None:
    path = folder / "run.x"
    sink = await half_recorded(make, path)
    with path.open("ab") as file:
        file.write(appended)
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    found = read(path)
    assert list(found) == everything()
    assert found.damage.lines == 1
    assert appended in path.read_bytes()
    assert sink.warning == f"another program has written into {path} while it was being recorded"


async def test_parts_of_parquet_that_another_program_changes_are_counted_as_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 5)
    sink = await half_recorded(ParquetSink, folder / "run.x")
    first = folder / "run.x" / "part-000001.parquet"
    rows_in_it = sum(1 for _ in read(first))
    first.write_bytes(b"")
    await sink.write(varied(make_run())[5:], [])
    await sink.aclose()
    assert sink.samples_deleted == rows_in_it
    assert "has deleted or changed parts of" in (sink.warning or "")

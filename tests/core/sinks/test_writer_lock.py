"""One recording has one writer: in this process, in another one, and after a writer was killed."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import running
from recorded import varied

from riglog.errors import StorageError
from riglog.model import Event, EventKind, Note, Run, new_run
from riglog.model.note import new_note
from riglog.recordings import read, write_note
from riglog.recordings.messages import Delivery, check_target, send
from riglog.recordings.salvaging import salvage
from riglog.sinks import CsvSink, JsonlSink, SqliteSink, rows
from riglog.sinks.formats import format_of
from riglog.sinks.sqlite import read_events, stored_run
from riglog.sinks.sqlite.carried import carried_events
from riglog.sinks.sqlite.schema import check_recording
from riglog.sinks.sqlite.writer_lock import WriterLock, check_unlocked, lock_path

HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from riglog.sinks.sqlite.writer_lock import WriterLock
    lock = WriterLock(Path(sys.argv[1]))
    print("locked", flush=True)
    sys.stdin.read()
    lock.release()
""")


@pytest.fixture
def run() -> Run:
    return new_run("kiln")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kiln.sqlite"


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that writes the recording."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process


async def test_a_second_sink_cannot_open_the_run_and_the_first_goes_on(path: Path, run: Run) -> None:
    first, second = SqliteSink(path), SqliteSink(path)
    await first.open(run)
    with pytest.raises(StorageError, match=rf"the file is being recorded by another program \(process {os.getpid()}\)"):
        await second.open(run)
    with pytest.raises(StorageError, match="is being recorded"):
        stored_run(path, "kiln")
    await first.write([], [])
    await first.aclose()
    await second.open(run)
    await second.aclose()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["kiln.sqlite"]


async def test_another_run_cannot_be_written_into_the_file_at_the_same_time(path: Path, run: Run) -> None:
    first, second = SqliteSink(path), SqliteSink(path)
    await first.open(run)
    for refused in (second.check(), second.open(new_run("kiln"))):
        with pytest.raises(StorageError, match="the file is being recorded"):
            await refused
    await first.aclose()
    await second.open(new_run("kiln"))
    await second.aclose()


async def test_a_program_that_looks_for_a_writer_does_not_prevent_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking takes the lock for a moment."""
    looking = WriterLock(path)
    monkeypatch.setattr(time, "sleep", lambda _: looking.release())
    WriterLock(path).release()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_planted_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("minutes of the meeting")
    lock_path(path).symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError):
        WriterLock(path)
    assert (tmp_path / "victim").read_text() == "minutes of the meeting"


async def test_a_recording_that_is_being_written_is_not_overwritten(path: Path, run: Run) -> None:
    first = SqliteSink(path)
    await first.open(run)
    with pytest.raises(StorageError, match="the file is being recorded"):
        await SqliteSink(path, overwrite=True).open(new_run("other"))
    await first.write([], [Event(0, EventKind.RUN_STARTED, "run started")])
    await first.aclose()
    assert [event.message for event in read_events(path)] == ["run started"]
    later = SqliteSink(path, overwrite=True)
    await later.open(new_run("other"))
    await later.aclose()
    assert list(read_events(path)) == []


async def test_a_sink_that_cannot_be_opened_leaves_no_lock(path: Path, run: Run) -> None:
    path.write_text("something else")
    with pytest.raises(StorageError):
        await SqliteSink(path).open(run)
    assert not lock_path(path).exists()


def test_another_program_that_writes_the_recording_is_reported(path: Path) -> None:
    with holder(path) as process:
        with pytest.raises(StorageError, match=rf"by another program \(process {process.pid}\)"):
            WriterLock(path)
        with pytest.raises(StorageError, match=rf"by another program \(process {process.pid}\)"):
            check_unlocked(path)
        process.communicate()
    check_unlocked(path)
    WriterLock(path).release()
    assert not lock_path(path).exists()


def test_a_writer_that_was_killed_is_no_obstacle(path: Path) -> None:
    with holder(path) as process:
        process.kill()
    assert lock_path(path).exists()
    check_unlocked(path)
    WriterLock(path).release()
    assert not lock_path(path).exists()


def test_a_lock_file_that_its_owner_removes_meanwhile_is_not_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = WriterLock(path)
    opened = os.open

    def open_then_release(*arguments: object, **options: object) -> int:
        file: int = opened(*arguments, **options)  # type: ignore[arg-type]
        monkeypatch.undo()
        first.release()
        return file

    monkeypatch.setattr(os, "open", open_then_release)
    second = WriterLock(path)
    with pytest.raises(StorageError, match="is being recorded"):
        WriterLock(path)
    second.release()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_a_recording_has_one_writer_and_one_inbox_whatever_link_leads_to_it(path: Path, run: Run) -> None:
    await (sink := SqliteSink(path)).open(run)
    link = path.with_name("latest.sqlite")
    link.symlink_to(path)
    with pytest.raises(StorageError, match="the file is being recorded"):
        await SqliteSink(link).open(new_run("other"))
    assert send(link, new_note("through the link", program="test"), timeout=0) is Delivery.WAITING
    (message,) = await sink.incoming()
    assert isinstance(message, Note)
    assert message.text == "through the link"
    await sink.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_a_recording_that_runs_is_salvaged_with_its_log_through_a_link(path: Path, run: Run) -> None:
    await (sink := SqliteSink(path)).open(run)
    await sink.write(varied(run), [])
    link = path.with_name("latest.sqlite")
    link.symlink_to(path)
    assert salvage(link, path.with_name("saved.sqlite")).rows == len(list(rows(run.id, varied(run))))
    await sink.aclose()


READER = textwrap.dedent("""
    import sqlite3, sys
    from contextlib import closing
    with closing(sqlite3.connect(sys.argv[1])) as database:
        print(database.execute("SELECT count(*) FROM reading").fetchone()[0])
""")


def rows_seen_by_another_program(path: Path) -> int:
    """Return the rows that another program reads; it is the last one to close the file, as far as it can see."""
    done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
@pytest.mark.parametrize(
    "look",
    [
        lambda path: list(read(path)),
        check_recording,
        check_target,
        lambda path: list(read_events(path)),
        lambda path: carried_events(path, "kiln"),
        format_of,
    ],
    ids=["rows", "header", "note", "events", "rotation", "text"],
)
async def test_what_this_program_reads_does_not_end_the_locks_of_sqlite(
    path: Path, run: Run, look: Callable[[Path], object]
) -> None:
    """POSIX ends the locks of a process on a file when it closes any descriptor of it."""
    batches = varied(run)
    await (sink := SqliteSink(path)).open(run)
    await sink.write(batches[:3], [])
    look(path)
    before = rows_seen_by_another_program(path)
    assert path.with_name(f"{path.name}-wal").exists()  # else it took itself for the last one, and deleted it
    await sink.write(batches[3:], [])
    assert rows_seen_by_another_program(path) > before
    await sink.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to delete an open file")
async def test_a_lock_file_that_is_deleted_is_put_back_with_the_next_flush(path: Path, run: Run) -> None:
    batches = varied(run)
    await (sink := SqliteSink(path)).open(run)
    lock_path(path).unlink()
    await sink.write(batches[:3], [])
    with pytest.raises(StorageError, match="the file is being recorded"):
        await SqliteSink(path).open(new_run("other"))
    lock_path(path).unlink()
    with holder(path) as process:  # faster than the flush
        with pytest.raises(StorageError, match=rf"by another program \(process {process.pid}\)"):
            await sink.write(batches[3:], [])
        process.communicate()
    await sink.write(batches[3:], [])
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, batches))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to delete an open file")
async def test_a_lock_file_that_cannot_be_put_back_costs_no_row(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = varied(run)
    await (sink := SqliteSink(path)).open(run)
    lock_path(path).unlink()

    def refuse(*_: object) -> int:
        raise StorageError("write failed: Read-only file system", path=path)

    monkeypatch.setattr(WriterLock, "_acquire", refuse)
    await sink.write(batches, [])
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, batches))


@pytest.mark.skipif(sys.platform == "win32", reason="the two names are made as on POSIX")
async def test_a_second_name_of_a_recording_is_refused(path: Path, run: Run, tmp_path: Path) -> None:
    """SQLite has its log and its locks beside the name: two recorders destroyed the file."""
    other = tmp_path / "other.sqlite"
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(varied(run), [])
    os.link(path, other)
    with pytest.raises(StorageError, match="second name"):
        await SqliteSink(other).check()
    with pytest.raises(StorageError, match="second name"):
        await SqliteSink(other).open(run)
    with pytest.raises(StorageError, match="second name"):
        write_note(other, "door open")
    await sink.aclose()
    other.unlink()
    assert list(read(path)) == list(rows(run.id, varied(run)))


@pytest.mark.skipif(sys.platform == "win32", reason="the two names are made as on POSIX")
@pytest.mark.parametrize("make", [CsvSink, JsonlSink])
async def test_a_text_recording_is_locked_under_all_of_its_names(
    make: type[CsvSink | JsonlSink], run: Run, tmp_path: Path
) -> None:
    sink = make(tmp_path / "kiln")
    await sink.open(run)
    os.link(tmp_path / "kiln", tmp_path / "other")
    with pytest.raises(StorageError, match="locked by another recording"):
        await make(tmp_path / "other").open(run)
    await sink.aclose()

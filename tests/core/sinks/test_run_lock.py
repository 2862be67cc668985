"""One run has one writer: in this process, in another one, and after a writer was killed."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from riglog.errors import StorageError
from riglog.model import Event, EventKind, Run, new_run
from riglog.sinks import SqliteSink
from riglog.sinks.sqlite import read_events, stored_run
from riglog.sinks.sqlite.run_lock import RunLock, check_unlocked, lock_path

HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from riglog.sinks.sqlite.run_lock import RunLock
    lock = RunLock(Path(sys.argv[1]), sys.argv[2])
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


def holder(path: Path, run: Run) -> "subprocess.Popen[str]":
    """Start another program that writes the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), run.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


async def test_a_second_sink_cannot_open_the_run_and_the_first_goes_on(path: Path, run: Run) -> None:
    first, second = SqliteSink(path), SqliteSink(path)
    await first.open(run)
    with pytest.raises(
        StorageError, match=rf"run {run.id} is being recorded by another program \(process {os.getpid()}\)"
    ):
        await second.open(run)
    with pytest.raises(StorageError, match="is being recorded"):
        stored_run(path, "kiln")
    await first.write([], [])
    await first.aclose()
    await second.open(run)
    await second.aclose()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["kiln.sqlite"]


async def test_two_runs_of_one_file_can_be_written_at_the_same_time(path: Path, run: Run) -> None:
    first, second = SqliteSink(path), SqliteSink(path)
    await first.open(run)
    await second.open(new_run("kiln"))
    await second.aclose()
    await first.aclose()


async def test_a_recording_that_is_being_written_is_not_overwritten(path: Path, run: Run) -> None:
    first = SqliteSink(path)
    await first.open(run)
    with pytest.raises(StorageError, match=f"run {run.id} is being recorded"):
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
    assert not lock_path(path, run.id).exists()


def test_another_program_that_writes_the_run_is_reported(path: Path, run: Run) -> None:
    process = holder(path, run)
    with pytest.raises(StorageError, match=rf"by another program \(process {process.pid}\)"):
        RunLock(path, run.id)
    with pytest.raises(StorageError, match=rf"by another program \(process {process.pid}\)"):
        check_unlocked(path, run.id)
    process.communicate()
    check_unlocked(path, run.id)
    RunLock(path, run.id).release()
    assert not lock_path(path, run.id).exists()


def test_a_writer_that_was_killed_is_no_obstacle(path: Path, run: Run) -> None:
    process = holder(path, run)
    process.kill()
    process.communicate()
    assert lock_path(path, run.id).exists()
    check_unlocked(path, run.id)
    RunLock(path, run.id).release()
    assert not lock_path(path, run.id).exists()


def test_a_lock_file_that_its_owner_removes_meanwhile_is_not_the_lock(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RunLock(path, run.id)
    opened = os.open

    def open_then_release(*arguments: object, **options: object) -> int:
        file: int = opened(*arguments, **options)  # type: ignore[arg-type]
        monkeypatch.undo()
        first.release()
        return file

    monkeypatch.setattr(os, "open", open_then_release)
    second = RunLock(path, run.id)
    with pytest.raises(StorageError, match="is being recorded"):
        RunLock(path, run.id)
    second.release()

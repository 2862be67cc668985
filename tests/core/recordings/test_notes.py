"""Notes: into a recording that runs, one that is finished, and one that was salvaged."""

import shutil
import time
from importlib.metadata import version
from pathlib import Path

import anyio
import pytest
from recorded import make_run, sqlite_recording
from toy import ToyDriver

import riglog
import riglog.sync
from riglog.acquire import pipe, record
from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.manager import Manager
from riglog.model import new_note
from riglog.plugin import Registry
from riglog.recordings import contents, export, read_events, read_notes, salvage
from riglog.sinks import CsvSink, MemorySink, SqliteSink
from riglog.sinks.inbox import Inbox
from riglog.sinks.sqlite.writer_lock import is_locked
from riglog.testing import LoopClock


@pytest.fixture
def mine(recording: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recording, tmp_path / "bench.sqlite"))


async def test_a_note_is_added_to_a_finished_recording(mine: Path) -> None:
    rows = list(riglog.read(mine))
    assert await riglog.note(mine, "door opened", at="2026-11-20T13:00:01Z", author="anna", device="oven") == "stored"
    (note,) = read_notes(mine)
    assert (note.run, note.at, note.device) == ("bench.0001", "2026-11-20T13:00:01.000000Z", "oven")
    assert (note.text, note.author, note.program) == ("door opened", "anna", f"riglog {version('riglog')}")
    assert note.written_at > note.at
    (event,) = [event for event in read_events(mine) if event.kind == "note"]
    assert (event.run, event.message, event.device, event.at) == (note.run, "anna: door opened", "oven", note.at)
    assert list(riglog.read(mine)) == rows
    assert [each.text for each in contents(mine).notes] == ["door opened"]
    assert sorted(path.name for path in mine.parent.iterdir()) == ["bench.sqlite"]


@pytest.mark.parametrize(
    ("at", "run"),
    [("2026-11-20T12:59:00Z", "bench.0001"), ("2026-11-20T13:30:00Z", "bench.0001"), ("2026-11-21", "other.0002")],
)
def test_a_note_belongs_to_the_run_of_its_time(mine: Path, at: str, run: str) -> None:
    riglog.sync.note(mine, "x", at=at)
    assert [note.run for note in read_notes(mine)] == [run]


def test_notes_are_append_only_and_what_was_left_in_the_inbox_is_stored_with_the_next_one(mine: Path) -> None:
    Inbox(mine).put(new_note("left", program="test"))
    riglog.sync.note(mine, "same")
    riglog.sync.note(mine, "same")
    assert [note.text for note in read_notes(mine)] == ["left", "same", "same"]


def test_a_note_survives_salvage(mine: Path, tmp_path: Path) -> None:
    riglog.sync.note(mine, "kept", author="anna")
    assert salvage(mine, tmp_path / "saved.sqlite").complete
    assert list(read_notes(tmp_path / "saved.sqlite")) == list(read_notes(mine))


async def test_a_note_gets_into_a_recording_that_runs(
    tmp_path: Path, toy: ToyDriver, registry: Registry, anyio_backend_name: str
) -> None:
    path, memory = tmp_path / "run.sqlite", MemorySink()
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("tank", "sim:bus", driver="toy")
        async with record(manager, rate_hz=10, duration=1_000_000, clock=LoopClock()) as active:
            async with anyio.create_task_group() as tasks:

                async def write() -> None:
                    while not is_locked(path) or not path.exists():
                        await anyio.sleep(0.5)  # in virtual time: as long as a thread needs
                    Inbox(path).put(new_note("in time", program="test"))
                    active.add_note("by a key", author="anna", device="tank")
                    while Inbox(path).folder.exists():
                        await anyio.sleep(0.5)
                    active.stop()

                tasks.start_soon(write)
                run = make_run(rate_hz=10)
                await pipe(active, SqliteSink(path), memory, run=run, clock=LoopClock())
    texts = ["in time", "by a key"]
    assert sorted(note.text for note in read_notes(path)) == sorted(texts)
    assert sorted(e.detail.text for e in memory.events if e.detail is not None) == sorted(texts)  # type: ignore[attr-defined]
    kinds = [event.kind for event in memory.events]
    assert kinds[-1] == "run_finished"
    assert not Inbox(path).folder.exists()


async def test_a_note_waits_for_a_recorder_and_is_stored_by_whoever_comes_next(mine: Path) -> None:
    sink = SqliteSink(mine)
    await sink.open(make_run("third", number=3))
    began = time.monotonic()
    assert await riglog.note(mine, "waits", timeout=0.1) == "waiting"
    assert time.monotonic() - began < 5
    assert list(read_notes(mine)) == []
    await sink.aclose()  # a recorder that was killed before it looked
    assert await riglog.note(mine, "later") == "stored"
    assert [note.text for note in read_notes(mine)] == ["waits", "later"]


async def test_what_cannot_hold_a_note_is_refused_and_nothing_is_left(tmp_path: Path, mine: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    export(mine, other / "rows.csv", format="csv")
    (other / "rig.toml").write_text('[[device]]\nname = "x"\n')
    (other / "empty.sqlite").touch()
    for name, error in (("rows.csv", NotARecordingError), ("rig.toml", NotARecordingError), ("no", StorageError)):
        with pytest.raises(error):
            await riglog.note(other / name, "x")
    with pytest.raises(ConfigError, match="no device 'ovne'"):
        await riglog.note(mine, "x", device="ovne")
    with pytest.raises(ConfigError, match="invalid time"):
        await riglog.note(mine, "x", at="yesterday")
    assert [path.name for path in other.iterdir() if path.is_dir()] == []
    assert not Inbox(mine).folder.exists()


async def test_a_recording_without_sqlite_has_no_inbox(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "rows.csv")
    await sink.open(make_run())
    assert list(await sink.incoming()) == []
    await sink.aclose()


async def test_a_damaged_recording_refuses_a_note(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "bench.sqlite")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged"):
        await riglog.note(path, "x")
    assert not Inbox(path).folder.exists()
    assert path.read_bytes() == bytes(data)

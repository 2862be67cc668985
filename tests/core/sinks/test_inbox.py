"""The inbox of a recording: messages arrive whole and are stored once; whatever else is in it is harmless."""

import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from recorded import EVENTS, make_run, varied

from riglog.errors import ConfigError, StorageError
from riglog.model import Event, EventKind, Note, new_note
from riglog.model.note import MAX_TEXT
from riglog.recordings import read_events, read_notes
from riglog.sinks import SqliteSink
from riglog.sinks.inbox import MAX_BYTES, MAX_MESSAGES, Inbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.sqlite"
    path.touch()
    return path


def a_note(text: str = "door opened") -> Note:
    return new_note(text, program="test", author="anna")


def test_a_message_is_read_as_it_was_written_until_it_is_discarded(path: Path) -> None:
    inbox, note = Inbox(path), a_note("Tür geöffnet \x00 \u202e")
    inbox.put(note)
    assert Inbox(path).messages() == [note] == Inbox(path).messages()
    assert inbox.has(note.message_id)
    inbox.discard([note.message_id])
    assert inbox.messages() == []
    assert not inbox.folder.exists()


def test_messages_come_oldest_first_and_not_without_end(path: Path) -> None:
    inbox = Inbox(path)
    notes = [msgspec.structs.replace(a_note(str(n)), written_ns=n) for n in range(MAX_MESSAGES + 5)]
    inbox.put(notes[3])
    inbox.put(notes[1])
    assert [note.text for note in inbox.messages()] == ["1", "3"]
    for note in notes:
        (inbox.folder / f"{note.message_id}.json").write_bytes(msgspec.json.encode(note))
    assert len(inbox.messages()) == MAX_MESSAGES


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")
def test_what_is_no_message_is_ignored_and_blocks_nothing(path: Path, tmp_path: Path) -> None:
    inbox, note = Inbox(path), a_note()
    inbox.put(note)
    whole = msgspec.json.encode(note)

    def foreign(content: bytes, number: int) -> None:
        (inbox.folder / f"{number:032x}.json").write_bytes(content)

    foreign(b"", 1)
    foreign(whole[: len(whole) // 2], 2)
    foreign(b" " * (MAX_BYTES + 1) + whole, 3)
    foreign(whole, 4)  # under another name
    foreign(b"[" * 50_000, 5)
    foreign(whole.replace(b"anna", b"\xff\xfe"), 6)
    foreign(msgspec.json.encode({"type": "note", "message_id": f"{7:032x}", "text": 5}), 7)
    foreign(whole.replace(note.message_id.encode(), f"{8:032x}".encode()).replace(b'"at_ns":', b'"at_ns":99'), 8)
    (inbox.folder / "thumbs.db").write_bytes(b"x")
    (inbox.folder / ".riglog-half.new").write_bytes(whole)
    os.mkfifo(inbox.folder / f"{9:032x}.json")
    (inbox.folder / f"{10:032x}.json").mkdir()
    (tmp_path / "elsewhere").write_bytes(whole)
    (inbox.folder / f"{11:032x}.json").symlink_to(tmp_path / "elsewhere")
    assert inbox.messages() == [note]
    before = sorted(inbox.folder.iterdir())
    inbox.discard([note.message_id])
    assert sorted(inbox.folder.iterdir()) == [each for each in before if note.message_id not in each.name]


def test_a_folder_that_is_a_link_or_a_file_is_not_used(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    inbox = Inbox(path)
    inbox.folder.symlink_to(other)
    with pytest.raises(StorageError, match="is a link"):
        inbox.put(a_note())
    assert (inbox.messages(), list(other.iterdir())) == ([], [])
    inbox.folder.unlink()
    inbox.folder.write_text("a file of that name")
    assert inbox.messages() == []
    with pytest.raises(StorageError):
        inbox.put(a_note())


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_who_shares_the_folder_shares_the_inbox(path: Path) -> None:
    path.parent.chmod(0o2775)
    path.chmod(0o664)
    inbox, note = Inbox(path), a_note()
    before = os.umask(0o077)
    try:
        inbox.put(note)
    finally:
        os.umask(before)
    assert stat.S_IMODE(inbox.folder.stat().st_mode) == 0o2775
    assert stat.S_IMODE((inbox.folder / f"{note.message_id}.json").stat().st_mode) == 0o664


async def test_a_recorder_stores_a_message_once_also_after_it_was_killed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, note = make_run(), a_note()
    sink = SqliteSink(path)
    await sink.open(run)
    Inbox(path).put(note)
    assert list(await sink.incoming()) == [note]
    with monkeypatch.context() as killed:  # after the commit, before the file is deleted
        killed.setattr(Inbox, "discard", lambda *_: None)
        await sink.write(varied(run)[:1], [*EVENTS, note.event])
    assert [left.text for left in await sink.incoming()] == ["door opened"]
    await sink.aclose()
    again = SqliteSink(path)
    await again.open(run)
    (left,) = await again.incoming()
    await again.write((), [left.event, Event(run.started_ns, EventKind.CLOCK_STEP, "stepped")])
    assert list(await again.incoming()) == []
    await again.aclose()
    assert [row.text for row in read_notes(path)] == ["door opened"]
    kinds = [event.kind for event in read_events(path)]
    assert (kinds.count("note"), kinds.count("clock_step")) == (1, 1)
    assert not Inbox(path).folder.exists()


async def test_a_message_that_could_not_be_stored_stays_in_the_inbox(path: Path) -> None:
    sink, note = SqliteSink(path), a_note()
    await sink.open(make_run())
    Inbox(path).put(note)
    assert sink._file is not None
    sink._file.database.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError):
        await sink.write((), [note.event])
    sink._file.database.execute("PRAGMA query_only = OFF")
    assert list(await sink.incoming()) == [note]
    await sink.aclose()


def test_a_note_has_words_and_a_time_that_is_over() -> None:
    for text in ("", " \n"):
        with pytest.raises(ConfigError, match="no text"):
            a_note(text)
    assert len(a_note("x" * MAX_TEXT).text) == MAX_TEXT
    with pytest.raises(ConfigError, match=f"{MAX_TEXT + 1} characters"):
        a_note("x" * (MAX_TEXT + 1))
    now = datetime.now(UTC)
    with pytest.raises(ConfigError, match="future"):
        new_note("x", program="test", at=now + timedelta(hours=1))
    naive = new_note("x", program="test", at=datetime(2026, 11, 20, 12, 0, 0, 7))
    assert naive.at_ns == 1_795_176_000_000_007_000
    assert naive.written_ns > naive.at_ns


@pytest.mark.parametrize("path", [".", "..", "/"])
async def test_a_directory_is_refused_also_if_its_path_has_no_name(path: str) -> None:
    with pytest.raises(StorageError, match="path is a directory"):
        await SqliteSink(path).check()

"""What a power failure can cost: every flush is on the disk when it is acknowledged; damaged lines are skipped."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from recorded import make_run, store, varied

from riglog.errors import NotARecordingError
from riglog.recordings import read, read_events
from riglog.sinks import CsvSink, JsonlSink, ParquetSink, SqliteSink, disk, rows, text_files
from riglog.sinks.disk import Durability
from riglog.sinks.files import FileSink
from riglog.sinks.sqlite.schema import open_database
from riglog.sinks.text_files import TextFileSink

TEXT = [pytest.param(CsvSink, id="csv"), pytest.param(JsonlSink, id="jsonl")]


class Disk:
    """What has been synced: the size of each file at that time, and the folders."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: dict[int, int] = {}
        self.folders = 0
        really = os.fsync
        monkeypatch.setattr(os, "fdatasync", self.note, raising=False)
        monkeypatch.setattr(os, "fsync", lambda file: (self.note(file), really(file)))

    def note(self, file: int) -> None:
        found = os.fstat(file)
        self.synced[found.st_ino] = found.st_size
        self.folders += os.path.isdir(f"/dev/fd/{file}")

    def size(self, path: Path) -> int:
        return self.synced.get(path.stat().st_ino, 0)


@pytest.mark.parametrize("make", TEXT)
@pytest.mark.parametrize("durability", ["flush", "system"])
async def test_a_flush_of_a_text_file_is_on_the_disk_unless_the_operating_system_decides(
    make: Callable[..., TextFileSink], durability: Durability, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Disk(monkeypatch)
    path, run = tmp_path / "rows", make_run()
    sink = make(path, durability=durability)
    await sink.open(run)
    assert device.folders == (durability == "flush")  # its name, too
    for batch in varied(run):
        await sink.write([batch], [])
        assert device.size(path) == (path.stat().st_size if durability == "flush" else 0)
    await sink.aclose()
    assert device.size(path) == path.stat().st_size


async def test_a_part_of_a_parquet_folder_is_on_the_disk_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Disk(monkeypatch)
    run = make_run()
    sink = ParquetSink(tmp_path / "rows")
    await sink.open(run)
    created = device.folders
    assert created == 1
    await sink.write(varied(run), [])
    (part,) = (tmp_path / "rows").glob("part-*")
    assert device.size(part) == part.stat().st_size
    assert device.folders == created + 1
    await sink.aclose()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_a_commit_of_sqlite_is_on_the_disk_unless_the_operating_system_decides(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    with closing(open_database(tmp_path / "run.sqlite", durable=durable)) as database:
        assert database.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("durability", ["flush", "system"])
@pytest.mark.parametrize("make", [*TEXT, SqliteSink, ParquetSink])
async def test_both_settings_store_the_same_rows(
    make: Callable[..., FileSink], durability: Durability, tmp_path: Path
) -> None:
    run = make_run()
    await store(make(tmp_path / "rows", durability=durability), run, varied(run))
    assert list(read(tmp_path / "rows")) == list(rows(run.id, varied(run)))


def test_a_recording_in_sqlite_appears_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it is being created: there is no file, or an empty one, or a complete one."""
    path = tmp_path / "run.sqlite"
    replaced = os.replace

    def publish(hidden: Path, name: Path) -> None:
        assert path.stat().st_size == 0
        with closing(sqlite3.connect(hidden)) as database:
            assert database.execute("SELECT count(*) FROM samples").fetchone() == (0,)
        replaced(hidden, name)

    monkeypatch.setattr(os, "replace", publish)
    open_database(path).close()
    assert os.listdir(tmp_path) == ["run.sqlite"]
    assert path.stat().st_mode & 0o002 == 0


async def test_a_name_that_was_reserved_for_a_recording_is_an_empty_one(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    path.touch()
    assert list(read(path)) == []
    assert list(read_events(path)) == []
    await store(SqliteSink(path), run, varied(run))
    assert len(list(read(path))) == len(list(rows(run.id, varied(run))))


def test_a_recording_is_not_created_over_a_file_that_appeared_meanwhile(tmp_path: Path) -> None:
    file, hidden = disk.create_hidden(tmp_path / "run.sqlite")
    os.close(file)
    (tmp_path / "run.sqlite").write_text("minutes of the meeting")
    with pytest.raises(FileExistsError):
        disk.publish(hidden, tmp_path / "run.sqlite")
    assert (tmp_path / "run.sqlite").read_text() == "minutes of the meeting"
    assert not hidden.exists()


def test_a_hidden_file_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        disk.create_file(tmp_path / "run.sqlite")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("make", TEXT)
@pytest.mark.parametrize("hole", [(700, 1500), (900, 901), (2000, 4096), (0, 300)])
async def test_a_hole_costs_the_lines_that_it_touches_and_they_are_counted(
    make: Callable[..., TextFileSink], hole: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged disk: everything here was acknowledged long ago."""
    monkeypatch.setattr(text_files, "FLUSH_BYTES", 1000)
    path, run = tmp_path / "rows", make_run()
    await store(make(path), run, varied(run, ticks=8))
    data = path.read_bytes()
    start, end = hole
    start += data.index(b"\n") + 1
    end = min(end + data.index(b"\n") + 1, len(data))
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    written, found = list(rows(run.id, varied(run, ticks=8))), read(path)
    kept = list(found)
    assert kept
    assert all(row in written for row in kept)
    touched = data[:end].count(b"\n") - data[:start].count(b"\n") + (data[end - 1 : end] != b"\n")
    assert len(written) - len(kept) == touched
    assert found.damage.lines >= 1


async def test_a_lost_quotation_mark_costs_one_line(tmp_path: Path) -> None:
    path, run = tmp_path / "rows.csv", make_run()
    await store(CsvSink(path), run, varied(run))
    path.write_bytes(path.read_bytes().replace(b'"no reply, ', b" no reply, ", 1))
    found = read(path)
    assert len(list(found)) == len(list(rows(run.id, varied(run)))) - 1
    assert found.damage.lines == 1


@pytest.mark.parametrize("make", TEXT)
@pytest.mark.parametrize("content", [b"", bytes(4096)])
async def test_a_file_whose_first_flush_was_lost_is_read_as_empty_and_continued(
    make: Callable[..., TextFileSink], content: bytes, tmp_path: Path
) -> None:
    path, run = tmp_path / f"rows.{make.name}", make_run()  # type: ignore[attr-defined]
    path.write_bytes(content)
    assert list(read(path)) == []
    await store(make(path), run, varied(run))
    assert list(read(path)) == list(rows(run.id, varied(run)))


@pytest.mark.parametrize("make", TEXT)
@pytest.mark.parametrize("hole", [(0, 300), (0, 512), (700, 1500), (900, 901)])
async def test_nothing_behind_nul_bytes_in_the_last_flush_is_read_or_continued(
    make: Callable[..., TextFileSink], hole: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A power failure during a flush: its blocks reach the disk in any order, and none of it was acknowledged."""
    path, run = tmp_path / "rows", make_run()
    batches = varied(run, ticks=8)
    sink = make(path)
    await sink.open(run)
    await sink.write(batches[:3], [])
    acknowledged = path.stat().st_size
    await sink.write(batches[3:], [])
    await sink.aclose()
    data = path.read_bytes()
    start, end = (acknowledged + at for at in hole)
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    written, found = list(rows(run.id, batches)), read(path)
    kept = list(found)
    assert kept == written[: len(kept)]
    assert len(kept) >= len(list(rows(run.id, batches[:3])))
    assert found.damage.lines == data[start:].count(b"\n") - (data[start:end].count(b"\n"))
    await store(make(path), run, batches[:2])
    assert list(read(path)) == [*kept, *rows(run.id, batches[:2])]
    assert b"\0" not in path.read_bytes()
    assert "a power failure has left NUL bytes" in caplog.text


@pytest.mark.parametrize("make", TEXT)
async def test_the_first_line_and_each_piece_of_a_large_flush_are_on_the_disk_before_the_next(
    make: Callable[..., TextFileSink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "FLUSH_BYTES", 1000)
    path, run, sizes = tmp_path / "rows", make_run(), []
    monkeypatch.setattr(text_files, "sync_file", lambda file: sizes.append(os.fstat(file).st_size))
    await store(make(path), run, varied(run, ticks=8))
    data = path.read_bytes()
    assert sizes[0] == data.index(b"\n") + 1
    assert sizes[-1] == len(data)
    assert all(after - before <= 1000 for before, after in pairwise(sizes))


@pytest.mark.parametrize("make", TEXT)
async def test_a_file_whose_first_line_was_torn_is_read_as_empty_and_continued(
    make: Callable[..., TextFileSink], tmp_path: Path
) -> None:
    path, run = tmp_path / f"rows.{make.name}", make_run()  # type: ignore[attr-defined]
    await store(make(path), run, varied(run))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\n") - 10] + bytes(20))
    assert list(read(path)) == []
    await store(make(path), run, varied(run))
    assert path.read_bytes() == data


@pytest.mark.parametrize("make", TEXT)
@pytest.mark.parametrize("text", ["run,forest", '{"run": 1, "tick": 2}', '{"run":"a"}', "minutes"])
async def test_a_short_text_of_somebody_else_is_not_taken_for_a_torn_line(
    make: Callable[..., TextFileSink], text: str, tmp_path: Path
) -> None:
    path = tmp_path / f"notes.{make.name}"  # type: ignore[attr-defined]
    path.write_text(text)
    with pytest.raises(NotARecordingError):
        await make(path).open(make_run())
    assert path.read_text() == text


@pytest.mark.parametrize("rest", ["part-000001.parquet", "part-000002.parquet", ".riglog-12ab.new"])
async def test_a_part_that_a_power_failure_left_empty_is_no_part(rest: str, tmp_path: Path) -> None:
    path, run = tmp_path / "rows", make_run()
    if rest == "part-000002.parquet":
        await store(ParquetSink(path), run, varied(run))
    path.mkdir(exist_ok=True)
    before = list(read(path))
    (path / rest).write_bytes(b"")
    assert list(read(path)) == before
    await store(ParquetSink(path), run, varied(run))
    assert list(read(path)) == [*before, *rows(run.id, varied(run))]

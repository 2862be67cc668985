"""The SQLite file itself: small, the same through the view as raw, readable by any tool, identified from the start."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec import structs
from recorded import EVENTS, later, make_run, sqlite_recording, steady, store, varied

from riglog.acquire.sink_writer import SinkWriter
from riglog.errors import StorageError
from riglog.model import NS, RENAMED_KINDS, Channel, EventKind, iso
from riglog.recordings import read, read_events
from riglog.sinks import COLUMNS, SqliteSink, rows
from riglog.sinks.sqlite import schema
from riglog.sinks.sqlite import sink as sqlite_sink
from riglog.sinks.sqlite.run_file import RunFile
from riglog.sinks.sqlite.schema import check_recording, create_tables, open_database
from riglog.testing import LoopClock

QUESTION = "SELECT device, parameter, AVG(value) FROM samples GROUP BY device, parameter"


@pytest.mark.real_time
async def test_a_row_takes_at_most_45_bytes(tmp_path: Path) -> None:
    """Ten channels at 10 Hz for 20 minutes, each in a transaction of its own."""
    path, run = tmp_path / "run.sqlite", make_run(rate_hz=10.0)
    channels = [
        Channel(
            device=f"oven-{n}",
            driver="watlow",
            protocol="stdbus",
            address=n,
            parameter="process_value",
            parameter_id=4001,
            unit="degC",
        )
        for n in range(10)
    ]
    sink = SqliteSink(path)
    await sink.open(run)
    batches = list(steady(run, channels, 12_000))
    for at in range(0, len(batches), 100):
        await sink.write(batches[at : at + 100], [])
    await sink.aclose()
    assert path.stat().st_size / 120_000 <= 45


async def test_the_view_agrees_with_the_raw_tables(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run), EVENTS)
    with closing(sqlite3.connect(path)) as file:
        seen = file.execute(f"SELECT {', '.join(COLUMNS)} FROM samples").fetchall()
        every = file.execute("SELECT * FROM samples").fetchall()
        raw = file.execute(
            "SELECT received_ns, latency_ns, value, unit, annotation_id FROM reading"
            " JOIN channel ON channel.id = channel_id ORDER BY received_ns, n, channel_id"
        ).fetchall()
    assert [columns[: len(COLUMNS)] for columns in every] == seen
    assert sorted(seen, key=str) == sorted((structs.astuple(row) for row in rows(run.id, varied(run))), key=str)
    for row, (received, latency, value, unit, note) in zip(rows(run.id, varied(run)), raw, strict=True):
        assert row.received_at == iso(received)
        assert row.latency_s == (None if latency is None else latency / NS)
        assert row.value == value
        assert note is not None or row.unit == unit


@pytest.mark.real_time
@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3's own shell is not installed here")
async def test_the_shell_of_sqlite_reads_it(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run))
    shell = await anyio.run_process(["sqlite3", str(path), QUESTION])
    output = shell.stdout.decode()
    assert output.splitlines()[0] == "balance|net|123.456"
    assert "oven|process_value|20.3333333333333" in output


async def test_a_recording_can_be_identified_from_its_first_moment(tmp_path: Path) -> None:
    """Killed before SQLite wrote its log back into the file, it can still be read and continued."""
    path, first, second = tmp_path / "run.sqlite", make_run(number=1), make_run(number=2)
    young = SqliteSink(path)
    await young.open(first)
    await young.write(varied(first), [])
    check_recording(path)
    shutil.copy(path, tmp_path / "copy.sqlite")
    shutil.copy(f"{path}-wal", tmp_path / "copy.sqlite-wal")
    await young.aclose()
    await store(SqliteSink(tmp_path / "copy.sqlite"), second, varied(second))
    assert [row.run for row in read(tmp_path / "copy.sqlite")] == [first.id] * 19 + [second.id] * 19


class FailingConnection(sqlite3.Connection):
    """A connection whose statements fail if they begin with one of ``failing``."""

    failing: tuple[str, ...] = ()

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self.failing and statement.startswith(self.failing):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *values)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[FailingConnection]:
    """Every connection that is opened during the test."""
    opened: list[FailingConnection] = []
    connect = sqlite3.connect

    def remember(*place: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*place, factory=FailingConnection, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    return opened


async def test_channels_and_texts_of_a_write_that_a_full_disk_undid_are_inserted_again(
    tmp_path: Path, connections: list[FailingConnection]
) -> None:
    """Channels and annotations are stored once, by id; the ids of a transaction that failed do not exist."""
    path, run, channels = (
        tmp_path / "run.sqlite",
        make_run(),
        [Channel(device="o", driver="toy", protocol="toy", address=1, parameter="p", unit="V")],
    )
    sink = SqliteSink(path)
    await sink.open(run)
    database = connections[-1]
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    batches = [*varied(run), *steady(run, channels, 2000)]
    with pytest.raises(StorageError, match="disk full"):
        await sink.write(batches, EVENTS)
    database.execute("PRAGMA max_page_count = 100000")
    await sink.write(batches, EVENTS)
    await sink.aclose()
    assert sorted(read(path), key=str) == sorted(rows(run.id, batches), key=str)


async def test_a_resumed_run_is_never_overwritten(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run))
    await store(SqliteSink(path, overwrite=True), run, varied(run))
    assert len(list(read(path))) == 38


async def test_a_finished_recording_is_read_in_a_folder_without_write_permission(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    run = make_run()
    await store(SqliteSink(folder / "run.sqlite"), run, varied(run))
    (folder / "run.sqlite").chmod(0o400)
    folder.chmod(0o500)
    try:
        assert len(list(read(folder / "run.sqlite"))) == 19
        assert [entry.name for entry in folder.iterdir()] == ["run.sqlite"]
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    "failing", [("COMMIT",), ("COMMIT", "ROLLBACK"), ("COMMIT", "SELECT coal"), ("COMMIT", "ROLLBACK", "SELECT coal")]
)
async def test_a_write_whose_rollback_failed_too_can_be_repeated(
    tmp_path: Path, connections: list[FailingConnection], failing: tuple[str, ...]
) -> None:
    """Ids of channels and annotations that were rolled back must not be used: such rows would be in no view."""
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    connections[-1].failing = failing
    for _ in range(2):
        with pytest.raises(StorageError):
            await sink.write(varied(run), EVENTS)
    connections[-1].failing = ()
    await sink.write(varied(run), EVENTS)
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, varied(run)))


async def test_a_channel_is_stored_once_although_its_id_could_not_be_read_again(
    tmp_path: Path, connections: list[FailingConnection]
) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(varied(run), [])
    connections[-1].failing = ("COMMIT", "\nSELECT channel.id")
    with pytest.raises(StorageError):
        await sink.write(later(varied(run), 60), [])
    connections[-1].failing = ()
    await sink.write(later(varied(run), 60), [])
    await sink.aclose()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM channel").fetchone() == (7,)
    assert len(list(read(path))) == 38


def test_a_file_that_another_program_has_just_created_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    early = sqlite3.connect(path, isolation_level=None)
    open_database(path).close()
    create_tables(early)
    assert early.execute("SELECT count(*) FROM samples").fetchone() == (0,)
    early.close()


async def test_a_file_that_cannot_be_opened_is_closed_again(
    tmp_path: Path, connections: list[FailingConnection]
) -> None:
    path = tmp_path / "run.sqlite"
    await store(SqliteSink(path), make_run(number=1), [])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="locked"):
            await SqliteSink(path).open(make_run(number=2))
    with pytest.raises(sqlite3.ProgrammingError):
        connections[-1].execute("SELECT 1")


@pytest.mark.parametrize(("stored", "kind"), RENAMED_KINDS.items())
async def test_events_of_early_versions_are_read_under_their_present_names(
    tmp_path: Path, stored: str, kind: str
) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE event SET kind = ?", (stored,))
    assert {event.kind for event in read_events(path)} == {kind}
    assert EventKind(stored) == kind


async def test_an_event_of_a_newer_version_is_read_as_it_is(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE event SET kind = 'lamp_replaced'")
    assert {event.kind for event in read_events(path)} == {"lamp_replaced"}


async def test_a_connection_whose_lock_is_lost_is_closed_before_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One unlock failed: SQLite then tries for 10 s at every write, also in a second connection beside the first."""
    path, run = tmp_path / "run.sqlite", make_run()
    first, second, third = steady(run, [Channel(device="d", driver="x", protocol="p", address=1, parameter="v")], 3)
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write([first], [])
    assert sink._file is not None
    broken, opened = sink._file.database, open_database
    lost = sqlite3.OperationalError("locking protocol")
    lost.sqlite_errorname = "SQLITE_PROTOCOL"  # type: ignore[attr-defined]

    def open_when_closed(*args: Any, **options: Any) -> sqlite3.Connection:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            broken.execute("SELECT 1")
        raise_first.append(1)
        if len(raise_first) == 1:
            raise lost
        return opened(*args, **options)

    raise_first: list[int] = []
    monkeypatch.setattr("riglog.sinks.sqlite.run_file.open_database", open_when_closed)
    with monkeypatch.context() as patch:
        patch.setattr("riglog.sinks.sqlite.run_file.RunFile.write", lambda *_: (_ for _ in ()).throw(lost))
        with pytest.raises(StorageError):
            await sink.write([second], [])
    with pytest.raises(StorageError):  # it cannot be opened yet
        await sink.write([second], [])
    await sink.write([second], [])
    await sink.write([third], [])
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, [first, second, third]))
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.sqlite"]


async def test_a_transaction_that_failed_and_is_found_complete_in_the_log_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync failed behind the last frame of a commit: a new connection takes what it finds for committed."""
    path, run = tmp_path / "run.sqlite", make_run()
    batches = varied(run)
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(batches[:2], EVENTS[:1])
    monkeypatch.setattr(sqlite_sink, "FAILURES_BEFORE_REOPENING", 1)
    written = RunFile._write

    def write_and_fail(file: RunFile, *given: Any) -> None:
        written(file, *given)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(RunFile, "_write", write_and_fail)
        for number, events in ((4, EVENTS[1:2]), (6, EVENTS[1:])):  # more is buffered meanwhile
            with pytest.raises(StorageError):
                await sink.write(batches[2:number], events)
    await sink.write(batches[2:], EVENTS[1:])
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, batches))
    assert [event.message for event in read_events(path)] == [event.message for event in EVENTS]


async def test_a_reader_without_end_is_reported_and_the_log_shrinks_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen devices; without a reader the log stays at its size, with one SQLite cannot reuse it."""
    limit, most = 128 * 1024, 512 * 1024
    monkeypatch.setattr(schema, "LOG_BYTES", limit)
    monkeypatch.setattr(sqlite_sink, "MOST_LOG_BYTES", most)
    channels = [
        Channel(device=f"d{n}", driver="toy", protocol="toy", address=n, parameter="t", unit="K") for n in range(16)
    ]
    path, run, sizes, events = tmp_path / "run.sqlite", make_run(), [], []
    log = path.with_name("run.sqlite-wal")
    sink = SqliteSink(path)
    await sink.open(run)
    writer = SinkWriter(
        sink,
        add_event=events.append,
        batch_size=1,
        flush_interval=1.0,
        buffer_size=1000,
        close_timeout=5.0,
        clock=LoopClock(),
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        for batch in steady(run, channels, 200):
            writer.enqueue([batch], [])
            assert await writer.flush()
            sizes.append(log.stat().st_size)
            if batch.tick == 99:
                assert max(sizes) < 1.5 * limit
                assert not events
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM samples").fetchone()
        assert [event.kind for event in events] == [EventKind.LOG_GROWING]
        assert str(log) in events[0].message
        assert max(sizes) > most
        reader.execute("COMMIT")
    for batch in steady(run, channels, 5, first=200):
        await sink.write([batch], [])
    assert log.stat().st_size < 1.5 * limit
    await writer.close()
    assert writer.result.written == 200 * 16
    assert len(list(read(path))) == 205 * 16

"""The SQLite file itself: small, the same through the view as raw, open to any tool, known from its first moment."""

import shutil
import sqlite3
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from recorded import EVENTS, make_run, steady, store, varied

from riglog.errors import StorageError
from riglog.model import NS, Channel, iso
from riglog.recordings import read
from riglog.sinks import COLUMNS, SqliteSink, rows
from riglog.sinks.sqlite.schema import check_recording, make_tables, open_database

QUESTION = "SELECT device, parameter, AVG(value) FROM samples GROUP BY device, parameter"


@pytest.mark.real_time
async def test_a_row_takes_at_most_45_bytes(tmp_path: Path) -> None:
    """Ten channels at 10 Hz for 20 minutes, each in an exchange of its own."""
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


async def test_the_view_says_what_the_raw_tables_say(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run), EVENTS)
    with sqlite3.connect(path) as file:
        seen = file.execute(f"SELECT {', '.join(COLUMNS)} FROM samples").fetchall()
        every = file.execute("SELECT * FROM samples").fetchall()
        raw = file.execute(
            "SELECT started_ns + received_ns, latency_ns, value, unit, note_id FROM reading"
            " JOIN channel ON channel.id = channel_id JOIN run ON run.id = run_id ORDER BY reading.id"
        ).fetchall()
    assert seen == every == [structs.astuple(row) for row in rows(run.id, varied(run))]
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
    said = shell.stdout.decode()
    assert said.splitlines()[0] == "balance|net|123.456"
    assert "oven|process_value|20.3333333333333" in said


async def test_a_recording_says_what_it_is_from_its_first_moment(tmp_path: Path) -> None:
    """Killed before SQLite folded its log into the file, it can still be read, and continued."""
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


async def test_what_a_full_disk_undid_is_entered_again(tmp_path: Path) -> None:
    """Channels and notes are known by numbers; those of a transaction that failed do not exist."""
    path, run, channels = (
        tmp_path / "run.sqlite",
        make_run(),
        [Channel(device="o", driver="toy", protocol="toy", address=1, parameter="p", unit="V")],
    )
    sink = SqliteSink(path)
    await sink.open(run)
    assert sink._file is not None
    database = sink._file.database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    batches = [*varied(run), *steady(run, channels, 2000)]
    with pytest.raises(StorageError, match="the disk is full"):
        await sink.write(batches, EVENTS)
    database.execute("PRAGMA max_page_count = 100000")
    await sink.write(batches, EVENTS)
    await sink.aclose()
    assert list(read(path)) == list(rows(run.id, batches))


async def test_a_resumed_run_is_never_overwritten(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run))
    await store(SqliteSink(path, overwrite=True), run, varied(run))
    assert len(list(read(path))) == 38


async def test_a_finished_recording_is_read_in_a_folder_nobody_may_write_to(tmp_path: Path) -> None:
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


class Sick:
    """A connection whose statements of one kind fail."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.failing: tuple[str, ...] = ()

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if statement.startswith(self.failing) and self.failing:
            raise sqlite3.OperationalError("disk I/O error")
        return self.database.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.database, name)


@pytest.mark.parametrize("failing", [("COMMIT",), ("COMMIT", "ROLLBACK")])
async def test_a_write_that_failed_in_every_way_can_be_tried_again(tmp_path: Path, failing: tuple[str, ...]) -> None:
    """The numbers of channels and notes that were taken back must not be used: nobody would ever see those rows."""
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    assert sink._file is not None
    sick = sink._file.database = Sick(sink._file.database)  # type: ignore[assignment]
    sick.failing = failing  # type: ignore[attr-defined]
    with pytest.raises(StorageError):
        await sink.write(varied(run), EVENTS)
    sick.failing = ()  # type: ignore[attr-defined]
    await sink.write(varied(run), EVENTS)
    await sink.aclose()
    assert [structs.astuple(row) for row in read(path)] == [structs.astuple(row) for row in rows(run.id, varied(run))]


def test_a_file_that_somebody_else_has_just_begun_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    early = sqlite3.connect(path, isolation_level=None)
    open_database(path).close()
    make_tables(early)
    assert early.execute("SELECT count(*) FROM samples").fetchone() == (0,)
    early.close()


async def test_a_file_that_cannot_be_opened_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remember(*place: object, **how: object) -> sqlite3.Connection:
        opened.append(connect(*place, **how))  # type: ignore[call-overload]
        return opened[-1]

    path = tmp_path / "run.sqlite"
    await store(SqliteSink(path), make_run(number=1), [])
    monkeypatch.setattr(sqlite3, "connect", remember)
    other = connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked"):
        await SqliteSink(path).open(make_run(number=2))
    other.close()
    with pytest.raises(sqlite3.ProgrammingError):
        opened[0].execute("SELECT 1")

"""Recordings of schema 1, made by the version that wrote them: read by everything, and never changed."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from postgres import rows_there
from recorded import GAS, WARM, later, make_run, steady, store, varied

from riglog.errors import StorageError
from riglog.recordings import Selection, export, read, read_events, salvage
from riglog.sinks import SqliteSink, rows
from riglog.sinks.postgres import forward
from riglog.sinks.rows import Row
from riglog.sinks.sqlite import open_recording, stored_identities, stored_run
from riglog.sinks.sqlite.schema1 import TABLES, VIEWS

FILES = Path(__file__).parents[2] / "support" / "recordings"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """Two finished runs with everything in them."""
    return Path(shutil.copy(FILES / "schema-1.sqlite", tmp_path))


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A killed run in which the clock was set back, with equal times, and a cursor and an event of early versions."""
    return Path(shutil.copy(FILES / "schema-1-clock.sqlite", tmp_path))


def finished_rows() -> list[Row]:
    runs = [make_run(number=number) for number in (1, 2)]
    return [row for run in runs for row in rows(run.id, [*varied(run), *steady(run, [WARM], 20, first=10)])]


def killed_rows() -> list[Row]:
    run = make_run(number=3)
    before = list(steady(run, [WARM, GAS], 10))
    after = later(steady(run, [WARM, GAS], 10, first=10), -3600)
    return list(rows(run.id, [*before, *after, after[-1], after[-1]]))


def test_every_row_is_read(finished: Path, killed: Path) -> None:
    assert list(read(finished)) == finished_rows()
    assert list(read(killed)) == killed_rows()


def test_a_selection_is_read(finished: Path) -> None:
    run = make_run(number=2)
    wanted = [row for row in finished_rows() if row.run == run.id and row.device == "oven"]
    assert list(read(finished, run=run.id, device="oven")) == wanted
    since = [row for row in wanted if row.received_at >= "2026-11-20T14:00:06"]
    assert list(read(finished, device="oven", start="2026-11-20T14:00:06Z")) == since
    assert 0 < len(since) < len(wanted)


def test_events_are_read_under_their_present_names(finished: Path, killed: Path) -> None:
    assert [event.kind for event in read_events(finished)] == ["run_started"] * 2 + ["port_lost"] * 2
    assert [event.kind for event in read_events(killed)] == ["slots_skipped"]


def test_both_forms_of_an_export_are_written(finished: Path, tmp_path: Path) -> None:
    assert export(finished, tmp_path / "long.csv", format="csv").rows == len(finished_rows())
    assert list(read(tmp_path / "long.csv")) == finished_rows()
    wide = export(finished, tmp_path / "wide.csv", format="csv", wide=True, selection=Selection(device="oven"))
    assert wide.rows == 2 * 23


def test_salvage_converts_it(finished: Path, killed: Path, tmp_path: Path) -> None:
    for number, path in enumerate((finished, killed)):
        found = salvage(path, tmp_path / f"{number}.sqlite")
        assert found.complete
        assert list(read(tmp_path / f"{number}.sqlite")) == list(read(path))
        assert list(read_events(tmp_path / f"{number}.sqlite")) == list(read_events(path))


def test_salvage_finds_the_rows_of_one_without_its_list_of_tables(finished: Path, tmp_path: Path) -> None:
    data = finished.read_bytes()
    finished.write_bytes(b"\x55" * 4096 + data[4096:])
    salvage(finished, tmp_path / "new.sqlite")
    assert list(read(tmp_path / "new.sqlite")) == finished_rows()


def test_the_list_of_tables_is_known_to_the_letter(finished: Path) -> None:
    with closing(open_recording(finished)) as database:
        found = [sql for (sql,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    assert found == [sql.strip() for sql in (TABLES + VIEWS).split(";\n") if sql.strip()]


async def test_no_run_is_appended_to_it(finished: Path) -> None:
    before = finished.read_bytes()
    for refused in (SqliteSink(finished).check(), SqliteSink(finished).open(make_run(number=4))):
        with pytest.raises(StorageError, match="recording has schema 1, which is only read") as error:
            await refused
        assert f"riglog upgrade {finished}" in (error.value.hint or "")
    with pytest.raises(StorageError, match="only read"):
        stored_run(finished, "bench")
    assert finished.read_bytes() == before
    assert stored_identities(finished, "bench") == {}


async def test_it_is_overwritten_on_request(finished: Path) -> None:
    run = make_run(number=4)
    await store(SqliteSink(finished, overwrite=True), run, varied(run))
    assert list(read(finished)) == list(rows(run.id, varied(run)))


@pytest.mark.real_time
async def test_it_is_forwarded(database: str, schema: str, finished: Path, killed: Path) -> None:
    for path, wanted in ((finished, finished_rows()), (killed, killed_rows())):
        progress = await forward(path, database, schema=schema)
        assert (progress.samples, progress.remaining) == (len(wanted), 0)
        assert (await forward(path, database, schema=schema)).samples == 0
    there = await rows_there(database, schema)
    assert sorted(there, key=str) == sorted(map(structs.astuple, [*finished_rows(), *killed_rows()]), key=str)

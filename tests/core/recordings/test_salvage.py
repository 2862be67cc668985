"""Damaged SQLite recordings: refused by every command, and copied as far as they can be read."""

import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from recorded import WARM, ZONE, make_run, sqlite_recording, steady, store, varied

from riglog.cli.commands.salvage import command
from riglog.cli.errors import DONE, INCOMPLETE
from riglog.errors import StorageError
from riglog.recordings import contents, read, read_alarms, read_events, salvage, verify, write_note
from riglog.sinks import SqliteSink, rows
from riglog.sinks.sqlite.resume import stored_run

PAGE = 4096


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A recording of about 60 pages."""
    found = tmp_path / "run.sqlite"
    for number in range(2):
        run = make_run(number=number)
        await store(SqliteSink(found), run, [*varied(run), *steady(run, [WARM, ZONE], 1500)])
    return found


def damage(path: Path, start: int, end: int, filler: int = 0xAA) -> None:
    data = bytearray(path.read_bytes())
    data[start:end] = bytes([filler]) * (min(end, len(data)) - start)
    path.write_bytes(data)


async def test_everything_is_copied_from_a_sound_recording(path: Path, tmp_path: Path) -> None:
    found = salvage(path, tmp_path / "new.sqlite")
    assert found.complete
    assert list(read(tmp_path / "new.sqlite")) == list(read(path))
    assert (found.runs, found.rows) == (2, len(list(read(path))))


@pytest.mark.parametrize(("start", "end"), [(8, 11), (20, 21), (30, 45), (40, 55)])
async def test_pages_in_the_middle_cost_their_own_rows(path: Path, tmp_path: Path, start: int, end: int) -> None:
    written = {str(row) for row in read(path)}
    damage(path, start * PAGE, end * PAGE)
    before = path.read_bytes()
    found = salvage(path, tmp_path / "new.sqlite")
    kept = [str(row) for row in read(tmp_path / "new.sqlite")]
    assert not found.complete
    assert set(kept) <= written
    assert len(kept) == len(set(kept)) == found.rows
    a_page = len(written) / (len(before) / PAGE)  # some pages are those of other tables
    assert len(written) - found.rows <= 1.4 * (end - start) * a_page
    assert path.read_bytes() == before


async def test_the_command_states_what_was_left_out_and_has_another_exit_code(path: Path, tmp_path: Path) -> None:
    complete = CliRunner().invoke(command, [str(path), "--out", str(tmp_path / "all.sqlite")], standalone_mode=False)
    damage(path, 20 * PAGE, 21 * PAGE)
    part = CliRunner().invoke(command, [str(path), "--out", str(tmp_path / "part.sqlite")], standalone_mode=False)
    assert (complete.return_value, part.return_value) == (DONE, INCOMPLETE)
    assert "Nothing was unreadable." in complete.output
    assert re.search(
        r"^Not copied: all rows at \d+ places? that cannot be read\. Missing slots", part.output, re.MULTILINE
    )


async def test_a_file_cut_to_half_keeps_its_first_half(path: Path, tmp_path: Path) -> None:
    written = {str(row) for row in read(path)}
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 // PAGE * PAGE])
    found = salvage(path, tmp_path / "new.sqlite")
    assert {str(row) for row in read(tmp_path / "new.sqlite")} <= written
    assert found.rows > len(written) * 0.38  # the seals of the flushes lie between the rows


async def test_a_destroyed_list_of_tables_costs_nothing(path: Path, tmp_path: Path) -> None:
    written = list(read(path))
    damage(path, 0, PAGE, 0x55)
    salvage(path, tmp_path / "new.sqlite")
    assert list(read(tmp_path / "new.sqlite")) == written


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_is_damaged_no_row_is_invented(tmp_path: Path, seed: int) -> None:
    """Pages of NUL bytes, of another page, and of noise at places that a seed chooses."""
    chance = random.Random(seed)
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, [*varied(run), *steady(run, [WARM, ZONE], 400)])
    written = {str(row) for row in rows(run.id, [*varied(run), *steady(run, [WARM, ZONE], 400)])}
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 4)):
        at, other = (chance.randrange(len(data) // PAGE) * PAGE for _ in range(2))
        data[at : at + PAGE] = chance.choice([bytes(PAGE), data[other : other + PAGE], chance.randbytes(PAGE)])
    path.write_bytes(data)
    try:
        salvage(path, tmp_path / "new.sqlite")
    except StorageError:  # nothing at all
        return
    kept = [str(row) for row in read(tmp_path / "new.sqlite")]
    assert [row for row in kept if row not in written] == []
    assert len(kept) == len(set(kept))
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(("start", "end"), [(8 * PAGE, 11 * PAGE), (200, 3000)])
async def test_nothing_reads_or_continues_a_damaged_recording_without_saying_so(
    path: Path, start: int, end: int
) -> None:
    damage(path, start, end)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="damaged"):
        list(read(path))
    with suppress(StorageError):  # events may be readable: they are on other pages
        list(read_events(path))
    with pytest.raises(StorageError, match="damaged") as refused:
        await SqliteSink(path).open(make_run(number=7))
    assert f"riglog salvage {path}" in (refused.value.hint or "")
    assert path.read_bytes() == before


GARBLED = b"\xe5"
"""Instead of a letter, it is no UTF-8: one flipped bit does that."""
READERS = {
    "rows": lambda path: list(read(path)),
    "events": lambda path: list(read_events(path)),
    "contents": contents,
    "alarms": lambda path: list(read_alarms(path)),
    "verify": verify,
    "note": lambda path: write_note(path, "seen", program="test"),
}


@pytest.mark.parametrize("text", [b"REFERENCES channel", b"FROM series", b"CREATE INDEX"])
async def test_a_letter_of_a_definition_that_is_no_text_any_more_is_a_damaged_recording(
    path: Path, tmp_path: Path, text: bytes
) -> None:
    """SQLite quotes the definition in its message, which Python cannot decode then."""
    written = list(read(path))
    data = path.read_bytes()
    at = data.index(text)
    path.write_bytes(data[:at] + GARBLED + data[at + 1 :])
    for name, reader in READERS.items():
        with pytest.raises(StorageError, match="recording is damaged"):
            reader(path)
            pytest.fail(name)
    with pytest.raises(StorageError, match="recording is damaged"):
        await SqliteSink(path).open(make_run(number=7))
    assert salvage(path, tmp_path / "new.sqlite").rows == len(written)
    assert list(read(tmp_path / "new.sqlite")) == written


@pytest.mark.parametrize(
    ("change", "needs_it"),
    [
        ("UPDATE series SET device = CAST(x'6fe56e' AS TEXT)", lambda path: list(read(path))),
        ("DELETE FROM run", lambda path: list(read(path))),
        ("UPDATE run SET versions = '{'", lambda path: stored_run(path, make_run().name)),
    ],
)
async def test_rows_that_sqlite_reads_and_nobody_understands_are_a_damaged_recording(
    path: Path, change: str, needs_it: Callable[[Path], object]
) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(change)
    for reader in READERS.values():
        with suppress(StorageError):  # it may not need what is damaged
            reader(path)
    with pytest.raises(StorageError, match="recording is damaged"):
        needs_it(path)


async def test_an_existing_file_is_not_replaced(path: Path, tmp_path: Path) -> None:
    (tmp_path / "new.sqlite").write_text("minutes of the meeting")
    with pytest.raises(StorageError, match="file exists"):
        salvage(path, tmp_path / "new.sqlite")
    assert (tmp_path / "new.sqlite").read_text() == "minutes of the meeting"


async def test_what_was_never_a_recording_gives_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear Sir, " * 2000)
    with pytest.raises(StorageError, match=r"nothing can be read"):
        salvage(tmp_path / "letter", tmp_path / "new.sqlite")
    assert not (tmp_path / "new.sqlite").exists()


async def test_rows_in_the_write_ahead_log_are_copied(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(varied(run), [])
    assert salvage(path, tmp_path / "new.sqlite").rows == len(list(rows(run.id, varied(run))))
    await sink.aclose()


async def test_a_run_that_cannot_be_read_takes_its_rows_with_it(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite", make_run(number=0), make_run(number=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM run WHERE id = 1")
    found = salvage(path, tmp_path / "new.sqlite")
    assert {row.run for row in read(tmp_path / "new.sqlite")} == {make_run(number=1).id}
    assert found.rejected > 0

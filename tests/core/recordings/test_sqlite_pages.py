"""Records read page by page, as SQLite wrote them; and what salvage gains by that."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from recorded import WARM, ZONE, make_run, steady, store, varied

from riglog.recordings import read, read_events, salvage
from riglog.recordings.sqlite_pages import Record, records
from riglog.sinks import Row, SqliteSink
from riglog.sinks.sqlite.tables import PAGE_BYTES

VALUES = (
    None,
    0,
    1,
    -1,
    127,
    -129,
    40_000,
    -9_000_000,
    2**31,
    2**47,
    -(2**62),
    1.5,
    "",
    "Grad °C",
    b"\0\xff",
    "long " * 3000,
)


def records_of(path: Path, page_size: int, columns: int) -> list[Record]:
    return [record for record in records(path, page_size=page_size) if len(record.values) == columns]


def database(path: Path, page: int, statement: str) -> sqlite3.Connection:
    opened = sqlite3.connect(path, isolation_level=None)
    opened.execute(f"PRAGMA page_size = {page}")
    opened.execute(statement)
    return opened


@pytest.mark.parametrize("page", [512, 1024, 4096, 65536])
def test_records_of_a_table_are_those_that_sqlite_gives(tmp_path: Path, page: int) -> None:
    """All types and lengths of columns; texts longer than a page are in overflow pages."""
    path = tmp_path / "any.sqlite"
    with closing(database(path, page, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)")) as opened:
        dice = random.Random(page)
        rows = [(number * 1_000_003, *dice.choices(VALUES, k=3)) for number in range(300)]
        opened.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    found = [(record.rowid, *record.values[1:]) for record in records_of(path, 1, 4)]
    assert sorted(found, key=lambda row: row[0]) == rows


@pytest.mark.parametrize("page", [512, 1024, 4096])
def test_records_of_a_table_without_rowid_are_also_on_the_pages_between(tmp_path: Path, page: int) -> None:
    path = tmp_path / "any.sqlite"
    with closing(database(path, page, "CREATE TABLE t (a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID")) as opened:
        rows = [(number % 7, number, random.Random(number).choice(VALUES)) for number in range(2000)]
        opened.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        (root,) = opened.execute("SELECT rootpage FROM sqlite_schema WHERE name = 't'").fetchone()
    assert path.read_bytes()[(root - 1) * page] == 0x02, "the root is no leaf"
    found = [record.values for record in records_of(path, 1, 3)]
    assert sorted(found, key=lambda row: row[:2]) == sorted(rows, key=lambda row: row[:2])


def test_deleted_rows_are_not_found_and_those_of_the_log_are(tmp_path: Path) -> None:
    path = tmp_path / "any.sqlite"
    with closing(database(path, 1024, "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")) as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.executemany("INSERT INTO t VALUES (?, ?)", [(number, f"text {number}") for number in range(3000)])
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        opened.execute("DELETE FROM t WHERE id < 1500")
        opened.execute("INSERT INTO t VALUES (5000, 'new')")
        opened.execute("BEGIN")
        opened.execute("INSERT INTO t VALUES (6000, 'not committed')")
        found = {record.rowid for record in records_of(path, 1, 2)}
        torn = tmp_path / "torn.sqlite"
        torn.write_bytes(path.read_bytes())
        log = bytearray(path.with_name("any.sqlite-wal").read_bytes())
        log[-1] ^= 1  # in the last page of the last transaction
        torn.with_name("torn.sqlite-wal").write_bytes(log)
        opened.execute("ROLLBACK")
    assert found - {None} == {*range(1500, 3000), 5000}
    assert {record.rowid for record in records_of(torn, 1, 2)} - {None} == {*range(1500, 3000)}


@pytest.mark.parametrize("seed", range(20))
def test_noise_gives_nothing_or_records_and_ends(tmp_path: Path, seed: int) -> None:
    path, dice = tmp_path / "any.sqlite", random.Random(seed)
    with closing(database(path, 512, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")) as opened:
        opened.executemany("INSERT INTO t VALUES (?, ?, ?)", [(n, "x" * dice.choice((5, 2000)), n) for n in range(60)])
    data = bytearray(path.read_bytes())
    for _ in range(300):
        data[dice.randrange(len(data))] = dice.randrange(256)
    path.write_bytes(data[: dice.randrange(len(data))] if seed % 2 else data)
    assert all(len(record.values) == 3 for record in records_of(path, 512, 3))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    found = tmp_path / "run.sqlite"
    for number in range(2):
        run = make_run(number=number)
        await store(SqliteSink(found), run, [*varied(run), *steady(run, [WARM, ZONE], 700)])
    return found


def pages_of(path: Path, table: str) -> tuple[int, int]:
    """The size of a page, and the root page of a table."""
    with closing(sqlite3.connect(path)) as opened:
        (size,) = opened.execute("PRAGMA page_size").fetchone()
        (root,) = opened.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    return size, root


@pytest.mark.parametrize("filler", [b"\0", b"\xaa", b"\x0d"])
async def test_a_damaged_root_page_of_the_readings_costs_no_row(path: Path, tmp_path: Path, filler: bytes) -> None:
    written = {str(row) for row in read(path)}
    size, root = pages_of(path, "reading")
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = filler * size
    path.write_bytes(data)
    found = salvage(path, tmp_path / "new.sqlite")
    kept = {str(row) for row in read(tmp_path / "new.sqlite")}
    assert kept <= written
    assert len(kept) >= 0.97 * len(written)  # those of the root itself, if rows are on it
    assert found.rows == len(kept)
    assert not found.complete


@pytest.mark.parametrize("table", ["run", "series", "channel", "annotation", "block", "event", "flush"])
async def test_whatever_root_page_is_damaged_no_row_is_invented_and_the_other_tables_are_kept(
    path: Path, tmp_path: Path, table: str
) -> None:
    written, events = list(read(path)), len(list(read_events(path)))
    size, root = pages_of(path, table)
    data = bytearray(path.read_bytes())
    leaf = data[(root - 1) * size] == 0x0D
    data[(root - 1) * size : root * size] = bytes(size)
    path.write_bytes(data)
    if table == "run" and leaf:
        return  # the runs were on it: nothing can be attributed
    salvage(path, tmp_path / "new.sqlite")
    kept = list(read(tmp_path / "new.sqlite"))
    if table == "channel" and leaf:  # put together from the index
        assert {(row.driver, row.protocol, row.address) for row in kept} == {("unknown", "unknown", None)}
        assert None in {row.unit for row in kept}

    def content(row: Row) -> str:
        of_channel = {"driver": "", "protocol": "", "address": None, "parameter_id": None, "unit": None}
        return str(structs.replace(row, **of_channel) if table == "channel" else row)

    assert set(map(content, kept)) <= set(map(content, written))
    if table in ("series", "channel", "block", "event", "flush"):
        assert len(kept) == len(written)
    assert table == "event" or len(list(read_events(tmp_path / "new.sqlite"))) == events


async def test_a_destroyed_first_page_does_not_cost_the_rows_of_the_write_ahead_log(tmp_path: Path) -> None:
    """The program was killed, so that the newest rows are in the log only; then the first page was damaged."""
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    for batch in steady(run, [WARM, ZONE], 300):
        await sink.write([batch], [])
    data, log = path.read_bytes(), path.with_name("run.sqlite-wal").read_bytes()
    written = list(read(path))
    await sink.aclose()
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"\x55" * PAGE_BYTES + data[PAGE_BYTES:])
    damaged.with_name("damaged.sqlite-wal").write_bytes(log)
    salvage(damaged, tmp_path / "new.sqlite")
    assert list(read(tmp_path / "new.sqlite")) == written

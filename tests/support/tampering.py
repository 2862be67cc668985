"""Changes to a sealed recording, one at a time, as somebody makes them who can write the file but has no witness.

python tests/support/tampering.py 10000     # so many random changes: each must be found, by riglog and by the example
"""

import importlib.util
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import anyio
from msgspec import structs
from recorded import EVENTS, later, make_run, steady, varied

from riglog.model import NS, Channel, Event, EventKind, new_note
from riglog.recordings import Verified, verify
from riglog.sinks import SqliteSink
from riglog.sinks.sqlite.blocks import Profile

SEALED = {
    "run": "run name started_ns anchor_ns rate_hz host versions rig source",
    "series": "device parameter instance",
    "channel": "run_id series_id segment driver protocol address parameter_id unit",
    "annotation": "text unit status flags error",
    "reading": "channel_id received_ns n value annotation_id tick latency_ns skew_ns own_ns",
    "event": "run_id at_ns kind device port message actor_id reason",
    "flush": "run_id segment first_ns last_ns rows event_id",
    "note": "run_id at_ns written_ns device text actor_id reason message_id",
    "actor": "user program host",
    "seal": "format hash",
}
"""Every column that a block holds, of the tables that ``sealed_recording`` fills."""
EXTRAS = {"run", "series", "channel", "annotation"}
"""A further row of them shows nothing: riglog names it, the example does not look."""


async def sealed_recording(path: Path, *, profile: Profile = "desk", flushes: int = 6) -> Path:
    """Two runs: every shape of a sample, events, a note, a clock that is set back, and blocks that are merged."""
    pressures = [
        Channel(device="press", driver="d", protocol="p", address=n, parameter="p", instance=n + 1) for n in range(4)
    ]
    for number in range(2):
        run = make_run(number=number)
        sink = SqliteSink(path, profile=profile)
        await sink.open(run)
        note = structs.replace(new_note("probe moved", program="test", author="Mara"), device="oven")
        await sink.write(varied(run), [*EVENTS, note.event])
        for at in range(flushes):
            await sink.write(list(steady(run, pressures, 3, first=3 * at)), [])
        await sink.write(later(varied(run), -3600.0), [])
        finished = Event(run.started_ns + 60 * NS, EventKind.RUN_FINISHED, "run finished")
        await sink.write([], [finished])
        await sink.aclose()
    return path


def example() -> ModuleType:
    """The verifier that shares no code with riglog."""
    path = Path(__file__).parents[2] / "examples" / "verify_seals.py"
    spec = importlib.util.spec_from_file_location("verify_seals", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PRESSURES = [
    Channel(device="press", driver="d", protocol="p", address=1, parameter="p", instance=n + 1) for n in range(3)
]


def changed(path: Path, *statements: str) -> Path:
    """A copy of a recording, with changes."""
    copy = path.with_name("changed.sqlite")
    shutil.copyfile(path, copy)
    with closing(sqlite3.connect(copy)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return copy


class Tamperer:
    """Makes one random change in a copy of a recording. ``kind``, ``table`` describe the last one."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.original = path.read_bytes()
        self.kind = self.table = ""

    def change(self, path: Path) -> None:
        """Write a copy with one change to a path; a change that SQLite refuses is drawn again."""
        changes: list[Callable[[sqlite3.Connection], bool]] = [
            self.edit,
            self.edit,
            self.delete,
            self.swap,
            self.insert,
            self.cut,
        ]
        while True:
            path.write_bytes(self.original)
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = OFF")
                chosen = self.random.choice(changes)
                self.kind = chosen.__name__
                try:
                    if chosen(database):
                        return
                except sqlite3.IntegrityError:
                    continue

    def edit(self, database: sqlite3.Connection) -> bool:
        """One column of one row."""
        column = self._column()
        key, old = self._row(database, column)
        new: object = self.random.choice([None, 7, -1.5, "x", b"\0"])
        if isinstance(old, (int, float)) and self.random.random() < 0.7:
            new = old + self.random.choice([1, -1, 0.5])
        elif isinstance(old, str) and self.random.random() < 0.7:
            new = self.random.choice([old + " ", old[1:], old.swapcase()])
        elif isinstance(old, bytes) and self.random.random() < 0.7:
            new = bytes([old[0] ^ 1]) + old[1:]
        return self._set(database, column, key, old, new)

    def swap(self, database: sqlite3.Connection) -> bool:
        """One column of two rows."""
        column = self._column()
        (key, old), (other_key, other) = self._row(database, column), self._row(database, column)
        if old == other:
            return False
        unique = {"reading": ("received_ns", "n", "channel_id"), "run": ("run",)}.get(self.table, ())
        if column in unique:
            return False
        return self._set(database, column, key, old, other) and self._set(database, column, other_key, other, old)

    def delete(self, database: sqlite3.Connection) -> bool:
        """One row."""
        column = self._column()
        key, _ = self._row(database, column)
        return database.execute(f"DELETE FROM {self.table} WHERE {self._key()} = {self._marks(key)}", key).rowcount > 0

    def insert(self, database: sqlite3.Connection) -> bool:
        """A copy of one row, with another key."""
        column = self._column()
        key, _ = self._row(database, column)
        names = [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (self.table,))]
        row = list(
            database.execute(f"SELECT * FROM {self.table} WHERE {self._key()} = {self._marks(key)}", key).fetchone()
        )
        if self.table == "reading":
            row[names.index("received_ns")] += self.random.choice([1, -1, 10**9])
        elif self.table == "seal":
            row[0] += 1000
        else:
            row[0] = None
            for name in ("run", "device", "message_id"):
                if name in names and self.table in ("run", "series", "note"):
                    at = names.index(name)
                    row[at] = f"{row[at]}-2"
        database.execute(f"INSERT INTO {self.table} VALUES ({', '.join('?' * len(row))})", row)
        return True

    def cut(self, database: sqlite3.Connection) -> bool:
        """All that the last flushes have added."""
        self.table = "flush"
        flushes = [number for (number,) in database.execute("SELECT id FROM flush ORDER BY id DESC")]
        count = self.random.randint(1, 4)
        newest = flushes[count]
        (event,) = database.execute("SELECT max(event_id) FROM flush WHERE id <= ?", (newest,)).fetchone()
        (run,) = database.execute("SELECT run_id FROM flush WHERE id = ?", (newest,)).fetchone()
        spans = database.execute("SELECT segment, first_ns, last_ns FROM flush WHERE id > ?", (newest,)).fetchall()
        for segment, first, last in spans:
            database.execute(
                "DELETE FROM reading WHERE received_ns BETWEEN ? AND ? AND channel_id IN"
                " (SELECT id FROM channel WHERE run_id = ? AND segment = ?)",
                (first, last, run, segment),
            )
        database.execute("DELETE FROM channel WHERE id NOT IN (SELECT channel_id FROM reading)")
        database.execute("DELETE FROM event WHERE id > ?", (event,))
        database.execute("DELETE FROM seal WHERE flush_id > ?", (newest,))
        database.execute("DELETE FROM flush WHERE id > ?", (newest,))
        database.execute("UPDATE run SET finished_ns = NULL WHERE id = ?", (run,))
        return True

    def _column(self) -> str:
        self.table = self.random.choice(list(SEALED))
        return self.random.choice(SEALED[self.table].split())

    def _key(self) -> str:
        if self.table == "reading":
            return "(block_id, channel_id, received_ns, n)"
        return "(flush_id)" if self.table == "seal" else "(id)"

    def _marks(self, key: tuple[object, ...]) -> str:
        return f"({', '.join('?' * len(key))})"

    def _row(self, database: sqlite3.Connection, column: str) -> tuple[tuple[object, ...], object]:
        columns = self._key().strip("()")
        rows = database.execute(f"SELECT {columns}, {column} FROM {self.table} ORDER BY {columns}").fetchall()
        *key, value = self.random.choice(rows)
        return tuple(key), value

    def _set(
        self, database: sqlite3.Connection, column: str, key: tuple[object, ...], old: object, new: object
    ) -> bool:
        where = f"{self._key()} = {self._marks(key)}"
        database.execute(f"UPDATE {self.table} SET {column} = ? WHERE {where}", (new, *key))
        if column in ("channel_id", "received_ns", "n"):
            return new != old
        (now,) = database.execute(f"SELECT {column} FROM {self.table} WHERE {where}", key).fetchone()
        return type(now) is not type(old) or now != old


def check_one(tamperer: Tamperer, path: Path, head: str, other: ModuleType) -> Verified:
    """Make one change, and check that both verifiers find it, in the same block."""
    tamperer.change(path)
    what = f"{tamperer.kind} {tamperer.table}: {path}"
    found = verify(path, heads=[head])
    assert found.changed, what
    try:
        with closing(sqlite3.connect(path)) as database:
            reason = other.verify(database, head)
    except (ValueError, TypeError, KeyError, IndexError, sqlite3.Error):
        reason = "error"  # a value that the format does not have
    if tamperer.kind != "insert" or tamperer.table not in EXTRAS:
        assert reason is not None, what
    if found.wrong and reason != "error":
        assert reason == f"block {found.wrong[0].block} is not as it was sealed", what
    return found


def main(count: int) -> None:
    """Make so many changes in each profile's recording."""
    with tempfile.TemporaryDirectory() as folder:
        kinds: dict[str, int] = {}
        for profile in ("desk", "card"):
            path = anyio.run(lambda: sealed_recording(Path(folder) / f"{profile}.sqlite", profile=profile))  # noqa: B023
            head = verify(path).head
            assert head is not None
            tamperer, other = Tamperer(path, seed=count), example()
            for _ in range(count // 2):
                check_one(tamperer, Path(folder) / "changed.sqlite", head, other)
                kinds[tamperer.kind] = kinds.get(tamperer.kind, 0) + 1
        print(f"{sum(kinds.values())} changes, each found by both: {kinds}")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))

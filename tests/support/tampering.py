"""Changes to a sealed recording, one at a time, as somebody makes them who can write the file but has no witness.

``benchmarks/tampering.py`` makes ten thousand of them.
"""

import importlib.util
import io
import random
import shutil
import sqlite3
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path
from types import ModuleType

from msgspec import Struct, structs
from recorded import EVENTS, later, make_run, steady, varied

from riglog.errors import RiglogError
from riglog.model import NS, Channel, Event, EventKind, new_note
from riglog.protocol.wire_log import KeptTransaction, OpenedDevice
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
    "device": "run_id name port driver version options",
    "wire": "run_id port first_ns last_ns transactions content",
    "seal": "format hash extent",
}
"""Every column that a block holds, of the tables that ``sealed_recording`` fills."""
KEYS = {"reading": ("block_id", "channel_id", "received_ns", "n"), "seal": ("flush_id",)}
"""The key of a table; of the others ``id``."""
PLACES = {"channel_id", "received_ns", "n", "run_id", "series_id", "segment", "port"}
"""Columns that name another row or block: which block shows the change first depends on what is there."""
FIGURES = {"last_ns", "transactions"}
"""Columns of ``wire`` that follow from its content: the example does not look at them."""
EXTRAS = {"run", "series", "channel", "annotation"}
"""A further row of them shows nothing: riglog names it, the example does not look."""


async def sealed_recording(path: Path, *, profile: Profile = "desk", flushes: int = 6) -> Path:
    """Two runs: every shape of a sample, events, a note, bytes, a clock that is set back; merged blocks."""
    await _record(path, profile, flushes, lambda: None)
    return path


async def traced_recording(path: Path, *, profile: Profile = "desk", flushes: int = 6) -> "Blocks":
    """The same, and which block has each of its rows, noted while it was recorded."""
    blocks = Blocks({}, {})
    await _record(path, profile, flushes, lambda: blocks.note(path))
    return blocks


async def _record(path: Path, profile: Profile, flushes: int, after: Callable[[], None]) -> None:
    pressures = [
        Channel(device="press", driver="d", protocol="p", address=n, parameter="p", instance=n + 1) for n in range(4)
    ]
    for number in range(2):
        run = make_run(number=number)
        sink = SqliteSink(path, profile=profile, keep_bytes=True)
        log = sink.keep_wires()
        assert log is not None
        log.devices = [OpenedDevice("press", "bus", "d", "1.0", '{"address":1}')]
        await sink.open(run)
        note = structs.replace(new_note("probe moved", program="test", author="Mara"), device="oven")
        finished = Event(run.started_ns + 60 * NS, EventKind.RUN_FINISHED, "run finished")
        for batches, events in [
            (varied(run), [*EVENTS, note.event]),
            *((list(steady(run, pressures, 3, first=3 * at)), []) for at in range(flushes)),
            (later(varied(run), -3600.0), []),
            ([], [finished]),
        ]:
            for batch in batches[:2]:
                at_ns = batch.samples[0].stamp.received_ns
                log.keep_of("bus")(
                    KeptTransaction(at_ns, 3_000_000, b"\x01\x03%d" % number, b"\x02ok" + bytes([at_ns % 251]))
                )
            await sink.write(batches, events)
            after()
        await sink.aclose()


class Blocks(Struct):
    """The first block that has each row. ``rows``: by table and key; of readings without their place in the file."""

    rows: dict[tuple[str, tuple[object, ...]], int]
    annotations: dict[int, int]

    def note(self, path: Path) -> None:
        """Note what the newest flush has added."""
        with closing(sqlite3.connect(path)) as database:
            (block,) = database.execute("SELECT count(*) FROM seal").fetchone()
            for table in SEALED:
                key = KEYS.get(table, ("id",))[1 if table == "reading" else 0 :]
                for row in database.execute(f"SELECT {', '.join(key)} FROM {table}"):
                    self.rows.setdefault((table, row), block)
            for number, channel, *rest in database.execute(
                "SELECT annotation_id, channel_id, received_ns, n FROM reading"
            ):
                if number is not None:
                    first = self.rows["reading", (channel, *rest)]
                    self.annotations[number] = min(first, self.annotations.get(number, first))

    def of(self, table: str, key: tuple[object, ...]) -> int:
        """Return the first block in which a change of a row shows."""
        if table == "annotation":
            return self.annotations[int(str(key[0]))]
        return self.rows[table, key[1:] if table == "reading" else key]


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
    """Makes random changes in copies of a recording: number N of a seed is the same change each time.

    Attributes:
        kind, table, column: of the last change.
        expected: the block that must be named first; None: that depends on what is beside it.
    """

    def __init__(self, path: Path, seed: int, blocks: Blocks | None = None) -> None:
        self.original = path.read_bytes()
        self.seed = seed
        self.blocks = blocks
        self.contents = contents_of(path)
        self.kind = self.table = self.column = ""
        self.expected: int | None = None

    def change(self, path: Path, number: int) -> None:
        """Write a copy with one change to a path; a change that SQLite refuses is drawn again."""
        self.random = random.Random(f"{self.seed}:{number}")
        changes: list[Callable[[sqlite3.Connection], bool]] = [
            self.edit,
            self.edit,
            self.edit,
            self.delete,
            self.swap,
            self.insert,
            self.cut,
        ]
        if self.random.random() < 0.2:
            self.change_bytes(path)
            return
        while True:
            path.write_bytes(self.original)
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = OFF")
                chosen = self.random.choice(changes)
                self.kind, self.expected = chosen.__name__, None
                try:
                    if chosen(database):
                        return
                except sqlite3.IntegrityError:
                    continue

    def change_bytes(self, path: Path) -> None:
        """Bytes of the file, below SQLite: some are changed, or its end is cut off."""
        content = bytearray(self.original)
        self.table, self.column, self.expected = "file", "", None
        self.kind = self.random.choice(["flip", "flip", "flip", "cut end"])
        if self.kind == "cut end":
            del content[self.random.randrange(100, len(content)) :]
        for _ in range(0 if self.kind == "cut end" else self.random.choice([1, 1, 1, 2, 8])):
            at = self.random.randrange(100, len(content))
            content[at] ^= self.random.randrange(1, 256)
        path.write_bytes(content)

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
        self._expect(column, key)
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
        self._expect(column, key, other_key)
        return self._set(database, column, key, old, other) and self._set(database, column, other_key, other, old)

    def delete(self, database: sqlite3.Connection) -> bool:
        """One row."""
        column = self._column()
        key, _ = self._row(database, column)
        if self.table not in ("seal", "wire"):  # without the newest seal no block is wrong; there are rows more
            self._expect("", key)
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
        self.column = self.random.choice(SEALED[self.table].split())
        return self.column

    def _expect(self, column: str, *keys: tuple[object, ...]) -> None:
        if self.blocks is not None and column not in PLACES and self.table not in ("wire", "actor"):
            self.expected = min(self.blocks.of(self.table, key) for key in keys)

    def _key(self) -> str:
        return f"({', '.join(KEYS.get(self.table, ('id',)))})"

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


def contents_of(path: Path, others: Sequence[str] | None = None) -> dict[str, list[tuple[object, ...]]]:
    """Return what is in each table that a seal, or ``verify``, is about."""
    found = {}
    with closing(sqlite3.connect(path)) as database:
        database.text_factory = bytes
        for table in (*SEALED, *(OTHERS if others is None else others)):
            columns = "*" if table not in ("run", "reading") else ", ".join(SEALED[table].split())
            found[table] = database.execute(f"SELECT {columns} FROM {table}").fetchall()
    found["reading"].sort(key=lambda row: tuple(map(str, row)))
    return found


UNFILLED = (
    "alarm",
    "alarm_change",
    "parameter_write",
    "identity",
    "equipment",
    "certificate",
    "calibration",
    "clock_check",
)


class Found(Struct):
    """What both verifiers have found. ``verified`` is None if riglog could not read the file."""

    verified: Verified | None
    other: str | None
    same: bool = False
    """All that is stored is as it was: the change was made where the file has nothing."""


OTHERS = "minute", "hour", "burst", "seal_key", *UNFILLED
"""Tables at which the example does not look, or that ``traced_recording`` leaves empty."""


def check_one(tamperer: Tamperer, number: int, path: Path, head: str, other: ModuleType) -> Found:
    """Make one change, and check that both verifiers find it, in the same block, and in the right one."""
    tamperer.change(path, number)
    what = f"seed {tamperer.seed}, change {number}: {tamperer.kind} {tamperer.table}.{tamperer.column}: {path}"
    reason = seen_by(other, path, head)
    found = _verified(path, head)
    if found is None:
        assert tamperer.table == "file", f"{what}: cannot be read"
        assert reason is not None or is_same(tamperer, path, ()), f"{what}: cannot be read; the example finds nothing"
        return Found(None, reason)
    if not found.changed:
        assert tamperer.table == "file", f"{what}: not found by riglog"
        assert is_same(tamperer, path), f"{what}: not found by riglog"
        assert reason is None, f"{what}: found by the example only: {reason}"
        return Found(found, reason, same=True)
    if tamperer.table == "file":
        return Found(found, reason)
    figures = tamperer.table == "wire" and tamperer.column in FIGURES and tamperer.kind in ("edit", "swap")
    if not figures and (tamperer.kind != "insert" or tamperer.table not in EXTRAS):
        assert reason is not None, f"{what}: not found by the example"
    if found.wrong and reason != "error":
        assert reason == f"block {found.wrong[0].block} is not as it was sealed", what
    if tamperer.expected is not None:
        assert found.wrong, f"{what}: block {tamperer.expected} is not named"
        assert found.wrong[0].block == tamperer.expected, f"{what}: not block {tamperer.expected}: {found.wrong[0]}"
    return Found(found, reason)


def _verified(path: Path, head: str) -> Verified | None:
    try:
        return verify(path, heads=[head])
    except RiglogError:
        return None


def seen_by(other: ModuleType, path: Path, head: str | None = None) -> str | None:
    """Return what the example finds; ``error``: a value that the format does not have, or a file that is none."""
    try:
        with closing(sqlite3.connect(path)) as database, redirect_stdout(io.StringIO()):
            reason: str | None = other.verify(database, head)
    except (
        zlib.error,
        struct.error,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        StopIteration,
        OverflowError,
        sqlite3.Error,
    ):
        return "error"
    return reason


def is_same(tamperer: Tamperer, path: Path, others: Sequence[str] | None = None) -> bool:
    """Return whether what is stored is as it was: in the sealed tables, and in others."""
    try:
        found = contents_of(path, others)
        return found == {table: tamperer.contents[table] for table in found}
    except (sqlite3.Error, UnicodeDecodeError):  # also a name in the schema
        return False


def check_many(path: Path, blocks: Blocks, seed: int, numbers: Iterator[int] | range) -> Counter[str]:
    """Make many changes, and return how many there were of each kind."""
    kinds: Counter[str] = Counter()
    tamperer, other = Tamperer(path, seed, blocks), example()
    head = verify(path).head
    assert head is not None
    for number in numbers:
        try:
            found = check_one(tamperer, number, path.with_name("changed.sqlite"), head, other)
        except Exception as error:
            raise AssertionError(
                f"seed {seed}, change {number}: {tamperer.kind} {tamperer.table}: {error!r}"
            ) from error
        kinds[tamperer.kind] += 1
        kinds[NAMED] += tamperer.expected is not None
        kinds[NOTHING] += found.same
        kinds[NOT_READABLE] += found.verified is None
    return kinds


NAMED, NOTHING, NOT_READABLE = "the block was named", "where the file has nothing", "not readable"


class Cuts:
    """What a power failure can leave of a recording: its write-ahead log, with a last flush that is there in part.

    A flush that was acknowledged is synced. Each sector behind it is there, is not, or reads as zeros.
    """

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.folder = folder
        self.path = folder / "run.sqlite"
        self.database = b""
        self.logs: list[bytes] = []
        self.profile: Profile = profile

    async def record(self) -> None:
        """Record, and keep a copy of the files after each flush."""
        self.path.unlink(missing_ok=True)
        await _record(self.path, self.profile, 12, self._keep)

    def _keep(self) -> None:
        log = Path(f"{self.path}-wal")
        content = self.path.read_bytes()
        if content != self.database:  # written back: the log begins again
            self.database = content
            self.logs.clear()
        self.logs.append(log.read_bytes())
        with closing(sqlite3.connect(self.path)) as database:
            self.blocks = database.execute("SELECT count(*) FROM seal").fetchone()[0]

    def check(self, seed: int, number: int, other: ModuleType) -> str:
        """Make one image, verify it in both ways, and return how it was cut."""
        dice = random.Random(f"{seed}:{number}")
        at = dice.randrange(len(self.logs) - 1)
        safe, later = self.logs[at], self.logs[at + 1]
        assert later.startswith(safe)
        kind = dice.choice(["absent", "prefix", "sectors", "zeros", "whole"])
        tail = bytearray(later[len(safe) :])
        if kind == "prefix":
            del tail[dice.randrange(len(tail)) // 512 * 512 :]
        for sector in range(0, len(tail), 512):
            if (kind == "sectors" and dice.random() < 0.3) or (kind == "zeros" and sector >= len(tail) // 2):
                tail[sector : sector + 512] = bytes(len(tail[sector : sector + 512]))
        image = self.folder / "image.sqlite"
        for name in (image, Path(f"{image}-shm")):
            name.unlink(missing_ok=True)
        image.write_bytes(self.database)
        Path(f"{image}-wal").write_bytes(safe if kind == "absent" else safe + tail)
        acknowledged = self.blocks - len(self.logs) + 1 + at
        check_survivor(image, acknowledged, f"seed {seed}, image {number} ({kind})", other)
        return kind


def check_survivor(path: Path, acknowledged: int, what: str, other: ModuleType) -> Verified:
    """Check that a recording is proven up to the last flush that was acknowledged."""
    found = verify(path)
    assert found.complete, f"{what}: {found.wrong} {found.problems}"
    assert acknowledged <= found.blocks <= acknowledged + 1, f"{what}: {found.blocks} blocks of {acknowledged}"
    reason = seen_by(other, path, found.head)
    assert reason is None, f"{what}: {reason}"
    return found

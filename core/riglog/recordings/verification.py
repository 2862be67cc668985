"""``verify``: whether a recording is as it was sealed, block by block; and what of it is still proven if it is not.

Reads only, in one transaction: a recorder that merges small blocks meanwhile changes nothing of what is compared.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import iso
from riglog.protocol.wire_log import KeptTransaction
from riglog.sinks.sqlite.overviews import rebuild
from riglog.sinks.sqlite.reader import opened_recording
from riglog.sinks.sqlite.schema import create_tables, schema_of
from riglog.sinks.sqlite.schema1 import SCHEMA_1
from riglog.sinks.sqlite.seal_format import (
    FLUSHES,
    FORMAT,
    RUN,
    SEALED_TABLES,
    START,
    Content,
    Extent,
    Values,
    block_hash,
    channel_rows,
    read_extent,
    table_rows,
)
from riglog.sinks.sqlite.signatures import ALGORITHM, PublicKey, is_checkable, is_signed, read_public_key
from riglog.sinks.sqlite.wires import read_content

WIRES = """
SELECT encoding, content, first_ns, last_ns, transactions FROM wire NOT INDEXED
WHERE run_id = ? AND port = ? ORDER BY id"""
INDEXED = "run", "series", "channel", "block", "note", "alarm_change", "wire"
"""Tables whose indexes readers use: an index that is not as its table shows other rows."""
SHOWN = 20
"""So many wrong blocks, and problems of one kind, are named; all are counted."""
READINGS = """
SELECT channel_id, received_ns, n, value, annotation_id, tick, latency_ns, skew_ns, own_ns
FROM block CROSS JOIN reading ON block_id = block.id AND channel_id = :channel
WHERE block.run_id = (SELECT run_id FROM channel WHERE id = :channel)
ORDER BY block.id, received_ns, n LIMIT -1 OFFSET :after"""
SEALS = """
SELECT flush_id, format, hash, extent, algorithm, public_key, signature
FROM seal LEFT JOIN seal_key ON seal_key.id = key_id ORDER BY flush_id"""
NOT_SEALED = """
SELECT id, run FROM run
WHERE NOT EXISTS (SELECT 1 FROM flush JOIN seal ON flush_id = flush.id WHERE flush.run_id = run.id)"""
MINUTE = "rows", "count", "low", "high", "first", "last"
HOUR = *MINUTE, "minutes"


class WrongBlock(Struct, frozen=True):
    """A block that is not as it was sealed. ``since`` and ``until`` are the times of its readings (ISO 8601, UTC)."""

    block: int
    run: str | None
    since: str | None
    until: str | None


class Verified(Struct):
    """What ``verify`` has found.

    Attributes:
        blocks, rows: that were sealed.
        head: the newest seal, hexadecimal; None: the file has no seals.
        wrong_blocks: blocks that are not as they were sealed; ``wrong`` has the first of them.
        proven_blocks: blocks before the first wrong one.
        proven_until: when the newest reading of the blocks before the first wrong one was received.
        problems: what else is not as it was sealed.
        unsealed_runs: runs that were recorded without seals: nothing is known about them.
        signed: the newest block with a valid signature; 0: none.
        keys: SHA-256 fingerprints of the keys that have signed.
        signatures_checked: False: the package for it (``riglog[sign]``) is not installed.
        heads_given, heads_found: heads that were noted elsewhere, and how many of them are in the file.
        witnessed: the newest block with one of them; 0: none.
    """

    path: str
    schema: int
    blocks: int = 0
    rows: int = 0
    head: str | None = None
    wrong_blocks: int = 0
    wrong: list[WrongBlock] = []
    proven_blocks: int = 0
    proven_until: str | None = None
    problems: list[str] = []
    unsealed_runs: list[str] = []
    signed: int = 0
    keys: list[str] = []
    signatures_checked: bool = True
    heads_given: int = 0
    heads_found: int = 0
    witnessed: int = 0

    @property
    def changed(self) -> bool:
        """True if something is not as it was sealed."""
        return bool(self.wrong_blocks or self.problems)

    @property
    def complete(self) -> bool:
        """True if all of it was sealed, and is as it was sealed."""
        return not self.changed and not self.unsealed_runs and self.head is not None


def verify(path: str | Path, *, heads: Sequence[str] = (), key: str | Path | None = None) -> Verified:
    """Compare a recording with its seals. It may be growing. Blocking.

    Args:
        heads: that were noted elsewhere, hexadecimal, 8 digits or more: each must be one of the seals.
        key: file with the public key that must have signed the newest head that is signed.

    Raises:
        ConfigError: a head is not hexadecimal, or the key cannot be read.
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    wanted = [head.lower() for head in heads]
    for head in wanted:
        if len(head) < 8 or set(head) - set("0123456789abcdef"):
            raise ConfigError(f"invalid head {head!r}", hint="Give at least 8 hexadecimal digits of it")
    public_key = None if key is None else read_public_key(Path(key))
    with opened_recording(path) as database:
        schema = schema_of(database)
        found = Verified(str(path), schema, unsealed_runs=[], problems=[], wrong=[], keys=[])
        if schema == SCHEMA_1:
            found.unsealed_runs = [run for (run,) in database.execute("SELECT run FROM run")]
            _check_heads(found, wanted, [])
            return found
        database.text_factory = lambda text: text.decode(errors="replace")  # a text that was changed may be none
        database.execute("BEGIN")
        verification = _Verification(database, found, public_key)
        try:
            verification.run(wanted)
        finally:
            verification.close()
        return found


class _Verification:
    """One walk through the chain, from the first seal to the last."""

    def __init__(self, database: sqlite3.Connection, found: Verified, public_key: PublicKey | None) -> None:
        self._database = database
        self._found = found
        self._public_key = public_key
        self._previous = self._computed = START  # the hash of the block before: as stored, and as it should be
        self._flush = 0
        self._extent = ""
        self._runs: set[int] = set()
        self._readings: dict[int, sqlite3.Cursor] = {}
        self._taken: dict[int, int] = {}  # readings of each channel up to here
        self._counted: dict[int, int] = {}  # those of the seals up to here
        self._totals: tuple[dict[int, int], dict[int, int]] | None = None
        self._covered = dict.fromkeys(SEALED_TABLES, 0)
        self._annotations: dict[int, Values] = {}
        self._wires: dict[tuple[int | None, str], Iterator[KeptTransaction]] = {}

    def run(self, wanted: Sequence[str]) -> None:
        database, found = self._database, self._found
        columns = [name for (name,) in database.execute("SELECT name FROM pragma_table_info('seal')")]
        for number, seal in enumerate(database.execute(SEALS) if "extent" in columns else (), 1):
            self._take(number, *seal)
        unsealed = dict(database.execute(NOT_SEALED).fetchall())
        found.unsealed_runs = list(unsealed.values())
        if found.head is not None:
            self._check_rest(set(unsealed))
            self._check_shape()
            self._check_indexes()
            self._check_overviews()
            _check_heads(found, wanted, database.execute("SELECT lower(hex(hash)) FROM seal ORDER BY flush_id"))
        else:
            _check_heads(found, wanted, ())
        if self._public_key is not None and not found.signed:
            found.problems.append("no seal is signed with the given key")

    def close(self) -> None:
        """End what is still being read: as long as a cursor lives, the file stays locked."""
        self._readings.clear()
        self._wires.clear()

    def _take(self, number: int, flush: int, format: int, hash: bytes, extent: str | None, *signed: Any) -> None:
        """Compare one block with its seal."""
        found, hash = self._found, hash if isinstance(hash, bytes) else b""
        found.blocks, found.head = number, hash.hex()
        self._extent = self._extent if extent is None else str(extent)
        flushes = self._database.execute(FLUSHES, (self._flush, flush)).fetchall()
        try:
            sizes = read_extent(self._extent)
        except ValueError:
            sizes = Extent()
        right = self._is_right(hash, flushes, sizes) and format == FORMAT
        times = [time for row in flushes for time in row[3:5] if isinstance(time, int)]
        if not right:
            found.wrong_blocks += 1
            if len(found.wrong) < SHOWN:
                run = self._database.execute(RUN, (flushes[-1][1] if flushes else None,)).fetchone()
                span = (iso(min(times)), iso(max(times))) if times else (None, None)
                found.wrong.append(WrongBlock(number, run[1] if run else None, *span))
        elif not found.wrong_blocks:
            found.proven_blocks = number
            if times:
                found.proven_until = max(found.proven_until or "", iso(max(times)))
        found.rows += sizes.readings
        self._check_signature(number, hash, *signed)
        self._flush, self._previous = flush, hash

    def _is_right(self, hash: bytes, flushes: Sequence[Values], sizes: Extent) -> bool:
        database = self._database
        run = flushes[-1][1] if flushes else None
        begins = run is not None and run not in self._runs
        content = Content(
            wires=[self._take_transactions(run, port, count) for port, count in sizes.transactions()],
            flushes=flushes,
            runs=database.execute(RUN, (run,)).fetchall() if begins else (),
            channels=channel_rows(database, sorted({channel for channel, _ in sizes.counts()} - set(self._counted))),
            tables=[table_rows(database, *range_) for range_ in sizes.ranges()],
        )
        if run is not None:
            self._runs.add(run)
        before = {channel: self._taken.get(channel, 0) for channel, _ in sizes.counts()}
        content.readings = self._take_readings(sizes)
        computed = self._computed
        right = self._is_hash(hash, content, computed)
        if not right and self._found.wrong_blocks and (ahead := self._ahead(before)):
            self._move({channel: before[channel] + more for channel, more in ahead.items()})
            self._move({channel: taken for channel, taken in before.items() if channel not in ahead})
            content.readings = self._take_readings(sizes)
            right = self._is_hash(hash, content, computed)
            if not right:
                self._move({channel: before[channel] + count for channel, count in sizes.counts()})
        for channel, count in sizes.counts():
            self._counted[channel] = self._counted.get(channel, 0) + count
        for (table, *_), rows in zip(sizes.ranges(), content.tables, strict=True):
            self._covered[table] += len(rows)
        return right

    def _is_hash(self, hash: bytes, content: Content, computed: bytes) -> bool:
        """Return whether a block has a hash; if the seal before was changed, also with what it should be."""
        self._computed = block_hash(self._previous, self._extent, content)
        if self._computed != hash and computed != self._previous:
            other = block_hash(computed, self._extent, content)
            self._computed = other if other == hash else self._computed
        return self._computed == hash

    def _take_readings(self, sizes: Extent) -> list[Values]:
        found: list[Values] = []
        for channel, count in sizes.counts():
            cursor = self._readings.get(channel)
            if cursor is None:
                cursor = self._readings[channel] = self._database.execute(
                    READINGS, {"channel": channel, "after": self._taken.get(channel, 0)}
                )
            rows = cursor.fetchmany(count)
            self._taken[channel] = self._taken.get(channel, 0) + len(rows)
            found += [row if row[4] is None else (*row[:4], self._annotation(row[4]), *row[5:]) for row in rows]
        return found

    def _take_transactions(self, run: int | None, port: str, count: int) -> list[Values]:
        wires = self._wires.get((run, port))
        if wires is None:
            wires = self._wires[run, port] = self._read_wires(run, port)
        try:
            return list(islice(wires, count))
        except (ValueError, TypeError):  # what follows it is not read either
            return [("not valid",)]

    def _read_wires(self, run: int | None, port: str) -> Iterator[KeptTransaction]:
        """Return the transactions of a port, from the table itself, and compare the figures that stand beside them."""
        for encoding, content, first, last, count in self._database.execute(WIRES, (run, port)):
            found = read_content(encoding, content, first)
            times = [transaction.received_ns for transaction in found]
            if (last, count) != (max(times, default=None), len(found)):
                self._problem(f"the times of a row of {port} in the table wire are not those of its transactions")
            yield from found

    def _annotation(self, number: int) -> Values:
        if number not in self._annotations:
            select = "SELECT text, unit, status, flags, error FROM annotation WHERE id = ?"
            self._annotations[number] = self._database.execute(select, (number,)).fetchone() or ("no annotation",)
        return self._annotations[number]

    def _ahead(self, before: dict[int, int]) -> dict[int, int]:
        """Return how many readings more than sealed each channel has from here to the end; less than 0: fewer.

        Where readings were removed or inserted, all that follow are displaced by so many: they are compared where they
        are, so that only the block with the change is wrong. The first wrong block is never excused in this way.
        """
        if self._totals is None:
            sealed: dict[int, int] = {}
            extent = ""
            for (stored,) in self._database.execute("SELECT extent FROM seal ORDER BY flush_id").fetchall():
                extent = extent if stored is None else str(stored)
                with suppress(ValueError):
                    for channel, count in read_extent(extent).counts():
                        sealed[channel] = sealed.get(channel, 0) + count
            self._totals = self._stored(), sealed
        stored, sealed = self._totals
        ahead = {
            channel: stored.get(channel, 0) - taken - (sealed[channel] - self._counted.get(channel, 0))
            for channel, taken in before.items()
        }
        return {channel: max(more, -before[channel]) for channel, more in ahead.items() if more}

    def _move(self, places: dict[int, int]) -> None:
        for channel, place in places.items():
            self._taken[channel] = place
            self._readings.pop(channel, None)

    def _stored(self) -> dict[int, int]:
        """Return how many readings of each channel are in the file."""
        return dict(self._database.execute("SELECT channel_id, count(*) FROM reading GROUP BY channel_id").fetchall())

    def _check_signature(
        self, number: int, head: bytes, algorithm: str | None, key: bytes | None, signature: bytes | None
    ) -> None:
        found = self._found
        if signature is None:
            return
        signer = PublicKey(key if isinstance(key, bytes) else b"")
        if self._public_key is None and not is_checkable():
            found.signatures_checked = False
            return
        if algorithm != ALGORITHM or not is_signed(signer.content, signature, head):
            self._problem(f"the signature of block {number} is not valid")
            return
        if signer.fingerprint not in found.keys:
            found.keys.append(signer.fingerprint)
        if self._public_key in (None, signer):
            found.signed = number

    def _check_rest(self, unsealed: set[int]) -> None:
        """Look for what no block has: it was added after it could be sealed."""
        database, stored = self._database, self._stored()
        channels = database.execute(
            "SELECT channel.id, run_id, device, parameter, instance FROM channel"
            " LEFT JOIN series ON series.id = series_id ORDER BY channel.id"
        ).fetchall()
        for channel, run, device, parameter, instance in channels:
            more = stored.pop(channel, 0) - self._counted.get(channel, 0)
            name = f"{device}.{parameter}[{instance}]"
            if run in unsealed:
                continue
            if channel not in self._counted:
                self._problem(f"the channel {name} is in no block")
            if more:
                self._problem(f"{name} has {abs(more)} readings {'more' if more > 0 else 'fewer'} than were sealed")
        for channel in stored:
            self._problem(f"there are readings of a channel {channel} that does not exist")
        for table, covered in self._covered.items():
            if more := self._count(table, unsealed) - covered:
                self._problem(
                    f"the table {table} has {abs(more)} rows {'more' if more > 0 else 'fewer'} than were sealed"
                )
        for run, port in database.execute("SELECT DISTINCT run_id, port FROM wire").fetchall():
            if run not in unsealed and self._take_transactions(run, port, 1):
                self._problem(f"{port} has more transactions than were sealed")
        rest = database.execute("SELECT run_id FROM flush WHERE id > ?", (self._flush,))
        if more := sum(run not in unsealed for (run,) in rest):
            self._problem(f"{more} flushes were stored after the last seal")
        if not unsealed:
            self._check_unused()
        for run, finished, newest in database.execute(
            "SELECT run, finished_ns, (SELECT max(at_ns) FROM event WHERE run_id = run.id) FROM run"
        ).fetchall():
            if finished not in (None, newest):
                self._problem(f"the end of run {run} is not the time of its newest event")

    def _check_unused(self) -> None:
        counts = {
            "series": "SELECT count(*) FROM series WHERE id NOT IN (SELECT series_id FROM channel)",
            "derived": "SELECT count(*) FROM derived WHERE channel_id NOT IN (SELECT id FROM channel)",
            "block": "SELECT count(*) FROM block WHERE run_id NOT IN (SELECT id FROM run)",
        }
        unused = {table: self._database.execute(count).fetchone()[0] for table, count in counts.items()}
        (annotations,) = self._database.execute("SELECT count(*) FROM annotation").fetchone()
        unused["annotation"] = annotations - len(self._annotations)
        for table, count in unused.items():
            if count:
                self._problem(f"the table {table} has {count} rows that belong to nothing")

    def _count(self, table: str, unsealed: set[int]) -> int:
        """Return how many rows of a table can have been sealed."""
        select = f"SELECT count(*) FROM {table}"  # noqa: S608 - one of SEALED_TABLES
        names = [name for (name,) in self._database.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        if unsealed and "run_id" in names:
            numbers = ", ".join(map(str, unsealed))
            select += f" WHERE run_id IS NULL OR run_id NOT IN ({numbers})"
        elif unsealed:  # those of the runs that are not sealed cannot be told from the others
            return min(self._covered[table], int(self._database.execute(select).fetchone()[0]))
        return int(self._database.execute(select).fetchone()[0])

    def _check_shape(self) -> None:
        """Compare the tables and views with those of riglog: a view that was changed shows other rows."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
            create_tables(empty)
            wanted = _shape(empty)
        found = _shape(self._database)
        for name in sorted(set(wanted) | set(found)):
            if wanted.get(name) != found.get(name) and not (name in ADDED_LATER and name not in found):
                self._problem(f"{name} is not as riglog makes it")

    def _check_indexes(self) -> None:
        for table in INDEXED:
            (state, *_) = self._database.execute(f"PRAGMA integrity_check({table})").fetchone()
            if state != "ok":
                self._problem(f"an index of the table {table} is not as its rows: {state}")

    def _check_overviews(self) -> None:
        """Compare the overviews of minutes and hours with the readings: they follow from them, and are not sealed."""
        database = self._database
        database.execute("PRAGMA query_only = OFF")
        for table in ("minute", "hour"):
            database.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} WHERE false")  # noqa: S608
            database.execute(f"SELECT count(*) FROM temp.{table}")  # noqa: S608 - this is the table that is filled
            columns = "channel_id, " + table
            database.execute(f"CREATE UNIQUE INDEX temp.{table}_key ON {table} ({columns})")
        try:
            rebuild(database)  # the temporary ones: SQLite looks for a name there first
        except (TypeError, ValueError, ArithmeticError):  # readings that no recorder has stored
            self._problem("overviews cannot be computed from the readings")
            return
        for table, names in (("minute", MINUTE), ("hour", HOUR)):
            same = " AND ".join(f"old.{name} IS new.{name}" for name in names)
            (different,) = database.execute(
                f"SELECT count(*) FROM main.{table} AS old"  # noqa: S608 - constants
                f" LEFT JOIN temp.{table} AS new ON new.channel_id = old.channel_id AND new.{table} = old.{table}"
                f" WHERE NOT ({same} AND (old.total IS new.total"
                " OR abs(old.total - new.total) <= 1e-9 * (abs(old.total) + abs(new.total))))"
            ).fetchone()
            if different:
                self._problem(f"{different} overviews of a {table} are not what their readings give")

    def _problem(self, text: str) -> None:
        problems = self._found.problems
        if len(problems) < SHOWN:
            problems.append(text)


def _check_heads(found: Verified, wanted: Sequence[str], stored: Iterable[tuple[str]]) -> None:
    """Look for heads that were noted elsewhere among those of a file."""
    missing = set(wanted)
    found.heads_given = len(missing)
    lengths = {len(head) for head in missing}
    for number, (hash,) in enumerate(stored if wanted else (), 1):
        if seen := {hash[:length] for length in lengths} & set(wanted):
            missing -= seen
            found.witnessed = number
    found.heads_found = found.heads_given - len(missing)
    for head in sorted(missing)[:SHOWN]:
        found.problems.append(f"the head {head} is not in the file: its end was cut off, or it was sealed again")


ADDED_LATER = {"view corrected"}
"""What files of earlier versions do not have."""


def _shape(database: sqlite3.Connection) -> dict[str, str]:
    """Return the statement that has made each table, index and view, without the layout of its text."""
    found = database.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(re.sub(r"\s*([(),])\s*", r"\1", sql).split()) for name, sql in found}

"""Seals what each flush adds to a recording, in the transaction of the flush."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Protocol

from msgspec import Struct

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
    table_rows,
    write_extent,
)

NEWEST = "SELECT flush_id, hash FROM seal ORDER BY flush_id DESC LIMIT 1"
IS_SEALED = """
SELECT (SELECT max(id) FROM flush WHERE run_id = :run) IS NULL
    OR EXISTS (SELECT 1 FROM seal WHERE flush_id = (SELECT max(id) FROM flush WHERE run_id = :run))"""


class Signer(Protocol):
    """Signs heads with one key."""

    algorithm: str
    public_key: bytes

    def is_due(self) -> bool:
        """Return whether the head is to be signed now."""

    def sign(self, head: bytes) -> bytes | None:
        """Return the signature of a head; None if the key cannot be used now."""


class Head(Struct, frozen=True):
    """The newest seal of a file. ``hash`` is hexadecimal."""

    block: int
    hash: str


class Seals:
    """The chain of a file, continued by one run.

    A run that was begun without seals, or that a version without them has continued, is not sealed: what was not sealed
    when it was stored must not look as if it had been.
    """

    def __init__(
        self, database: sqlite3.Connection, run_id: int, *, signer: Signer | None = None, stored: bool = False
    ) -> None:
        """Continue a chain.

        Args:
            stored: all of the run is in the file already, and nothing of it is sealed: a file that was made of another.
        """
        self._database = database
        self._run_id = run_id
        self._signer = signer
        self.load()
        if stored:
            self.active = self._run_is_new = True
            self._channels.clear()
            if not self._flush:
                self._ends = dict.fromkeys(SEALED_TABLES, 0)

    def load(self) -> None:
        """Read the end of the chain from the file: it was opened, or a transaction was rolled back."""
        database = self._database
        newest: tuple[int, bytes] = database.execute(NEWEST).fetchone() or (0, START)
        self._flush, self._hash = newest
        self.active = bool(database.execute(IS_SEALED, {"run": self._run_id}).fetchone()[0])
        begun = "SELECT 1 FROM flush WHERE run_id = ? LIMIT 1"
        self._run_is_new = database.execute(begun, (self._run_id,)).fetchone() is None
        found = database.execute("SELECT extent FROM seal WHERE extent IS NOT NULL ORDER BY flush_id DESC LIMIT 1")
        self._extent = (found.fetchone() or ("",))[0]
        known = database.execute("SELECT id FROM channel WHERE run_id = ?", (self._run_id,))
        self._channels = {channel for (channel,) in known}
        self._ends = {table: self._end(table) for table in SEALED_TABLES}

    def seal(
        self,
        flushes: Sequence[Values],
        readings: Sequence[Values],
        wires: Mapping[str, Sequence[Values]],
        *,
        with_tables: bool,
    ) -> None:
        """Seal what the transaction has added, after everything else in it.

        Args:
            flushes: the rows of the transaction in this table.
            readings: in the order of their channels, each in the order of time.
            wires: the transactions of each port.
            with_tables: rows may have been added to SEALED_TABLES.
        """
        database = self._database
        flush = flushes[-1][0]
        if flush - self._flush > len(flushes):  # those of a run that is not sealed are between them
            flushes = database.execute(FLUSHES, (self._flush, flush)).fetchall()
        counts = Counter(map(itemgetter(0), readings))
        extent = Extent(wires=[part for port, found in wires.items() for part in (port, len(found))])
        part = extent.channels
        for channel, count in sorted(counts.items()):
            if part and (part[-3] + part[-2], part[-1]) == (channel, count):
                part[-2] += 1
            else:
                part += (channel, 1, count)
        content = Content(
            flushes=flushes,
            runs=database.execute(RUN, (self._run_id,)).fetchall() if self._run_is_new else (),
            channels=channel_rows(database, sorted(set(counts) - self._channels)),
            readings=readings,
            tables=self._added(extent) if with_tables or self._run_is_new else (),
            wires=list(wires.values()),
        )
        stored = write_extent(extent)
        hash = block_hash(self._hash, stored, content)
        database.execute(
            "INSERT INTO seal (flush_id, format, hash, extent) VALUES (?, ?, ?, ?)",
            (flush, FORMAT, hash, None if stored == self._extent else stored),
        )
        self._flush, self._hash, self._extent, self._run_is_new = flush, hash, stored, False
        self._channels |= set(counts)
        if self._signer is not None and self._signer.is_due():
            self.sign()

    @property
    def head(self) -> str | None:
        """The hash of the newest seal, hexadecimal; None if the run is not sealed."""
        return self._hash.hex() if self.active and self._flush else None

    def sign(self) -> None:
        """Sign the head, within a transaction of the caller. If the key cannot be used now, a later head is signed."""
        if self._signer is None or not self.active or not self._flush:
            return
        signature = self._signer.sign(self._hash)
        if signature is None:
            return
        words = self._signer.algorithm, self._signer.public_key
        find = "SELECT id FROM seal_key WHERE (algorithm, public_key) = (?, ?)"
        known = self._database.execute(find, words).fetchone()
        if known is None:
            insert = "INSERT INTO seal_key (algorithm, public_key) VALUES (?, ?) RETURNING id"
            known = self._database.execute(insert, words).fetchone()
        update = "UPDATE seal SET key_id = ?, signature = ? WHERE flush_id = ?"
        self._database.execute(update, (known[0], signature, self._flush))

    def _added(self, extent: Extent) -> list[Sequence[Values]]:
        """Return the rows that were added to each table, and enter them into the extent."""
        found: list[Sequence[Values]] = []
        for number, table in enumerate(SEALED_TABLES):
            first, end = self._ends[table] + 1, self._end(table)
            if end < first:
                continue
            rows = table_rows(self._database, table, first, -1)
            extent.tables += (number, first, len(rows))
            found.append(rows)
            self._ends[table] = end
        return found

    def _end(self, table: str) -> int:
        found = self._database.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}")  # noqa: S608 - a constant
        return int(found.fetchone()[0])


def head_of(database: sqlite3.Connection) -> Head | None:
    """Return the newest seal of an open recording; None if it has none."""
    has_table = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'seal'").fetchone()
    found = database.execute(NEWEST).fetchone() if has_table else None
    return None if found is None else Head(int(found[0]), bytes(found[1]).hex())

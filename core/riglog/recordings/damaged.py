"""Reads what can be read of the tables of a damaged SQLite file. Nothing that is not sound comes out.

SQLite stores no checksums. A row is sound if its columns have the types that the schema declares, and if the rows that
it refers to are sound. All others are counted.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

from msgspec import Struct

from riglog.sinks.sqlite.schema import UNREADABLE

STEP = 500
"""Rows per query while nothing is damaged."""
LAST_ID, LAST_NS = 2**48, 2**63 - 1
TYPES: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "TEXT": (str,), "REAL": (int, float), "BLOB": (bytes,)}
ANY = (int, float, str, bytes)
Columns = tuple[Any, ...]
Key = tuple[int, ...]


class Shape(Struct, frozen=True):
    """A table as its schema declares it. ``key`` is the column with the id; None: a table that is clustered."""

    name: str
    columns: tuple[str, ...]
    types: tuple[tuple[type, ...], ...]
    required: tuple[bool, ...]
    references: dict[int, str]
    key: str | None

    def row(self, rowid: int | None, values: Columns) -> Columns | None:
        """Return a record as a row of this table; None if its columns are those of another one."""
        if len(values) != len(self.columns) or (rowid is None) != (self.key is None):
            return None
        if self.key is not None:
            at = self.columns.index(self.key)
            values = (*values[:at], rowid, *values[at + 1 :])
        for value, types, required in zip(values, self.types, self.required, strict=True):
            if required if value is None else not isinstance(value, types):
                return None
        return values


def shapes(schema: str) -> dict[str, Shape]:
    """Return the tables that SQL creates; those that others refer to come first."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(schema)
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: _shape(database, name) for name in names}
    ordered: dict[str, Shape] = {}
    while len(ordered) < len(found):
        ordered |= {name: shape for name, shape in found.items() if set(shape.references.values()) <= set(ordered)}
    return ordered


def _shape(database: sqlite3.Connection, name: str) -> Shape:
    columns = database.execute(f"PRAGMA table_info({name})").fetchall()
    names = [column[1] for column in columns]
    references = {names.index(row[3]): row[2] for row in database.execute(f"PRAGMA foreign_key_list({name})")}
    keys = [column[1] for column in columns if column[5] and column[2] == "INTEGER"]
    return Shape(
        name,
        tuple(names),
        tuple(TYPES.get(column[2], ANY) for column in columns),
        tuple(bool(column[3]) for column in columns),
        references,
        keys[0] if len(keys) == 1 else None,
    )


class Found(Struct):
    """Counts. ``rejected``: rows that were read and are not sound. ``gaps``: places where rows could not be read."""

    rejected: int = 0
    gaps: int = 0


class Damaged:
    """The tables of a damaged file. ``known`` has the ids of the sound rows of each table that was read."""

    def __init__(self, database: sqlite3.Connection, shapes: dict[str, Shape], found: Found) -> None:
        self.database = database
        self.shapes = shapes
        self.known: dict[str, set[int]] = {}
        self._found = found

    def rows(self, name: str) -> Iterator[Columns]:
        """Return the sound rows of a table with ids, in the order of the ids."""
        shape = self.shapes[name]
        known = self.known.setdefault(name, set())
        at = shape.columns.index(shape.key or "")
        select = f"SELECT {', '.join(shape.columns)} FROM {name} WHERE {shape.key} > ? ORDER BY {shape.key} LIMIT ?"  # noqa: S608
        for row in self._reachable(_Query(select, (), (at,), LAST_ID), (0,)):
            if self._is_sound(shape, row):
                known.add(row[at])
                yield row

    def clustered(self, block: int, channel: int) -> Iterator[Columns]:
        """Return the sound readings of a channel in a block, in the order of time."""
        shape = self.shapes["reading"]
        select = (
            f"SELECT {', '.join(shape.columns)} FROM reading WHERE block_id = ? AND channel_id = ?"  # noqa: S608
            " AND (received_ns, n) > (?, ?) ORDER BY received_ns, n LIMIT ?"
        )
        at = shape.columns.index("received_ns"), shape.columns.index("n")
        for row in self._reachable(_Query(select, (block, channel), at, LAST_NS), (-1, 0)):
            if row[:2] == (block, channel) and self._is_sound(shape, row):
                yield row

    def _reachable(self, query: "_Query", after: Key) -> Iterator[Columns]:
        """Return all rows behind a key that can be reached, in the order of their keys."""
        limit = STEP
        while True:
            try:
                rows = self._page(query, after, limit)
            except UNREADABLE:
                if limit > 1:
                    limit = 1
                    continue
                self._found.gaps += 1
                after = self._next_readable(query, after)
                if after[0] >= query.last:
                    return
                continue
            yield from rows
            if len(rows) < limit:
                return
            after, limit = query.key(rows[-1]), min(limit * 2, STEP)

    def _page(self, query: "_Query", after: Key, limit: int) -> list[Columns]:
        """Return the next rows.

        Raises:
            UNREADABLE: they cannot be read, or are not in the order of their keys.
        """
        rows = self.database.execute(query.select, (*query.fixed, *after, limit)).fetchall()
        keys = [after, *map(query.key, rows)]
        if not all(isinstance(part, int) for key in keys for part in key) or any(b <= a for a, b in pairwise(keys)):
            raise sqlite3.DatabaseError
        return rows

    def _next_readable(self, query: "_Query", after: Key) -> Key:
        """Return a key behind the damaged place, such that rows after it can be read; the last one: there are none."""
        first, step = after[0], 1
        while not self._is_readable(query, first + step):
            step *= 2
            if first + step >= query.last:
                return query.end_of(query.last)
        damaged, readable = first + step // 2, first + step
        while readable - damaged > 1:
            middle = (damaged + readable) // 2
            if self._is_readable(query, middle):
                readable = middle
            else:
                damaged = middle
        return query.end_of(readable)

    def _is_readable(self, query: "_Query", first: int) -> bool:
        try:
            self._page(query, query.end_of(first), 1)
        except UNREADABLE:
            return False
        return True

    def _is_sound(self, shape: Shape, row: Columns) -> bool:
        for at, (value, types, required) in enumerate(zip(row, shape.types, shape.required, strict=True)):
            if value is None:
                sound = not required
            else:
                known = self.known.get(shape.references.get(at, ""))
                sound = isinstance(value, types) and (known is None or value in known)
            if not sound:
                self._found.rejected += 1
                return False
        return True


class _Query(Struct, frozen=True):
    """A query of rows. ``at`` has the columns of its key, ``last`` the greatest first part of one."""

    select: str
    fixed: Columns
    at: tuple[int, ...]
    last: int

    def key(self, row: Columns) -> Key:
        return tuple(row[column] for column in self.at)

    def end_of(self, first: int) -> Key:
        """Return the greatest key with this first part."""
        return first, *(LAST_ID for _ in self.at[1:])

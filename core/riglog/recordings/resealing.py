"""Seals for a file that was made of another recording: its flushes and its chain are its own, from the first on."""

import sqlite3
from collections.abc import Iterator
from itertools import groupby

from riglog.protocol.wire_log import KeptTransaction
from riglog.sinks.sqlite.seal_format import Values
from riglog.sinks.sqlite.seals import Seals
from riglog.sinks.sqlite.wires import read_content

FLUSH_NS = 10_000_000_000
INSERT = "INSERT INTO flush (run_id, segment, first_ns, last_ns, rows, event_id) VALUES (?, ?, ?, ?, ?, ?)"
COUNTS = f"""
SELECT segment, received_ns / {FLUSH_NS}, channel_id, count(*), min(received_ns), max(received_ns)
FROM channel CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
WHERE channel.run_id = :run GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""  # noqa: S608 - a constant
READINGS = """
SELECT channel_id, received_ns, n, value, annotation_id, tick, latency_ns, skew_ns, own_ns
FROM block CROSS JOIN reading ON block_id = block.id AND channel_id = :channel
WHERE block.run_id = :run ORDER BY block.id, received_ns, n"""
WIRES = "SELECT encoding, content, first_ns, last_ns FROM wire WHERE run_id = :run AND port = :port ORDER BY id"


def seal_again(database: sqlite3.Connection) -> None:
    """Replace the flushes and seals of a file by new ones, ten seconds in each. Within a transaction of the caller."""
    for table in ("seal", "seal_key", "flush"):
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
    for (run,) in database.execute("SELECT id FROM run ORDER BY id").fetchall():
        _Run(database, run).seal()


class _Run:
    """One run whose rows are all in the file."""

    def __init__(self, database: sqlite3.Connection, run: int) -> None:
        self._database = database
        self._run = run
        self._seals = Seals(database, run, stored=True)
        self._cursors: dict[int, sqlite3.Cursor] = {}
        ports = database.execute("SELECT DISTINCT port FROM wire WHERE run_id = ? ORDER BY port", (run,)).fetchall()
        self._wires = {port: _Wires(database, run, port) for (port,) in ports}
        self._events = database.execute("SELECT max(id) FROM event").fetchone()[0]

    def seal(self) -> None:
        found = self._database.execute(COUNTS, {"run": self._run})
        first = True
        for (segment, _), group in groupby(found, key=lambda row: row[:2]):
            parts = list(group)
            readings = [reading for part in parts for reading in self._readings(part[2], part[3])]
            times = min(part[4] for part in parts), max(part[5] for part in parts)
            self._seal((segment, *times, len(readings), self._events if first else None), readings, first, times[1])
            first = False
        rest = any(wires.has_more for wires in self._wires.values())
        if first or rest:
            (segment,) = self._database.execute(
                "SELECT coalesce(max(segment), 0) FROM channel WHERE run_id = ?", (self._run,)
            ).fetchone()
            self._seal((segment, None, None, 0, self._events if first else None), [], first, None)

    def _seal(self, flush: Values, readings: list[Values], first: bool, until_ns: int | None) -> None:
        columns = self._run, *flush
        number = self._database.execute(INSERT, columns).lastrowid
        wires = {port: found for port, each in self._wires.items() if (found := each.take(until_ns))}
        self._seals.seal([(number, *columns)], readings, wires, with_tables=first)

    def _readings(self, channel: int, count: int) -> Iterator[Values]:
        cursor = self._cursors.get(channel)
        if cursor is None:
            where = {"channel": channel, "run": self._run}
            cursor = self._cursors[channel] = self._database.execute(READINGS, where)
        for row in cursor.fetchmany(count):
            yield row if row[4] is None else (*row[:4], self._annotation(row[4]), *row[5:])

    def _annotation(self, number: int) -> Values:
        select = "SELECT text, unit, status, flags, error FROM annotation WHERE id = ?"
        found: Values | None = self._database.execute(select, (number,)).fetchone()
        return found or ("no annotation",)


class _Wires:
    """The transactions of a port, row by row of the table."""

    def __init__(self, database: sqlite3.Connection, run: int, port: str) -> None:
        self._rows = database.execute(WIRES, {"run": run, "port": port})
        self._next = self._rows.fetchone()

    @property
    def has_more(self) -> bool:
        return self._next is not None

    def take(self, until_ns: int | None) -> list[KeptTransaction]:
        """Return the transactions of rows that end by a time; None: all that are left."""
        found: list[KeptTransaction] = []
        while self._next is not None and (until_ns is None or self._next[3] <= until_ns):
            found += read_content(*self._next[:3])
            self._next = self._rows.fetchone()
        return found

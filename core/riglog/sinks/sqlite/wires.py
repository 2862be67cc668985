"""Requests and replies in an SQLite file: one small row of each flush and port, merged into large compressed ones.

The content of a row is described in docs/reference/seals.md: bytes of one meaning are side by side.
"""

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from riglog.protocol.wire_log import KeptTransaction, OpenedDevice

PLAIN, COMPRESSED = "planes", "planes+zlib"
MERGED = 2000
"""So many transactions of a port become one compressed row."""
MOST_BYTES = 256 * 1024 * 1024
"""A content that is larger is not one of riglog."""
MOST_TRANSACTIONS, MOST_HEAD_BYTES = 50 * MERGED, 16 * 1024 * 1024
"""In one content, and of its first line: a small file could otherwise claim as many as fill the memory."""
NOT_VALID = "not a content of riglog"
INSERT = (
    "INSERT INTO wire (run_id, port, first_ns, last_ns, transactions, encoding, content)"
    " VALUES (:run, :port, :first, :last, :transactions, :encoding, :content)"
)


class _Head(Struct, array_like=True):
    n: int
    shapes: list[tuple[str, int, str]]


def write_content(transactions: Sequence[KeptTransaction]) -> bytes:
    """Return transactions of one port as the content of a row."""
    shapes: dict[tuple[bytes, int, str], int] = {}
    places, times, latencies = [], [], []
    replies: list[list[bytes]] = []
    before = transactions[0].received_ns
    for received_ns, latency_ns, request, reply, outcome in transactions:
        place = shapes.setdefault((request, len(reply), outcome), len(shapes))
        if place == len(replies):
            replies.append([])
        places.append(place)
        replies[place].append(reply)
        times.append(received_ns - before)
        before = received_ns
        latencies.append(-1 if latency_ns is None else latency_ns)
    head = _Head(len(transactions), [(request.hex(), size, outcome) for request, size, outcome in shapes])
    count = len(transactions)
    parts = [msgspec.json.encode(head), b"\n"]
    parts += [_planes(struct.pack(f"<{count}q", *numbers), 8) for numbers in (places, times, latencies)]
    parts += [_planes(b"".join(found), size) for found, (_, size, _) in zip(replies, shapes, strict=True) if size]
    return b"".join(parts)


def read_content(encoding: str, content: bytes, first_ns: int) -> list[KeptTransaction]:
    """Return the transactions of a row.

    Raises:
        ValueError: it is not valid.
    """
    try:
        if encoding == COMPRESSED:
            reader = zlib.decompressobj()
            content = reader.decompress(content, MOST_BYTES)
        elif encoding != PLAIN:
            raise ValueError(NOT_VALID)
        line, _, rest = content.partition(b"\n")
        if len(line) > MOST_HEAD_BYTES:
            raise ValueError(NOT_VALID)
        head = msgspec.json.decode(line, type=_Head)
        if not 0 <= head.n <= MOST_TRANSACTIONS or any(size < 0 for _, size, _ in head.shapes):
            raise ValueError(NOT_VALID)
        at = 0

        def take(size: int, width: int) -> bytes:
            nonlocal at
            part = rest[at : at + size * width]
            at += size * width
            if len(part) != size * width:
                raise ValueError(NOT_VALID)
            return b"".join(part[place::size] for place in range(size)) if size else b""

        places = struct.unpack(f"<{head.n}q", take(head.n, 8))
        times = struct.unpack(f"<{head.n}q", take(head.n, 8))
        latencies = struct.unpack(f"<{head.n}q", take(head.n, 8))
        replies = []
        for place, (_, size, _) in enumerate(head.shapes):
            count = places.count(place)
            whole = take(count, size)
            replies.append(iter([whole[n * size : (n + 1) * size] for n in range(count)]))
        if places and not 0 <= min(places) <= max(places) < len(head.shapes):
            raise ValueError(NOT_VALID)
        requests = [bytes.fromhex(request) for request, _, _ in head.shapes]
        found, now = [], first_ns
        for place, after, latency in zip(places, times, latencies, strict=True):
            now += after
            reply = next(replies[place])
            latency_ns = None if latency < 0 else latency
            found.append(KeptTransaction(now, latency_ns, requests[place], reply, head.shapes[place][2]))
        return found
    except (zlib.error, msgspec.DecodeError, struct.error, IndexError, StopIteration, TypeError) as error:
        raise ValueError(NOT_VALID) from error


def _planes(whole: bytes, width: int) -> bytes:
    return b"".join(whole[place::width] for place in range(width))


class Wires:
    """The transactions of a run that is being written."""

    def __init__(self, database: sqlite3.Connection, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._small: dict[str, int] = {}
        self.load()

    def load(self) -> None:
        """Read from the file how much is not merged: it was opened, or a transaction was rolled back."""
        select = "SELECT port, sum(transactions) FROM wire WHERE run_id = ? AND encoding = ? GROUP BY port"
        self._small = dict(self._database.execute(select, (self._run_id, PLAIN)).fetchall())

    def insert(self, ports: dict[str, list[KeptTransaction]]) -> None:
        """Store transactions of each port, in the transaction of a flush."""
        for port, found in ports.items():
            for at in range(0, len(found), MERGED):
                self._insert(port, found[at : at + MERGED], PLAIN)
            self._small[port] = self._small.get(port, 0) + len(found)

    def add_devices(self, devices: Iterable[OpenedDevice]) -> bool:
        """Store how devices were opened, unless it is stored already; return True if something is new."""
        added = False
        for device in devices:
            words = self._run_id, device.name, device.port, device.driver, device.version, device.options
            known = "SELECT 1 FROM device WHERE (run_id, name, port, driver, version, options) IS (?, ?, ?, ?, ?, ?)"
            if self._database.execute(known, words).fetchone() is None:
                insert = "INSERT INTO device (run_id, name, port, driver, version, options) VALUES (?, ?, ?, ?, ?, ?)"
                self._database.execute(insert, words)
                added = True
        return added

    def merge(self, least: int = MERGED) -> None:
        """Merge small rows of ports that have at least so many transactions in them; a transaction of its own."""
        due = [port for port, count in self._small.items() if count >= least]
        if not due:
            return
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            for port in due:
                where = {"run": self._run_id, "port": port, "encoding": PLAIN}
                found = [
                    transaction
                    for encoding, content, first_ns in database.execute(
                        "SELECT encoding, content, first_ns FROM wire"
                        " WHERE (run_id, port, encoding) = (:run, :port, :encoding) ORDER BY id",
                        where,
                    ).fetchall()
                    for transaction in read_content(encoding, content, first_ns)
                ]
                database.execute("DELETE FROM wire WHERE (run_id, port, encoding) = (:run, :port, :encoding)", where)
                for at in range(0, len(found), 2 * MERGED):
                    self._insert(port, found[at : at + 2 * MERGED], COMPRESSED)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        for port in due:
            self._small[port] = 0

    def _insert(self, port: str, found: Sequence[KeptTransaction], encoding: str) -> None:
        content = write_content(found)
        times = [transaction.received_ns for transaction in found]
        self._database.execute(
            INSERT,
            {
                "run": self._run_id,
                "port": port,
                "first": times[0],
                "last": max(times),
                "transactions": len(found),
                "encoding": encoding,
                "content": zlib.compress(content, 1) if encoding == COMPRESSED else content,
            },
        )


def read_wires(database: sqlite3.Connection, run_id: int, port: str) -> Iterator[KeptTransaction]:
    """Return the transactions of a port in a run, in the order in which they were on the line.

    Raises:
        ValueError: one of the rows is not valid.
    """
    select = "SELECT encoding, content, first_ns FROM wire WHERE run_id = ? AND port = ? ORDER BY id"
    for row in database.execute(select, (run_id, port)):
        yield from read_content(*row)


def wires_at(database: sqlite3.Connection, run_id: int, port: str, at_ns: int) -> list[KeptTransaction]:
    """Return the transactions of a port that were over at this nanosecond."""
    select = (
        "SELECT encoding, content, first_ns FROM wire"
        " WHERE run_id = :run AND port = :port AND first_ns <= :at AND last_ns >= :at ORDER BY id"
    )
    rows = database.execute(select, {"run": run_id, "port": port, "at": at_ns}).fetchall()
    return [found for row in rows for found in read_content(*row) if found.received_ns == at_ns]


def wires_before(
    database: sqlite3.Connection, run_id: int, port: str, at_ns: int, within_ns: int
) -> list[KeptTransaction]:
    """Return the last transaction of a port that was over at most so long before a time; none if there is none."""
    select = (
        "SELECT encoding, content, first_ns FROM wire"
        " WHERE run_id = :run AND port = :port AND first_ns <= :at AND last_ns >= :at - :within ORDER BY id"
    )
    values = {"run": run_id, "port": port, "at": at_ns, "within": within_ns}
    found = [
        transaction
        for row in database.execute(select, values).fetchall()
        for transaction in read_content(*row)
        if at_ns - within_ns <= transaction.received_ns <= at_ns
    ]
    return found[-1:]

"""The fixed form in which a flush is sealed: docs/reference/seals.md describes it byte by byte. Format 1.

A sealed block is what one transaction has added. Where its readings are in the file may change (small blocks of storage
are merged), so a seal does not name places: its *extent* has the number of readings of each channel, and the readings
of a channel are counted off in their order. MessagePack in its shortest form is the fixed form of all values.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

FORMAT = 1
START = bytes(32)
"""What the first block of a file has in place of the hash of the block before."""
SEALED_TABLES = (
    "actor",
    "event",
    "note",
    "alarm",
    "alarm_change",
    "parameter_write",
    "device",
    "identity",
    "equipment",
    "certificate",
    "calibration",
    "clock_check",
)
"""Tables to which rows are only added. Their numbers are part of the format."""
RUN = "SELECT id, run, name, started_ns, anchor_ns, rate_hz, host, versions, rig, source FROM run WHERE id = ?"
"""Without ``finished_ns``, which is written last: it is the time of the newest event."""
CHANNEL = """
SELECT channel.id, run_id, segment, device, parameter, instance, driver, protocol, address, parameter_id, unit,
    formula, inputs
FROM channel JOIN series ON series.id = series_id LEFT JOIN derived ON channel_id = channel.id
WHERE channel.id = ?"""
FLUSHES = (
    "SELECT id, run_id, segment, first_ns, last_ns, rows, event_id FROM flush WHERE id > ? AND id <= ? ORDER BY id"
)

MOST_CHANNELS = 1_000_000
encode = msgspec.msgpack.Encoder().encode
Values = Sequence[Any]


class Extent(Struct, array_like=True):
    """What a block has. ``channels``: triples of the first id, the number of channels
    from there on, and the number of readings of each. ``tables``: triples of the place in
    SEALED_TABLES, the first id and the number of rows. ``wires``: pairs of port and number of transactions."""

    channels: list[int] = []
    tables: list[int] = []
    wires: list[Any] = []

    def counts(self) -> Iterable[tuple[int, int]]:
        """Return the number of readings of each channel."""
        for first, channels, count in zip(self.channels[::3], self.channels[1::3], self.channels[2::3], strict=True):
            for channel in range(first, first + channels):
                yield channel, count

    @property
    def readings(self) -> int:
        """The number of readings of all channels."""
        return sum(channels * count for channels, count in zip(self.channels[1::3], self.channels[2::3], strict=True))

    def ranges(self) -> Iterable[tuple[str, int, int]]:
        """Return the first id and the number of rows of each table."""
        return zip(
            (SEALED_TABLES[number] for number in self.tables[::3]), self.tables[1::3], self.tables[2::3], strict=True
        )

    def transactions(self) -> Iterable[tuple[str, int]]:
        """Return the number of transactions of each port."""
        return zip(self.wires[::2], self.wires[1::2], strict=True)


class Content(Struct):
    """The content of a block, in the order in which it is hashed."""

    flushes: Sequence[Values] = ()
    runs: Sequence[Values] = ()
    channels: Sequence[Values] = ()
    readings: Sequence[Values] = ()
    tables: Sequence[Sequence[Values]] = ()
    wires: Sequence[Sequence[Values]] = ()


def block_hash(previous: bytes, extent: str, content: Content) -> bytes:
    """Return the SHA-256 of a block and of the hash of the block before."""
    import hashlib  # loads OpenSSL, and nothing is sealed before the first flush

    found = hashlib.sha256(previous)
    found.update(extent.encode())
    for part in (
        content.flushes,
        content.runs,
        content.channels,
        content.readings,
        content.tables,
        content.wires,
    ):
        found.update(encode(part))
    return found.digest()


def write_extent(extent: Extent) -> str:
    """Return an extent as a seal has it: JSON without blanks."""
    return msgspec.json.encode(extent).decode()


def read_extent(stored: str) -> Extent:
    """Return the extent that a seal has.

    Raises:
        ValueError: it is not one.
    """
    found = msgspec.json.decode(stored, type=Extent)
    if any(number not in range(len(SEALED_TABLES)) for number in found.tables[::3]):
        raise ValueError
    if sum(found.channels[1::3]) > MOST_CHANNELS or any(number < 0 for number in found.channels + found.tables):
        raise ValueError
    if len(found.channels) % 3 or len(found.tables) % 3 or len(found.wires) % 2:
        raise ValueError
    return found


def table_rows(database: sqlite3.Connection, table: str, first: int, count: int) -> list[Values]:
    """Return rows of one of SEALED_TABLES, from an id on."""
    select = f"SELECT * FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT ?"  # noqa: S608 - one of SEALED_TABLES
    return database.execute(select, (first, count)).fetchall()


def channel_rows(database: sqlite3.Connection, channels: Iterable[int]) -> list[Values]:
    """Return the channels with these ids, with the names of their series; those that do not exist are left out."""
    return [row for channel in channels for row in database.execute(CHANNEL, (channel,))]

"""The records of an SQLite file, page by page and without its tables: what is left where SQLite cannot follow them.

SQLite finds a row from the root page of its table. If that page, or one on the way, is damaged, all rows below it are
out of reach for SQLite, although they are sound. Here every page is looked at that may hold records (a leaf of a table,
any page of an index: tables WITHOUT ROWID are indexes). Which table a record is of is not known: its columns tell it.

The format is that of https://sqlite.org/fileformat2.html. Nothing in a file is trusted: what does not fit is skipped.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from riglog.sinks.disk import beside

Value = int | float | str | bytes | None
TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR = 0x0D, 0x0A, 0x02
HEADER_BYTES = {TABLE_LEAF: 8, INDEX_LEAF: 8, INDEX_INTERIOR: 12}
INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
PAGE_SIZES = {512 << n for n in range(8)}
FILE_HEADER, LOG_HEADER, FRAME_HEADER = 100, 32, 24
LOG_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
"""The first bytes of a write-ahead log, and in which order its checksums take the bytes."""


class Record(Struct, frozen=True):
    """``rowid`` is None in an index. In a table the column that is its INTEGER PRIMARY KEY is None in ``values``."""

    rowid: int | None
    values: tuple[Value, ...]


class _DamagedError(Exception):
    """A record cannot be read."""


def records(path: Path, *, page_size: int) -> Iterator[Record]:
    """Return all records, in the order of their pages.

    Args:
        page_size: used if the file does not tell it.
    """
    with _Pages(path, page_size) as pages:
        unused = pages.unused()
        for number in range(1, pages.count + 1):
            if number not in unused:
                yield from _records_of_page(pages, number)


class _Pages:
    """The pages of a file; those in its write-ahead log are newer."""

    def __init__(self, path: Path, page_size: int) -> None:
        self._file = path.open("rb")
        header = self._file.read(FILE_HEADER).ljust(FILE_HEADER, b"\0")
        size = int.from_bytes(header[16:18], "big")
        size = 65_536 if size == 1 else size
        self.size = size if size in PAGE_SIZES else page_size
        self.usable = self.size - header[20] if size in PAGE_SIZES and header[20] <= 32 else self.size
        self._log = _committed_pages(beside(path, "-wal"), self.size)
        self.count = max(path.stat().st_size // self.size, *self._log, 0)

    def __enter__(self) -> "_Pages":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, number: int) -> bytes:
        if not 1 <= number <= self.count:
            raise _DamagedError
        if number in self._log:
            return self._log[number]
        self._file.seek((number - 1) * self.size)
        page = self._file.read(self.size)
        if len(page) < self.size:
            raise _DamagedError
        return page

    def unused(self) -> set[int]:
        """Return the pages of the free list, as far as it can be followed: their records were deleted."""
        found: set[int] = set()
        try:
            trunk = int.from_bytes(self.read(1)[32:36], "big")
            while trunk and trunk not in found:
                page = self.read(trunk)
                number = min(int.from_bytes(page[4:8], "big"), self.usable // 4 - 2)
                found |= {trunk, *struct.unpack_from(f">{number}I", page, 8)}
                trunk = int.from_bytes(page[:4], "big")
        except _DamagedError:
            return set()  # rather a record twice than a sound page left out
        return found


def _committed_pages(path: Path, size: int) -> dict[int, bytes]:
    """Return the pages in a write-ahead log up to its last complete transaction."""
    committed: dict[int, bytes] = {}
    if not path.exists():
        return committed
    log = path.read_bytes()
    order = LOG_MAGIC.get(int.from_bytes(log[:4], "big"))
    if order is None or int.from_bytes(log[8:12], "big") != size:
        return committed
    pending: dict[int, bytes] = {}
    sums = _checksum(log[:24], (0, 0), order)
    for at in range(LOG_HEADER, len(log) - FRAME_HEADER - size + 1, FRAME_HEADER + size):
        number, pages_after_commit = struct.unpack_from(">II", log, at)
        page = log[at + FRAME_HEADER : at + FRAME_HEADER + size]
        sums = _checksum(log[at : at + 8] + page, sums, order)
        if log[at + 8 : at + 16] != log[16:24] or sums != struct.unpack_from(">II", log, at + 16):
            break
        pending[number] = page
        if pages_after_commit:
            committed |= pending
            pending = {}
    return committed


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFF_FFFF
        second = (second + odd + first) & 0xFFFF_FFFF
    return first, second


def _records_of_page(pages: _Pages, number: int) -> Iterator[Record]:
    try:
        page = pages.read(number)
    except _DamagedError:
        return
    start = FILE_HEADER if number == 1 else 0
    kind = page[start]
    if kind not in HEADER_BYTES:
        return
    cells = start + HEADER_BYTES[kind]
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for at in range(cells, min(cells + 2 * count, pages.usable - 1), 2):
        try:
            yield _record(pages, page, kind, int.from_bytes(page[at : at + 2], "big"))
        except (_DamagedError, IndexError, struct.error, UnicodeDecodeError):
            continue


def _record(pages: _Pages, page: bytes, kind: int, at: int) -> Record:
    if kind == INDEX_INTERIOR:
        at += 4  # the page on its left
    size, at = _varint(page, at)
    rowid: int | None = None
    if kind == TABLE_LEAF:
        rowid, at = _varint(page, at)
    payload = _payload(pages, page, kind, at, size)
    end, position = _varint(payload, 0)
    types = []
    while position < end:
        code, position = _varint(payload, position)
        types.append(code)
    if position != end:
        raise _DamagedError
    values = []
    for code in types:
        value, position = _value(payload, position, code)
        values.append(value)
    if position != size:
        raise _DamagedError
    return Record(rowid, tuple(values))


def _payload(pages: _Pages, page: bytes, kind: int, at: int, size: int) -> bytes:
    """Return the content of a cell: what does not fit into its page is in a chain of overflow pages."""
    usable = pages.usable
    most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    if size <= most:
        if at + size > usable:
            raise _DamagedError
        return page[at : at + size]
    least = (usable - 12) * 32 // 255 - 23
    local = least + (size - least) % (usable - 4)
    local = local if local <= most else least
    content = bytearray(page[at : at + local])
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    while len(content) < size:
        overflow = pages.read(following)
        following = int.from_bytes(overflow[:4], "big")
        content += overflow[4 : min(usable, 4 + size - len(content))]
    return bytes(content)


def _value(payload: bytes, at: int, code: int) -> tuple[Value, int]:
    """Return a column and the position behind it."""
    if code in (8, 9):
        return code - 8, at
    length = 8 if code == 7 else INTEGER_BYTES[code] if code < 7 else (code - 12) // 2
    if code in (10, 11) or at + length > len(payload):
        raise _DamagedError
    content, end = payload[at : at + length], at + length
    if code == 0:
        return None, end
    if code < 7:
        return int.from_bytes(content, "big", signed=True), end
    if code == 7:
        return struct.unpack(">d", content)[0], end
    return (content.decode() if code % 2 else content), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return an integer of 1 to 9 bytes and the position behind it."""
    value = 0
    for position in range(at, at + 8):
        value = value << 7 | data[position] & 0x7F
        if data[position] < 0x80:
            return value, position + 1
    value = value << 8 | data[at + 8]
    return value - (value >> 63 << 64), at + 9

"""Numbers in registers, and the blocks in which the registers of an instrument are read. Pure.

The blocks are planned once for every driver: what is next to each other is read in one request, and so is what only
registers separate that are safe to read. A block that the server refuses is read in smaller ones. Registers and bits
are planned alike.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum, StrEnum
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from riglog.protocol.modbus.pdu import MAX_REGISTERS

__all__ = [
    "Block",
    "BlockPlan",
    "IsSafe",
    "Joining",
    "NumberType",
    "Order",
    "Place",
    "decode_number",
    "encode_number",
    "no_gap",
    "part_of",
    "registers_of",
]

Key = TypeVar("Key")
NumberType = Literal["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
"""``uint8`` is the low byte of a register."""

_FORMATS: dict[NumberType, struct.Struct] = {
    "uint8": struct.Struct(">xB"),
    "int16": struct.Struct(">h"),
    "uint16": struct.Struct(">H"),
    "int32": struct.Struct(">i"),
    "uint32": struct.Struct(">I"),
    "int64": struct.Struct(">q"),
    "uint64": struct.Struct(">Q"),
    "float32": struct.Struct(">f"),
    "float64": struct.Struct(">d"),
}


class Order(StrEnum):
    """The order of the bytes of a number in two registers; A is the most significant one. Longer numbers alike."""

    ABCD = "abcd"  # high word first
    CDAB = "cdab"  # low word first
    BADC = "badc"  # high word first, bytes swapped
    DCBA = "dcba"  # low word first, bytes swapped


_ORDERS = {
    Order.ABCD: (False, ">"),
    Order.CDAB: (True, ">"),
    Order.BADC: (False, "<"),
    Order.DCBA: (True, "<"),
}
"""Whether the low word is first, and the order of the bytes within a word as struct has it."""


def decode_number(words: Sequence[int], kind: NumberType, order: Order = Order.ABCD) -> float | int:
    """Return the number in one or more registers.

    Raises:
        struct.error: not the registers of one such number.
    """
    low_word_first, byte_order = _ORDERS[order]
    data = struct.pack(f"{byte_order}{len(words)}H", *(words[::-1] if low_word_first else words))
    number: float | int = _FORMATS[kind].unpack(data)[0]
    return number


def encode_number(number: float, kind: NumberType, order: Order = Order.ABCD) -> list[int]:
    """Return the registers of a number; that of an integer type is rounded.

    Raises:
        struct.error, OverflowError, ValueError: it does not fit the type.
    """
    data = _FORMATS[kind].pack(number if kind.startswith("float") else round(number))
    low_word_first, byte_order = _ORDERS[order]
    words = struct.unpack(f"{byte_order}{len(data) // 2}H", data)
    return list(words[::-1] if low_word_first else words)


def registers_of(kind: NumberType) -> int:
    """Return how many registers a number has."""
    return _FORMATS[kind].size // 2


class Place(Struct, Generic[Key], frozen=True):
    """Registers, or bits, that belong together: those of one value or of one position.

    Attributes:
        count: how many are read.
        end: the first one after those that are reserved for it.
    """

    key: Key
    start: int
    count: int
    end: int


class Block(Struct, Generic[Key], frozen=True):
    """What one request reads.

    Attributes:
        places: what it is read for; there may be others in between.
        spare: how many further registers behind it are safe to read; 0 if the server has refused any block.
    """

    start: int
    count: int
    places: tuple[Place[Key], ...]
    spare: int = 0

    @property
    def extent(self) -> tuple[int, int]:
        return self.start, self.count

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(place.key for place in self.places)


Part = TypeVar("Part")


def part_of(block: Block[Key], place: Place[Key], content: Sequence[Part]) -> Sequence[Part]:
    """Return the registers or bits of one place from those of its block."""
    at = place.start - block.start
    return content[at : at + place.count]


class Joining(IntEnum):
    """What is read in one request, from broad to narrow."""

    SAFE_GAPS = 0
    ADJACENT = 1
    SINGLE = 2


IsSafe = Callable[[int, int], bool]
"""Whether the registers from the first argument up to, but not including, the second may be read although they are not
wanted."""


def no_gap(start: int, end: int) -> bool:
    """Read nothing that is not wanted."""
    return False


class BlockPlan(Generic[Key]):
    """Plans the broadest blocks that the server is not known to refuse.

    Args:
        largest: registers or bits in one request.
        is_safe: which gaps may be read; by default none.
        refused: extents that the server refuses.
    """

    def __init__(
        self, largest: int = MAX_REGISTERS, is_safe: IsSafe = no_gap, refused: Iterable[tuple[int, int]] = ()
    ) -> None:
        self._largest = largest
        self._is_safe = is_safe
        self._refused = set(refused)

    def covering(self, wanted: Iterable[Place[Key]]) -> list[Block[Key]]:
        """Return the blocks to read for ``wanted``, without places that are refused even alone."""
        ordered = sorted(wanted, key=lambda place: (place.start, place.end))
        return list(self._accepted(ordered, Joining.SAFE_GAPS)) if ordered else []

    def refuse(self, block: Block[Key]) -> None:
        """Do not read this block again: the server refuses it."""
        self._refused.add(block.extent)

    def allow(self, block: Block[Key]) -> None:
        """Read this block again: it was not refused after all."""
        self._refused.discard(block.extent)

    def copy(self) -> "BlockPlan[Key]":
        """Return a copy that can be changed independently."""
        return BlockPlan(self._largest, self._is_safe, self._refused)

    def _accepted(self, ordered: Sequence[Place[Key]], joining: Joining) -> Iterator[Block[Key]]:
        for run in self._runs(ordered, joining):
            block = self._block(run)
            if block.extent not in self._refused:
                yield block
            elif joining is not Joining.SINGLE:
                yield from self._accepted(run, Joining(joining + 1))

    def _runs(self, ordered: Sequence[Place[Key]], joining: Joining) -> Iterator[list[Place[Key]]]:
        run = [ordered[0]]
        for place in ordered[1:]:
            fits = place.start + place.count - run[0].start <= self._largest
            if fits and self._joins(run[-1].end, place.start, joining):
                run.append(place)
            else:
                yield run
                run = [place]
        yield run

    def _joins(self, end: int, start: int, joining: Joining) -> bool:
        if joining is Joining.SINGLE:
            return False
        return start == end or (joining is Joining.SAFE_GAPS and start > end and self._is_safe(end, start))

    def _block(self, run: Sequence[Place[Key]]) -> Block[Key]:
        start, last = run[0].start, run[-1]
        end = last.start + last.count
        spare = 0
        while not self._refused and (end + spare < last.end or self._is_safe(end + spare, end + spare + 1)):
            if end + spare - start >= self._largest:
                break
            spare += 1
        return Block(start, end - start, tuple(run), spare)

"""The grammar of a payload: typed items. Pure, and never an error. Source: section 3.3."""

from collections.abc import Iterable

from msgspec import Struct

ACK, ERROR = 0x00, 0x01
U8, U16, U32 = 0x21, 0x22, 0x24


class Item(Struct, frozen=True):
    """A type byte and its value; the high nibble of the type is a class, the low one says how long the value is."""

    type: int
    data: bytes

    def encoded(self) -> bytes:
        return bytes([self.type]) + self.data

    @property
    def number(self) -> int:
        """The value as a plain unsigned integer."""
        return int.from_bytes(self.data)


def value_length(type_byte: int) -> int | None:
    """How many bytes follow the type byte; None for classes nobody has met."""
    kind, n = type_byte >> 4, type_byte & 0x0F
    if kind <= 4:
        return n
    return 16 + n if kind == 5 else None


def parse_items(payload: bytes) -> tuple[tuple[Item, ...], bytes]:
    """The items of a payload, and what cannot be read as one: an unmet type, or a value shorter than its type says."""
    items, at = [], 0
    while at < len(payload):
        length = value_length(payload[at])
        if length is None or at + 1 + length > len(payload):
            break
        items.append(Item(payload[at], payload[at + 1 : at + 1 + length]))
        at += 1 + length
    return tuple(items), payload[at:]


def u8(*values: int) -> bytes:
    """Request arguments: one ``21 vv`` item each. Bare bytes are answered with error 07."""
    return b"".join(bytes([U8, value]) for value in values)


def encode_items(items: Iterable[Item]) -> bytes:
    return b"".join(item.encoded() for item in items)

"""Requests and replies as bytes: frames, and the typed items inside. Pure. Source: sections 3.1, 3.3, 3.4, 3.12."""

from collections.abc import Iterable

from msgspec import Struct

HOST, BALANCE = 0x01, 0x09
"""The usual node numbers. On a direct link 09 works whatever number the balance has."""

MARKER = 0x41
MIN_LENGTH = 3

ACK, ERROR = 0x00, 0x01
U8, U16, U32 = 0x21, 0x22, 0x24
WEIGHT = 0x48
"""Item types. A WEIGHT item is a measurement or a status block."""

_VALUE_LENGTHS = tuple(
    [kind & 0x0F if kind < 0x50 else 16 + (kind & 0x0F) if kind < 0x60 else None for kind in range(256)]
)
"""Bytes that follow a type byte; None: a class that was never observed."""


class Item(Struct, frozen=True):
    """A type byte and its value. The high nibble of the type is a class, the low nibble gives the length."""

    type: int
    data: bytes

    def encoded(self) -> bytes:
        return bytes([self.type]) + self.data

    @property
    def number(self) -> int:
        """The value as an unsigned integer."""
        return int.from_bytes(self.data)


class Frame(Struct, frozen=True):
    """An intact reply. ``rest`` is the part of the payload that is not an item; then the payload is opaque."""

    raw: bytes
    items: tuple[Item, ...]
    rest: bytes = b""

    @property
    def types(self) -> tuple[int, ...]:
        return tuple([item.type for item in self.items])

    @property
    def is_error(self) -> bool:
        """True for an error reply; its item is the error code."""
        return len(self.items) == 1 and self.items[0].type == ERROR


class Scan(Struct, frozen=True):
    """The frames in a buffer; ``skipped`` bytes belong to none, and an incomplete one may begin at ``pending``."""

    frames: tuple[Frame, ...]
    skipped: int
    pending: int


def checksum(data: bytes) -> int:
    """Return the sum of all bytes before the checksum, the length byte included."""
    return sum(data) & 0xFF


def request_frame(opcode: int, args: bytes = b"", *, src: int = HOST, dst: int = BALANCE) -> bytes:
    body = bytes([4 + len(args), src, dst, opcode]) + args
    return body + bytes([checksum(body)])


def reply_frame(payload: bytes) -> bytes:
    body = bytes([2 + len(payload), MARKER]) + payload
    return body + bytes([checksum(body)])


def frame_fault(raw: bytes) -> str | None:
    """Return why ``raw`` is not a reply, in the order in which a client checks; None if it is one."""
    if not raw or raw[0] < MIN_LENGTH:
        return "bad_length"
    if len(raw) > 1 and raw[1] != MARKER:
        return "bad_marker"
    if len(raw) != raw[0] + 1:
        return "incomplete"
    return None if checksum(raw[:-1]) == raw[-1] else "bad_checksum"


def parse_frame(raw: bytes) -> Frame | None:
    """Return the reply if ``raw`` is exactly one; else None."""
    return None if frame_fault(raw) else Frame(raw, *parse_items(raw[2:-1]))


def scan(data: bytes) -> Scan:
    """Find every intact reply. After a byte that does not begin one, continue with the next byte."""
    frames: list[Frame] = []
    at = used = 0
    pending = len(data)
    while at < len(data):
        end = at + data[at] + 1
        frame = parse_frame(data[at:end])
        if frame is not None:
            frames.append(frame)
            used += len(frame.raw)
            at = end
            continue
        if _may_be_incomplete(data, at, end):
            pending = min(pending, at)
        at += 1
    return Scan(tuple(frames), len(data) - used, pending)


def _may_be_incomplete(data: bytes, at: int, end: int) -> bool:
    """Return True if a reply may begin at ``at`` whose end has not been received yet."""
    return data[at] >= MIN_LENGTH and end > len(data) and data[at + 1 : at + 2] in (b"", bytes([MARKER]))


def parse_items(payload: bytes) -> tuple[tuple[Item, ...], bytes]:
    """Return the items of a payload, and the rest: an unknown type, or a value shorter than its type requires."""
    items, at = [], 0
    while at < len(payload):
        length = _VALUE_LENGTHS[payload[at]]
        if length is None or at + 1 + length > len(payload):
            break
        items.append(Item(payload[at], payload[at + 1 : at + 1 + length]))
        at += 1 + length
    return tuple(items), payload[at:]


def encode_items(items: Iterable[Item]) -> bytes:
    return b"".join(item.encoded() for item in items)


def u8(*values: int) -> bytes:
    """Return request arguments: one ``21 vv`` item each. To bare bytes a balance replies with error 07."""
    return b"".join(bytes([U8, value]) for value in values)

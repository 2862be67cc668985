"""Requests and replies as bytes, and how to find a reply in noise. Pure. Source: sections 3.1, 3.12."""

from msgspec import Struct

from riglog_sartorius.xbpi.items import Item, parse_items

HOST, BALANCE = 0x01, 0x09
"""The usual node numbers. On a direct link 09 works whatever number the balance was given."""

MARKER = 0x41
SHORTEST = 3


class Frame(Struct, frozen=True):
    """An intact reply. ``rest`` is the part of the payload that is no item; then the payload is opaque."""

    raw: bytes
    items: tuple[Item, ...]
    rest: bytes = b""

    @property
    def types(self) -> tuple[int, ...]:
        return tuple([item.type for item in self.items])


class Scan(Struct, frozen=True):
    """What a buffer holds. ``skipped`` bytes belong to no frame; from ``pending`` on a frame may still be growing."""

    frames: tuple[Frame, ...]
    skipped: int
    pending: int


def checksum(data: bytes) -> int:
    """Sum of all bytes before it, the length included."""
    return sum(data) & 0xFF


def request_frame(opcode: int, args: bytes = b"", *, src: int = HOST, dst: int = BALANCE) -> bytes:
    body = bytes([4 + len(args), src, dst, opcode]) + args
    return body + bytes([checksum(body)])


def reply_frame(payload: bytes) -> bytes:
    body = bytes([2 + len(payload), MARKER]) + payload
    return body + bytes([checksum(body)])


def fault_of(raw: bytes) -> str | None:
    """Why these bytes are no reply, in the order in which a client checks; None if they are one."""
    if not raw or raw[0] < SHORTEST:
        return "bad_length"
    if len(raw) > 1 and raw[1] != MARKER:
        return "bad_marker"
    if len(raw) != raw[0] + 1:
        return "incomplete"
    return None if checksum(raw[:-1]) == raw[-1] else "bad_checksum"


def parse_frame(raw: bytes) -> Frame | None:
    """The reply these bytes are, exactly and whole; None if they are not."""
    return None if fault_of(raw) else Frame(raw, *parse_items(raw[2:-1]))


def scan(data: bytes) -> Scan:
    """Every intact reply in the buffer. What is none advances by one byte, never by its supposed length."""
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
        if _may_grow(data, at, end):
            pending = min(pending, at)
        at += 1
    return Scan(tuple(frames), len(data) - used, pending)


def _may_grow(data: bytes, at: int, end: int) -> bool:
    """Whether a reply may begin here whose end has not come yet."""
    return data[at] >= SHORTEST and end > len(data) and data[at + 1 : at + 2] in (b"", bytes([MARKER]))

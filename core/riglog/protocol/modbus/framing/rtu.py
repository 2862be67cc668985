"""Modbus RTU: frames without delimiters, found by the content they must have and proven by their CRC.

A frame is taken by length, not by silence: computers deliver bytes in pieces with gaps longer than 3.5 characters.
Source: Modbus over serial line V1.02, section 2.5.1.
"""

from collections.abc import Callable

from riglog.protocol.checksums import crc16
from riglog.protocol.modbus.framing.base import Frame, Framing, matching
from riglog.protocol.modbus.pdu import Expected, reply_size, request_size
from riglog.transport import Link

OVERHEAD = 3  # unit, CRC low, CRC high
LONGEST = 256
SHORTEST = 4
SILENT_CHARACTERS = 3.5
LEAST_SILENCE = 0.00175

SizeOf = Callable[[bytes], int | None]


class RtuFraming(Framing):
    protocol = "modbus-rtu"

    def wrap(self, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
        body = bytes([unit]) + pdu
        return body + crc16(body).to_bytes(2, "little")

    def unwrap(self, data: bytes) -> Frame | None:
        if len(data) < SHORTEST or crc16(data):
            return None
        return Frame(data[0], data[1:-2], len(data))

    def replies(
        self, expected: Expected, buffer: bytes | bytearray, transaction: int = 0, *, final: bool = True
    ) -> list[Frame]:
        data = bytes(buffer)
        size = expected.length + OVERHEAD
        if len(data) == size and expected.matches(data[0], data[1:-2]) and not crc16(data):  # what nearly always comes
            return [Frame(data[0], data[1:-2], size)]
        if not final and _claimed(data) > len(data):
            return []  # what looks like a reply could be the content of the frame that has only begun
        frames = _intact(data, reply_size)
        others = [frame for frame in frames if frame not in matching(expected, frames)]
        return [frame for frame in _hunted(expected, data) if not any(_inside(frame, other) for other in others)]

    def requests(self, buffer: bytes | bytearray) -> list[Frame]:
        return _intact(bytes(buffer), request_size, unknown=True)

    def unfinished(self, buffer: bytes | bytearray) -> int:
        return max(len(buffer) - LONGEST, 0)

    def diagnose(self, expected: Expected, received: bytes) -> str:
        if _intact(received, reply_size):
            return "unmatched"
        head = bytes([expected.unit]) + expected.prefix[:1]
        at = received.find(head)
        if at < 0:
            return "bad_crc" if len(received) >= SHORTEST else "truncated"
        return "truncated" if len(received) - at < expected.length + OVERHEAD else "bad_crc"

    def size(self, pdu: int) -> int:
        return pdu + OVERHEAD

    def inter_frame_gap(self, link: Link) -> float:
        return max(link.seconds(SILENT_CHARACTERS), LEAST_SILENCE)


def _intact(data: bytes, size_of: SizeOf, *, unknown: bool = False) -> list[Frame]:
    """Return every frame with a correct CRC, none inside another.

    Args:
        unknown: a function code of unknown length also makes a frame, of whatever length its CRC proves.
    """
    frames: list[Frame] = []
    at = 0
    while at + SHORTEST <= len(data):
        size = size_of(data[at + 1 : at + 8])
        if size == 0 and unknown:
            ends = range(at + SHORTEST, min(len(data), at + LONGEST) + 1)
        else:
            ends = range(at + size + OVERHEAD, at + size + OVERHEAD + 1) if size else range(0)
        end = next((end for end in ends if end <= len(data) and not crc16(data[at:end])), None)
        if end is None:
            at += 1
        else:
            frames.append(Frame(data[at], data[at + 1 : end - 2], end))
            at = end
    return frames


def _hunted(expected: Expected, data: bytes) -> list[Frame]:
    """Return every expected reply, wherever it starts: noise before it may look like half a frame and hide it."""
    frames: list[Frame] = []
    at = data.find(expected.unit)
    while at >= 0:
        for kind in (expected, expected.exception_reply):
            end = at + kind.length + OVERHEAD
            if data.startswith(kind.prefix, at + 1) and end <= len(data) and not crc16(data[at:end]):
                frames.append(Frame(expected.unit, data[at + 1 : end - 2], end))
                at = end - 1
                break
        at = data.find(expected.unit, at + 1)
    return frames


def _inside(one: Frame, other: Frame) -> bool:
    """True if the one is content of the other. If they only overlap, the other is a coincidence."""
    return other.end - len(other.pdu) <= one.end - len(one.pdu) and one.end <= other.end


def _claimed(data: bytes) -> int:
    """Return where the frame that seems to start the buffer would end."""
    size = reply_size(data[1:8])
    return size + OVERHEAD if size else 0

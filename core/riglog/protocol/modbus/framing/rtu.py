"""Modbus RTU: frames without marks, found by what they must contain and proven by their CRC.

A frame is taken by length, not by silence: computers deliver bytes in pieces with gaps longer than 3.5 characters.
Source: Modbus over serial line V1.02, section 2.5.1.
"""

from collections.abc import Callable

from riglog.protocol.modbus.framing.base import Frame, Framing, answering
from riglog.protocol.modbus.framing.checks import crc16
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
        self, wanted: Expected, buffer: bytes | bytearray, transaction: int = 0, *, final: bool = True
    ) -> list[Frame]:
        data = bytes(buffer)
        size = wanted.length + OVERHEAD
        if len(data) == size and wanted.matches(data[0], data[1:-2]) and not crc16(data):  # what nearly always comes
            return [Frame(data[0], data[1:-2], size)]
        if not final and _claimed(data) > len(data):
            return []  # what looks like a reply could be the content of the frame that has only begun
        frames = _intact(data, reply_size)
        others = [one for one in frames if one not in answering(wanted, frames)]
        return [one for one in _hunted(wanted, data) if not any(_inside(one, other) for other in others)]

    def requests(self, buffer: bytes | bytearray) -> list[Frame]:
        return _intact(bytes(buffer), request_size, unknown=True)

    def unfinished(self, buffer: bytes | bytearray) -> int:
        return max(len(buffer) - LONGEST, 0)

    def diagnose(self, wanted: Expected, received: bytes) -> str:
        if _intact(received, reply_size):
            return "unmatched"
        head = bytes([wanted.unit]) + wanted.prefix[:1]
        at = received.find(head)
        if at < 0:
            return "bad_crc" if len(received) >= SHORTEST else "truncated"
        return "truncated" if len(received) - at < wanted.length + OVERHEAD else "bad_crc"

    def size(self, pdu: int) -> int:
        return pdu + OVERHEAD

    def inter_frame_gap(self, link: Link) -> float:
        return max(link.seconds(SILENT_CHARACTERS), LEAST_SILENCE)


def _intact(data: bytes, size_of: SizeOf, *, unknown: bool = False) -> list[Frame]:
    """Every frame whose CRC is right, none inside another.

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


def _hunted(wanted: Expected, data: bytes) -> list[Frame]:
    """Every answer to what is wanted, wherever it begins: junk in front may look like half a frame and hide it."""
    frames: list[Frame] = []
    at = data.find(wanted.unit)
    while at >= 0:
        for kind in (wanted, wanted.refusal):
            end = at + kind.length + OVERHEAD
            if data.startswith(kind.prefix, at + 1) and end <= len(data) and not crc16(data[at:end]):
                frames.append(Frame(wanted.unit, data[at + 1 : end - 2], end))
                at = end - 1
                break
        at = data.find(wanted.unit, at + 1)
    return frames


def _inside(one: Frame, other: Frame) -> bool:
    """The one is content of the other. If they only overlap, the other is an accident."""
    return other.end - len(other.pdu) <= one.end - len(one.pdu) and one.end <= other.end


def _claimed(data: bytes) -> int:
    """Where the frame that seems to begin the buffer would end."""
    size = reply_size(data[1:8])
    return size + OVERHEAD if size else 0

"""Modbus TCP: the MBAP header in front, no checksum. Source: Modbus messaging on TCP/IP V1.0b, section 3.1.3.

The transaction number proves to which request a frame is the reply. Some gateways reply under a unit identifier of
their own, most often with the exception that the device behind them does not respond.
"""

from collections.abc import Container

from riglog.protocol.modbus.framing.base import Frame, Framing
from riglog.protocol.modbus.pdu import Expected

HEADER = 7  # transaction (2), protocol 0 (2), length of what follows (2), unit
LONGEST = 260


class TcpFraming(Framing):
    protocol = "modbus-tcp"
    numbered = True

    def __init__(self, accept_units: Container[int] = ()) -> None:
        """Accept replies under these unit identifiers too; exceptions are accepted under any."""
        self._accept_units = accept_units

    def wrap(self, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
        return b"%b\0\0%b%c%b" % (transaction.to_bytes(2, "big"), (len(pdu) + 1).to_bytes(2, "big"), unit, pdu)

    def unwrap(self, data: bytes) -> Frame | None:
        return next((one for one in _frames(data) if one.end == len(data) == HEADER + len(one.pdu)), None)

    def replies(
        self, expected: Expected, buffer: bytes | bytearray, transaction: int = 0, *, final: bool = True
    ) -> list[Frame]:
        frames = _frames_of(transaction, buffer)
        accepted = [one for one in frames if one.unit == expected.unit or one.unit in self._accept_units]
        return _replies(expected, accepted) or _replies(expected.exception_reply, frames)

    def other_unit(self, expected: Expected, buffer: bytes | bytearray, transaction: int) -> int | None:
        replies = _replies(expected, _frames_of(transaction, buffer))
        return next((one.unit for one in replies if one.unit != expected.unit), None)

    def requests(self, buffer: bytes | bytearray) -> list[Frame]:
        return _frames(bytes(buffer))

    def unfinished(self, buffer: bytes | bytearray) -> int:
        return max(len(buffer) - LONGEST, 0)

    def diagnose(self, expected: Expected, received: bytes) -> str:
        return "unmatched" if _frames(received) else "truncated"

    def size(self, pdu: int) -> int:
        return HEADER + pdu


def _replies(expected: Expected, frames: list[Frame]) -> list[Frame]:
    """Return the frames that are the expected reply, or its exception, under whatever unit identifier."""
    kinds = (expected, expected.exception_reply)
    return [frame for frame in frames if any(kind.matches(expected.unit, frame.pdu) for kind in kinds)]


def _frames_of(transaction: int, buffer: bytes | bytearray) -> list[Frame]:
    return [frame for frame in _frames(bytes(buffer)) if frame.transaction == transaction]


def _frames(data: bytes) -> list[Frame]:
    """Return every complete frame; where no header can be, the search continues one byte further."""
    frames = []
    at = 0
    while at + HEADER < len(data):
        length = int.from_bytes(data[at + 4 : at + 6], "big")
        end = at + HEADER - 1 + length
        if data[at + 2 : at + 4] == b"\0\0" and 2 <= length <= LONGEST - 6 and end <= len(data):
            frames.append(Frame(data[at + 6], data[at + HEADER : end], end, int.from_bytes(data[at : at + 2], "big")))
            at = end
        else:
            at += 1
    return frames

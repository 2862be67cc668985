"""Modbus ASCII: ``:`` hex digits ``CR LF``. Source: Modbus over serial line V1.02, section 2.5.2."""

import re
from binascii import unhexlify

from riglog.protocol.checksums import lrc
from riglog.protocol.codec import COPY_GAP
from riglog.protocol.modbus.framing.base import Frame, Framing, matching
from riglog.protocol.modbus.pdu import Expected
from riglog.transport import Link

FRAME = re.compile(rb":((?:[0-9A-Fa-f]{2}){3,255})\r\n")
"""A frame contains no colon: a colon starts a new frame, and discards an incomplete one."""

LONGEST = 2 * 255 + 3


class AsciiFraming(Framing):
    protocol = "modbus-ascii"
    needs_gap_everywhere = True

    def wrap(self, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
        body = bytes([unit]) + pdu
        return b":%b%02X\r\n" % (body.hex().upper().encode(), lrc(body))

    def unwrap(self, data: bytes) -> Frame | None:
        return next(iter(_intact(data)), None) if FRAME.fullmatch(data) else None

    def replies(
        self, expected: Expected, buffer: bytes | bytearray, transaction: int = 0, *, final: bool = True
    ) -> list[Frame]:
        return matching(expected, _intact(buffer))

    def requests(self, buffer: bytes | bytearray) -> list[Frame]:
        return _intact(buffer)

    def unfinished(self, buffer: bytes | bytearray) -> int:
        begins = buffer.rfind(b":")
        return len(buffer) if begins < 0 or buffer.find(b"\n", begins) >= 0 else max(begins, len(buffer) - LONGEST)

    def diagnose(self, expected: Expected, received: bytes) -> str:
        if _intact(received):
            return "unmatched"
        if FRAME.search(received):
            return "bad_lrc"
        return "malformed" if b"\n" in received else "truncated"

    def inter_frame_gap(self, link: Link) -> float:
        return COPY_GAP  # the protocol itself needs none

    def size(self, pdu: int) -> int:
        return 2 * (pdu + 2) + 3


def _intact(buffer: bytes | bytearray) -> list[Frame]:
    """Return every frame with a correct LRC."""
    frames = []
    for match in FRAME.finditer(bytes(buffer)):
        body = unhexlify(match[1])
        if not lrc(body):
            frames.append(Frame(body[0], body[1:-1], match.end()))
    return frames

"""The continuous broadcast for the client: lines out of the byte stream. There is no receive side.

Source: Servomex wire specification, section 3.5.
"""

from riglog.errors import UnsupportedError
from riglog.protocol import Codec
from riglog_servomex.frame import BadLine, Frame, parse_line

LONGEST = 1024
SPOILT = b"\0"
"""Put in place of what was dropped of an endless line: what comes until its end is then one bad line."""

Line = Frame | BadLine


class BroadcastCodec(Codec[None, Line]):
    """Every line that ends is handed out once, good or bad; an unfinished one waits for its LF."""

    def encode(self, request: None) -> bytes:
        raise UnsupportedError("the analyser hears nothing in continuous mode", hint="choose Modbus at its panel")

    def decode(self, request: None, buffer: bytearray, *, final: bool = False) -> Line | None:
        return None

    def unsolicited(self, buffer: bytearray) -> Line | None:
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > LONGEST:
                buffer[:] = SPOILT
            return None
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        return parse_line(line if len(line) <= LONGEST else SPOILT)

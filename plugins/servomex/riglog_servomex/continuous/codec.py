"""The codec of the continuous broadcast, and the client of a port that has one.

Source: Servomex wire specification, section 3.5.
"""

from riglog.errors import UnsupportedError
from riglog.protocol import Codec, Connection, ProtocolClient
from riglog_servomex.continuous.frames import BadFrame, Frame, parse_frame

MAX_LENGTH = 1024
DISCARDED = b"\0"
"""Stands for the discarded beginning of a line without end: the rest of the line is then one bad frame."""

ReceivedFrame = Frame | BadFrame


class BroadcastCodec(Codec[None, ReceivedFrame]):
    """Every line that is complete is returned once, valid or not; an incomplete one stays until its LF arrives."""

    def encode(self, request: None) -> bytes:
        raise UnsupportedError(
            "the analyzer receives no commands in continuous mode", hint="Select Modbus on the analyzer panel"
        )

    def decode(self, request: None, buffer: bytearray, *, final: bool = False) -> ReceivedFrame | None:
        return None

    def unsolicited(self, buffer: bytearray) -> ReceivedFrame | None:
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > MAX_LENGTH:
                buffer[:] = DISCARDED
            return None
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        return parse_frame(line if len(line) <= MAX_LENGTH else DISCARDED)


class BroadcastClient(ProtocolClient[None, ReceivedFrame]):
    """The client of a port on which an analyzer broadcasts: it listens, and never sends."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, BroadcastCodec())

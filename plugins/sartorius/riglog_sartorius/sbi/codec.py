"""SBI for the client: what proves that a line answers a command. No I/O, no clock.

A line has no checksum and names no command. What the wire offers is the form of the line: weights stand in strict
columns, and model, serial number and version are told apart by how they are written. Compared is also that the answer
is alone: with a second candidate, or unfinished bytes behind it, nobody can say which is the answer, so neither is.

Proven is the answer to ``ESC P`` after a marker: identity lines never parse as a weight and weights never as an
identity, so once the identity has come, every older line has. Not every balance answers identity commands; one that did
not at opening has no marker, and silence for the quarantine time must do. Not provable at all is a digit that changed
into another digit on a line without parity.
Source: sections 4.1 to 4.9.
"""

from collections.abc import Sequence

from riglog.protocol import Codec
from riglog_sartorius.errors import sbi_error
from riglog_sartorius.sbi.commands import ESC, Reply, SbiRequest, answers_to
from riglog_sartorius.sbi.lines import END, OFF_SCALE, Kind, Line, parse_line
from riglog_sartorius.seven_bit import looks_like_seven_bits

LONGEST_LINE = 64
SEVEN_BITS = "seven_bits"
"""Word for bytes that are 7-bit text with parity; see seven_bit.py."""

_UNREADABLE = b"\xfe"
"""No line may contain it, and it does not disturb the test for seven bits."""


class SbiCodec(Codec[SbiRequest, Line]):
    """Commands out, lines in. ``identities`` are the identity commands this balance is known to answer."""

    def __init__(self) -> None:
        self.identities: tuple[str, ...] = ()

    def encode(self, request: SbiRequest) -> bytes:
        return ESC + request.token.encode("ascii") + (END if request.crlf else b"")

    def decode(self, request: SbiRequest, buffer: bytearray, *, final: bool = False) -> Line | None:
        *whole, rest = bytes(buffer).split(END)
        if rest or not whole:
            return None
        answers = [line for line in (parse_line(body + END) for body in whole) if answers_to(request, line)]
        if len(answers) != 1:
            return None
        buffer.clear()
        (answer,) = answers
        if answer.code is not None and answer.code not in OFF_SCALE:
            raise sbi_error(answer.code)
        return answer

    def unsolicited(self, buffer: bytearray) -> Line | None:
        end = buffer.find(END)
        if end >= 0:
            raw = bytes(buffer[: end + len(END)])
            del buffer[: end + len(END)]
            return parse_line(raw)
        if len(buffer) <= LONGEST_LINE:
            return None
        # No line is that long. What follows up to the next CR LF is its tail, and must not pass for a line.
        raw = bytes(buffer)
        buffer[:] = _UNREADABLE
        return Line(Kind.GARBLED, raw, status=SEVEN_BITS if looks_like_seven_bits(raw) else None)

    def reply_signature(self, request: SbiRequest) -> Reply:
        return request.known.reply

    def resync_request(self, request: SbiRequest, owed: Sequence[SbiRequest]) -> SbiRequest | None:
        taken = {one.known.reply for one in (request, *owed)}
        if Reply.TEXT in taken:
            return None
        free = (SbiRequest(token, request.crlf) for token in self.identities)
        return next((one for one in free if one.known.reply not in taken), None)

    def diagnose(self, request: SbiRequest, received: bytes) -> str:
        if looks_like_seven_bits(received):
            return SEVEN_BITS
        return super().diagnose(request, received)

"""The codec of SBI: what proves that a line is the reply to a command. No I/O, no clock.

A line has no checksum and does not repeat the command. The codec therefore compares the form of the line: weights have
strict columns, and the forms of model, serial number and version differ. The line must also be the only candidate: with
a second candidate that differs, or an incomplete line after it, no reply is accepted. Equal lines state one value.

A print may be a block of lines. The line with the label asked for is its weight; dates, blank lines and lines with
other labels beside it mean nothing. If no line has that label, the print has no such weight, and the first of its lines
is the reply. That is known at the end of the timeout, or at once from a balance that prints single lines.

After a timeout the client sends an identity command as resync request: identity lines never have the form of a weight,
nor weights that of an identity, so no older line can follow its reply. If the balance did not respond to identity
commands at opening, as some do not support them, only the hold-off is used.

On a line without parity, a digit that changed into another digit cannot be detected.
Source: sections 4.1 to 4.9.
"""

from collections.abc import Sequence

from riglog.device import Safety
from riglog.protocol import COPY_GAP, Codec, Connection, ProtocolClient
from riglog_sartorius.errors import is_seven_bit_text, sbi_error
from riglog_sartorius.sbi.commands import ESC, Reply, SbiRequest, is_instead_of_reply, is_reply_to
from riglog_sartorius.sbi.lines import END, OFF_SCALE, Kind, Line, parse_line

MAX_LINE = 64
SEVEN_BITS = "seven_bits"
"""Diagnosis: 7-bit text with parity was received as 8-bit characters."""

_UNREADABLE = b"\xfe"
"""No line may contain this byte, and it does not disturb the detection of 7-bit text."""


class SbiCodec(Codec[SbiRequest, Line]):
    """Encodes commands, decodes lines. ``identities``: the identity commands to which the balance has responded."""

    inter_frame_gap = COPY_GAP
    needs_gap_everywhere = True

    def __init__(self) -> None:
        self.identities: tuple[str, ...] = ()

    def encode(self, request: SbiRequest) -> bytes:
        return ESC + request.token.encode("ascii") + (END if request.crlf else b"")

    def decode(self, request: SbiRequest, buffer: bytearray, *, final: bool = False) -> Line | None:
        *complete, rest = bytes(buffer).split(END)
        if rest or not complete:
            return None
        lines = [parse_line(body + END) for body in complete]
        candidates = [line for line in lines if is_reply_to(request, line)]
        if not candidates and (final or request.alone):
            instead = [line for line in lines if is_instead_of_reply(request, line)]
            candidates = sorted(instead, key=lambda line: line.is_empty)[:1]
        if len(set(candidates)) != 1 or (len(candidates) > 1 and not self.is_repeatable(request)):
            return None
        buffer.clear()
        reply = candidates[0]
        if reply.code is not None and reply.code not in OFF_SCALE:
            raise sbi_error(reply.code)
        return reply

    def is_repeatable(self, request: SbiRequest) -> bool:
        return request.known.safety is Safety.READ_ONLY

    def unsolicited(self, buffer: bytearray) -> Line | None:
        end = buffer.find(END)
        if end >= 0:
            raw = bytes(buffer[: end + len(END)])
            del buffer[: end + len(END)]
            return parse_line(raw)
        if len(buffer) <= MAX_LINE:
            return None
        # Too long for a line. What follows up to the next CR LF is its tail, and must not be parsed as a line.
        raw = bytes(buffer)
        buffer[:] = _UNREADABLE
        return Line(Kind.GARBLED, raw, status=SEVEN_BITS if is_seven_bit_text(raw) else None)

    def reply_signature(self, request: SbiRequest) -> Reply:
        return request.known.reply

    def replies_in(self, request: SbiRequest, received: bytes) -> Sequence[Line | Exception]:
        lines = (parse_line(body + END) for body in received.split(END)[:-1])
        return [line for line in lines if is_reply_to(request, line)]

    def confirming_request(self, request: SbiRequest, outstanding: Sequence[SbiRequest]) -> SbiRequest | None:
        return self.resync_request(request, outstanding)

    def resync_request(self, request: SbiRequest, outstanding: Sequence[SbiRequest]) -> SbiRequest | None:
        signatures = {other.known.reply for other in (request, *outstanding)}
        if Reply.TEXT in signatures:
            return None
        identities = (SbiRequest(token, request.crlf) for token in self.identities)
        return next((other for other in identities if other.known.reply not in signatures), None)

    def diagnose(self, request: SbiRequest, received: bytes) -> str:
        if is_seven_bit_text(received):
            return SEVEN_BITS
        return super().diagnose(request, received)


class SbiClient(ProtocolClient[SbiRequest, Line]):
    """The client of an SBI port."""

    codec: SbiCodec

    def __init__(self, connection: Connection, *, timeout: float) -> None:
        super().__init__(connection, SbiCodec(), timeout=timeout)

"""xBPI for the client: what proves that a reply answers a request. No I/O, no clock, no state.

A reply says neither who speaks nor what it answers; it belongs to a request only because it came after it. What the
wire offers all the same, and what is therefore compared:

- the item types and lengths of the reply (a model is ``54``, a node number ``21``, a weight ``48``, a combined reading
  ``48 48``, an acknowledge ``00``);
- inside ``48``: status blocks carry two constants, and the low nibble of the flags of a weight says net, gross or tare;
- that it is alone. One request in flight gets one reply: with a second candidate or unfinished bytes behind it nobody
  can say which is the answer, so neither is.

After a timeout, the marker (a request every balance answers, and whose reply has a shape of its own) proves that
everything older has come. An error reply fits every request, so a late one is the reason why the marker, and not
silence, has to clear the line; only where an owed request has a reply of unknown shape must silence do.
Source: sections 3.1 to 3.5, 3.12.
"""

from collections.abc import Sequence

from msgspec import Struct

from riglog.protocol import Codec
from riglog_sartorius.errors import xbpi_error
from riglog_sartorius.seven_bit import looks_like_seven_bits
from riglog_sartorius.xbpi import frames
from riglog_sartorius.xbpi.frames import BALANCE, HOST, Frame
from riglog_sartorius.xbpi.items import ERROR, Item
from riglog_sartorius.xbpi.measurement import is_status_block
from riglog_sartorius.xbpi.opcodes import COMBINED, COMBINED_REPLY, WHOSE, Content, Opcode, opcode


class XbpiRequest(Struct, frozen=True):
    """A command to a balance. ``args`` are the bytes behind the opcode, items already encoded."""

    opcode: int
    args: bytes = b""
    dst: int = BALANCE
    src: int = HOST

    @property
    def known(self) -> Opcode:
        return opcode(self.opcode)

    @property
    def combined(self) -> bool:
        return self.opcode == 0x1E and self.args == COMBINED

    @property
    def reply_signature(self) -> tuple[int, ...] | None:
        """The item types of the reply; None if any are possible."""
        return COMBINED_REPLY if self.combined else self.known.reply


ALWAYS_ANSWERED = (0x02, 0x71, 0x01, 0x00)
"""Model, node number, factory number, software version: every family answers them, and each looks different."""


class XbpiCodec(Codec[XbpiRequest, Frame]):
    """Requests out, frames in."""

    def encode(self, request: XbpiRequest) -> bytes:
        return frames.request_frame(request.opcode, request.args, src=request.src, dst=request.dst)

    def decode(self, request: XbpiRequest, buffer: bytearray, *, final: bool = False) -> Frame | None:
        raw = bytes(buffer)
        if (only := frames.parse_frame(raw)) is not None:
            found, certain = [only], True
        else:
            scan = frames.scan(raw)
            found, certain = list(scan.frames), final or scan.pending == len(raw)
        answers = [frame for frame in found if answers_to(request, frame)]
        if len(answers) != 1 or not certain or not raw.endswith(answers[0].raw):
            return None
        buffer.clear()
        (answer,) = answers
        if answer.types == (ERROR,):
            known = request.known
            raise xbpi_error(answer.items[0].number, indexed=known.indexed, command=known.name)
        return answer

    def reply_signature(self, request: XbpiRequest) -> tuple[int, ...] | None:
        return request.reply_signature

    def resync_request(self, request: XbpiRequest, owed: Sequence[XbpiRequest]) -> XbpiRequest | None:
        taken = {one.reply_signature for one in (request, *owed)}
        if None in taken or {one.dst for one in owed} - {request.dst}:
            return None
        free = (code for code in ALWAYS_ANSWERED if opcode(code).reply not in taken)
        return next((XbpiRequest(code, dst=request.dst, src=request.src) for code in free), None)

    def diagnose(self, request: XbpiRequest, received: bytes) -> str:
        if not received:
            return "no_reply"
        if is_text(received) or looks_like_seven_bits(received):
            return "text"
        if frames.scan(received).frames:
            return "unmatched"
        return frames.fault_of(received) or "unmatched"


def answers_to(request: XbpiRequest, frame: Frame) -> bool:
    """Whether the frame can be the reply to the request by everything it says of itself."""
    if frame.types == (ERROR,) and not frame.rest:
        return True
    shape = request.reply_signature
    if shape is None:
        return True
    if frame.rest or frame.types != shape:
        return False
    return _is(request.known.content, frame.items[0])


def is_text(received: bytes) -> bool:
    """Whether lines of printable text came instead: a balance in SBI mode, printing."""
    return b"\r\n" in received and all(0x20 <= byte <= 0x7E or byte in b"\r\n" for byte in received)


def _is(content: Content, item: Item) -> bool:
    """Whether a ``48`` item can be what was asked for. A nibble nobody has met is no proof against it."""
    if content is Content.PLAIN or item.type != 0x48:
        return True
    if content is Content.STATUS:
        return is_status_block(item.data)
    nibble = item.data[7] & 0x0F
    return not is_status_block(item.data) and (
        content is Content.WEIGHT or nibble == content.value or nibble not in WHOSE
    )

"""The codec of xBPI: what proves that a reply belongs to a request. No I/O, no clock, no state.

A reply contains neither an address nor the command it belongs to. The codec therefore compares everything else:

- the item types and lengths of the reply (``54`` for the model, ``21`` for the node number, ``48`` for a weight,
  ``48 48`` for a combined reading, ``00`` for an acknowledge);
- inside ``48``: a status block contains two constants, and the low nibble of the flags of a weight is different for
  net, gross and tare;
- the sign and the decimals that a weight states, with its number;
- that the reply is the only candidate. With a second candidate that differs, or incomplete bytes after it, no reply is
  accepted. Equal replies to a read state one value.

After a timeout the client sends a resync request: a read that every balance supports, and whose reply has item types of
its own. Its reply proves that no older reply can follow. The hold-off alone proves less, because a late error reply
matches every request. It is used alone only if the item types of an outstanding reply are unknown.
Source: sections 3.1 to 3.5, 3.12.
"""

from collections.abc import Sequence

from msgspec import Struct

from riglog.device import Safety
from riglog.protocol import COPY_GAP, Codec, Connection, ProtocolClient
from riglog_sartorius.errors import damaged_weight_error, is_seven_bit_text, xbpi_error
from riglog_sartorius.xbpi import frames, opcodes
from riglog_sartorius.xbpi.frames import BALANCE, HOST, WEIGHT, Frame, Item
from riglog_sartorius.xbpi.measurement import is_status_block, weight_fault
from riglog_sartorius.xbpi.opcodes import (
    COMBINED,
    COMBINED_REPLY,
    HIGH_RESOLUTION,
    KNOWN_NIBBLES,
    READ_NET,
    WEIGHTS,
    Content,
    Opcode,
    opcode,
)

RESYNC_OPCODES = (opcodes.READ_MODEL, opcodes.READ_SBN, opcodes.READ_FACTORY_NUMBER, opcodes.READ_SOFTWARE_VERSION)
"""Every family supports these, and their replies have different item types."""

TEXT = "ascii_text"
"""Diagnosis: lines of text were received instead of frames."""


class XbpiRequest(Struct, frozen=True, cache_hash=True):
    """A command to a balance. ``args`` are the bytes after the opcode: items that are encoded already."""

    opcode: int
    args: bytes = b""
    dst: int = BALANCE
    src: int = HOST

    @property
    def known(self) -> Opcode:
        return opcode(self.opcode)

    @property
    def combined(self) -> bool:
        """True if a weight and a status block are requested together."""
        return self.opcode == READ_NET and self.args == COMBINED

    @property
    def reply_signature(self) -> tuple[int, ...] | None:
        """The item types of the reply; None if any are possible."""
        return COMBINED_REPLY if self.combined else self.known.reply

    @property
    def plain(self) -> "XbpiRequest":
        """The request for the same weight alone."""
        return XbpiRequest(self.opcode, dst=self.dst, src=self.src)


class XbpiCodec(Codec[XbpiRequest, Frame]):
    """Encodes commands, decodes frames.

    While the reply to a combined reading is outstanding, the weight is read alone: that reply has other item types.
    """

    usual_variants = 1
    inter_frame_gap = COPY_GAP
    needs_gap_everywhere = True

    def encode(self, request: XbpiRequest) -> bytes:
        return frames.request_frame(request.opcode, request.args, src=request.src, dst=request.dst)

    def decode(self, request: XbpiRequest, buffer: bytearray, *, final: bool = False) -> Frame | None:
        raw = bytes(buffer)
        if (only := frames.parse_frame(raw)) is not None:
            found, certain = [only], True
        else:
            scan = frames.scan(raw)
            found, certain = list(scan.frames), final or scan.pending == len(raw)
        candidates = [frame for frame in found if is_reply_to(request, frame)]
        if not candidates or not certain or not raw.endswith(candidates[-1].raw):
            return None
        reply = candidates[0]
        if len(candidates) > 1 and not (self.is_repeatable(request) and all(same == reply for same in candidates)):
            return None
        buffer.clear()
        if reply.is_error:
            known = request.known
            raise xbpi_error(reply.items[0].number, indexed=known.indexed, command=known.name)
        if request.known.content in WEIGHTS:
            fault = weight_fault(reply.items[0].data, on_grid=request.opcode not in HIGH_RESOLUTION)
            if fault is not None:
                raise damaged_weight_error(fault)
        return reply

    def is_repeatable(self, request: XbpiRequest) -> bool:
        return request.known.safety is Safety.READ_ONLY

    def reply_signature(self, request: XbpiRequest) -> tuple[int, ...] | None:
        return request.reply_signature

    def variants(self, request: XbpiRequest) -> Sequence[XbpiRequest]:
        return (request, request.plain) if request.combined else (request,)

    def replies_in(self, request: XbpiRequest, received: bytes) -> Sequence[Frame | Exception]:
        return [frame for frame in frames.scan(received).frames if is_reply_to(request, frame)]

    def confirming_request(self, request: XbpiRequest, outstanding: Sequence[XbpiRequest]) -> XbpiRequest | None:
        return self.resync_request(request, outstanding)

    def resync_request(self, request: XbpiRequest, outstanding: Sequence[XbpiRequest]) -> XbpiRequest | None:
        signatures = {other.reply_signature for other in (request, *outstanding)}
        if None in signatures or {other.dst for other in outstanding} - {request.dst}:
            return None
        unused = (code for code in RESYNC_OPCODES if opcode(code).reply not in signatures)
        return next((XbpiRequest(code, dst=request.dst, src=request.src) for code in unused), None)

    def diagnose(self, request: XbpiRequest, received: bytes) -> str:
        if not received:
            return "no_reply"
        if is_text(received) or is_seven_bit_text(received):
            return TEXT
        if frames.scan(received).frames:
            return "unmatched"
        return frames.frame_fault(received) or "unmatched"


class XbpiClient(ProtocolClient[XbpiRequest, Frame]):
    """The client of an xBPI port."""

    def __init__(self, connection: Connection, *, timeout: float) -> None:
        super().__init__(connection, XbpiCodec(), timeout=timeout)


def is_reply_to(request: XbpiRequest, frame: Frame) -> bool:
    """Return True if everything in the frame agrees with the request."""
    if frame.is_error and not frame.rest:
        return True
    signature = request.reply_signature
    if signature is None:
        return True
    if frame.rest or frame.types != signature:
        return False
    return _has_content(frame.items[0], request.known.content)


def is_text(received: bytes) -> bool:
    """Return True for lines of printable text, as a balance in SBI mode sends them."""
    return b"\r\n" in received and all(0x20 <= byte <= 0x7E or byte in b"\r\n" for byte in received)


def _has_content(item: Item, content: Content) -> bool:
    """Return True if a WEIGHT item can have this content. A nibble that was never observed does not disprove it."""
    if content is Content.PLAIN or item.type != WEIGHT:
        return True
    if content is Content.STATUS:
        return is_status_block(item.data)
    nibble = item.data[7] & 0x0F
    return not is_status_block(item.data) and (
        content is Content.WEIGHT or nibble == content.value or nibble not in KNOWN_NIBBLES
    )

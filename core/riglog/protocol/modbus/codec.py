"""The Modbus codec: which bytes are the request, and which are its reply. One codec for all three framings."""

from collections.abc import Sequence

from riglog.protocol.codec import Codec
from riglog.protocol.modbus.errors import exception_for
from riglog.protocol.modbus.framing import Framing
from riglog.protocol.modbus.pdu import (
    EXCEPTION,
    REPEATABLE,
    ModbusRequest,
    distinguishable_read,
    expected_reply,
    variants,
    without_surplus,
)
from riglog.transport import Link


class ModbusCodec(Codec[ModbusRequest, bytes]):
    """Replies are PDUs: function code and data, compared with the request in every field that the protocol has.

    The only state is the number of the transaction last encoded; only TCP frames carry it. Without it, reads take turns
    in how many of the spare registers behind their own they read as well, so that successive replies differ in length.
    """

    usual_variants = 2
    """Each further register costs time on the line."""

    def __init__(self, framing: Framing, link: Link) -> None:
        self.framing = framing
        self.inter_frame_gap = framing.inter_frame_gap(link)
        self.hold_off = 0.0 if framing.numbered else None
        self._transaction = 0
        self._both_tables = link.all_variants

    def encode(self, request: ModbusRequest) -> bytes:
        self._transaction = (self._transaction + 1) & 0xFFFF
        return self.framing.wrap(request.unit, request.pdu, self._transaction)

    def decode(self, request: ModbusRequest, buffer: bytearray, *, final: bool = False) -> bytes | None:
        found = self.framing.replies(expected_reply(request), buffer, self._transaction, final=final)
        if not found:
            del buffer[: self.framing.unfinished(buffer)]
            return None
        pdu, end = found[-1].pdu, found[-1].end
        if any(frame.pdu != pdu for frame in found):
            return None  # two different replies: it is not known which of them belongs to the request
        del buffer[:end]
        if pdu[0] & EXCEPTION:
            raise exception_for(pdu[1], function=request.function)
        return without_surplus(request, pdu)

    def is_repeatable(self, request: ModbusRequest) -> bool:
        return request.function in REPEATABLE

    def address(self, request: ModbusRequest) -> int:
        return request.unit

    def reply_signature(self, request: ModbusRequest) -> object:
        return expected_reply(request)

    def variants(self, request: ModbusRequest) -> Sequence[ModbusRequest]:
        return (request,) if self.framing.numbered else variants(request, self._both_tables)

    def new_transaction_number(self) -> bool:
        return self.framing.numbered

    def resync_request(self, request: ModbusRequest, outstanding: Sequence[ModbusRequest]) -> ModbusRequest | None:
        return distinguishable_read(request, {expected_reply(other) for other in (request, *outstanding)})

    def diagnose(self, request: ModbusRequest, received: bytes) -> str:
        if not received:
            return "no_reply"
        expected = expected_reply(request)
        if self.framing.replies(expected, received, self._transaction):
            return "ambiguous"
        return self.framing.diagnose(expected, received)

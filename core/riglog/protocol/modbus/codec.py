"""Modbus for the client: which bytes ask, and which bytes answer. One codec for all three framings."""

from collections.abc import Sequence

from riglog.protocol.codec import Codec
from riglog.protocol.modbus.errors import exception_for
from riglog.protocol.modbus.framing import Framing
from riglog.protocol.modbus.pdu import EXCEPTION, ModbusRequest, expected_reply, sibling_outside
from riglog.transport import Link


class ModbusCodec(Codec[ModbusRequest, bytes]):
    """Replies are PDUs: function code and data, compared with the request in everything the wire offers.

    The number of the transaction last encoded is all it remembers; it counts on TCP only.
    """

    def __init__(self, framing: Framing, link: Link) -> None:
        self.framing = framing
        self.gap = framing.gap(link)
        self.quarantine = 0.0 if framing.numbered else None
        self._transaction = 0

    def encode(self, request: ModbusRequest) -> bytes:
        self._transaction = (self._transaction + 1) & 0xFFFF
        return self.framing.wrap(request.unit, request.pdu, self._transaction)

    def decode(self, request: ModbusRequest, buffer: bytearray, *, final: bool = False) -> bytes | None:
        found = self.framing.replies(expected_reply(request), buffer, self._transaction, final=final)
        if not found:
            del buffer[: self.framing.unfinished(buffer)]
            return None
        pdu, end = found[-1].pdu, found[-1].end
        if any(one.pdu != pdu for one in found):
            return None  # two replies that differ: nobody can tell which of them answers
        del buffer[:end]
        if pdu[0] & EXCEPTION:
            raise exception_for(pdu[1], function=request.function)
        return pdu

    def address(self, request: ModbusRequest) -> int:
        return request.unit

    def reply_signature(self, request: ModbusRequest) -> object:
        return expected_reply(request)

    def new_transaction_number(self) -> bool:
        return self.framing.numbered

    def resync_request(self, request: ModbusRequest, owed: Sequence[ModbusRequest]) -> ModbusRequest | None:
        return sibling_outside(request, {expected_reply(one) for one in (request, *owed)})

    def diagnose(self, request: ModbusRequest, received: bytes) -> str:
        if not received:
            return "no_frame"
        wanted = expected_reply(request)
        if self.framing.replies(wanted, received, self._transaction):
            return "ambiguous"
        return self.framing.diagnose(wanted, received)

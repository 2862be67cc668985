"""The Modbus codec: which bytes are the request, and which are its reply. One codec for all three framings."""

from collections.abc import Sequence

from riglog.errors import MalformedReplyError
from riglog.protocol.codec import Codec
from riglog.protocol.modbus.errors import exception_for
from riglog.protocol.modbus.framing import Framing
from riglog.protocol.modbus.pdu import (
    ECHOED,
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

    The state is the number of the transaction last encoded, which only TCP frames carry, and on a serial line whether
    the adapter returns what is sent: the replies to some functions are no different from that. Without a number, reads
    take turns in how many of the spare registers behind their own they read as well, so that successive replies differ
    in length.
    """

    usual_variants = 2
    """Each further register costs time on the line."""

    def __init__(self, framing: Framing, link: Link) -> None:
        self.framing = framing
        self.inter_frame_gap = framing.inter_frame_gap(link)
        self.needs_gap_everywhere = framing.needs_gap_everywhere
        self.hold_off = 0.0 if framing.numbered else None
        self.transaction_number = slice(0, 2) if framing.numbered else None
        self._transaction = 0
        self._both_tables = link.all_variants
        self._sent = b""
        self._request: ModbusRequest | None = None  # that was sent last
        self._echoed = False  # the request that was sent last
        self._echoes = False

    def encode(self, request: ModbusRequest) -> bytes:
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._sent = self.framing.wrap(request.unit, request.pdu, self._transaction)
        self._echoed, self._request = False, request
        return self._sent

    def decode(self, request: ModbusRequest, buffer: bytearray, *, final: bool = False) -> bytes | None:
        found = self.framing.replies(expected_reply(request), buffer, self._transaction, final=final)
        if request is not self._request:
            pass  # an outstanding reply is looked for
        elif request.function not in ECHOED:
            self._note_echo(buffer, replied=bool(found))
        elif self._echoes and found and found[0].pdu == request.pdu:
            del found[0]  # the echo; the reply has the same bytes, and follows
            if not found:
                return None
        if not found:
            if final:
                self._refuse_other_unit(request, buffer)
            del buffer[: self.framing.unfinished(buffer)]
            return None
        pdu, end = found[-1].pdu, found[-1].end
        if any(frame.pdu != pdu for frame in found):
            return None  # two different replies: it is not known which of them belongs to the request
        del buffer[:end]
        if pdu[0] & EXCEPTION:
            raise exception_for(pdu[1], function=request.function)
        return without_surplus(request, pdu)

    def _note_echo(self, buffer: bytes | bytearray, *, replied: bool) -> None:
        """Note whether the adapter returns what is sent: with a read, whose reply never looks like its request."""
        self._echoed = not self.framing.numbered and (self._echoed or buffer.startswith(self._sent))
        if self._echoed or replied:
            self._echoes = self._echoed

    def _refuse_other_unit(self, request: ModbusRequest, buffer: bytes | bytearray) -> None:
        """Raise MalformedReplyError if the reply arrived under another unit identifier: it may be another device's."""
        unit = self.framing.other_unit(expected_reply(request), buffer, self._transaction)
        if unit is not None:
            raise MalformedReplyError(
                f"the reply to a request to unit {request.unit} carries unit {unit}",
                hint=f"If that is how this gateway or instrument responds, set accept_unit = {unit}",
            )

    def is_repeatable(self, request: ModbusRequest) -> bool:
        return request.function in REPEATABLE

    def address(self, request: ModbusRequest) -> int:
        return request.unit

    def reply_signature(self, request: ModbusRequest) -> object:
        return expected_reply(request)

    def variants(self, request: ModbusRequest) -> Sequence[ModbusRequest]:
        return (request,) if self.framing.numbered else variants(request, self._both_tables)

    def renumber(self, frame: bytes) -> None:
        if self.framing.numbered:
            self._transaction = (int.from_bytes(frame[:2]) - 1) & 0xFFFF

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

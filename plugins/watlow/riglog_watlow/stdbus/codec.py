"""Standard Bus to the client: a request becomes a frame, the frame that answers it becomes a reply.

Source: Watlow wire specification, sections 3, 5 and 7.
"""

from functools import lru_cache

from msgspec import Struct

from riglog.errors import MalformedReplyError
from riglog.protocol import Codec
from riglog_watlow.errors import refusal
from riglog_watlow.parameters import WireValue
from riglog_watlow.stdbus import frames, message

BAUDRATE = 38400

MASTERS = (*range(0x10), *range(0x20, 0x80))
"""Addresses that no controller has and a master may: the reply goes back to the one the request came from."""


class StdBusRequest(Struct, frozen=True, cache_hash=True):
    """Read one parameter, or write it: ``value`` is the VALUE field, type tag first.

    ``source`` is the master's address; None leaves it to the codec.
    """

    address: int
    selector: bytes
    value: bytes | None = None
    source: int | None = None


class StdBusReply(Struct, frozen=True):
    """The value as the controller sent it, and the payload it came in."""

    tag: int
    value: WireValue
    payload: bytes


@lru_cache(maxsize=4096)
def read_request(address: int, parameter_id: int, instance: int = 1) -> StdBusRequest:
    return StdBusRequest(address, message.selector(parameter_id, instance))


def write_request(address: int, parameter_id: int, instance: int, tag: int, value: WireValue) -> StdBusRequest:
    """Raises ValueError if the value does not fit the type."""
    return StdBusRequest(address, message.selector(parameter_id, instance), message.encode_value(tag, value))


@lru_cache(maxsize=4096)
def request_frame(request: StdBusRequest, source: int) -> bytes:
    """The same few requests go out again and again: their frames are made once."""
    if request.value is None:
        payload = bytes([message.FROM_MASTER, message.READ, message.ONE_VALUE]) + request.selector
    else:
        payload = bytes([message.FROM_MASTER, message.WRITE]) + request.selector + request.value
    return frames.frame_bytes(frames.REQUEST, frames.mac(request.address), source, payload)


@lru_cache(maxsize=4096)
def reply_start(request: StdBusRequest) -> bytes:
    """What the payload of the reply begins with; VALUE follows."""
    if request.value is None:
        return bytes([message.FROM_DEVICE, message.READ, message.ONE_VALUE]) + request.selector
    return bytes([message.FROM_DEVICE, message.WRITE]) + request.selector


class StdBusCodec(Codec[StdBusRequest, StdBusReply]):
    """One value per exchange. The reply goes back to the address of the master that asked.

    So after each failure we ask as another master: whatever is still on its way to the one before, an error reply that
    names no parameter included, cannot be taken for an answer to this one.
    """

    quarantine = 0.255
    gap = 40 / BAUDRATE

    def __init__(self) -> None:
        self._master = 0

    def encode(self, request: StdBusRequest) -> bytes:
        return request_frame(request, self._source(request))

    def decode(self, request: StdBusRequest, buffer: bytearray, *, final: bool = False) -> StdBusReply | None:
        expected = (frames.REPLY, self._source(request), frames.mac(request.address))
        start = reply_start(request)
        frame, position = frames.next_frame(buffer, 0, final=final)
        while frame is not None:
            payload = frame.payload
            if frame[:3] == expected and (payload.startswith(start) or message.is_refusal(payload)):
                del buffer[:position]
                return _reply(payload, start)
            frame, position = frames.next_frame(buffer, position, final=final)
        del buffer[:position]
        return None

    def address(self, request: StdBusRequest) -> object:
        return request.address

    def new_transaction_number(self) -> bool:
        self._master = (self._master + 1) % len(MASTERS)
        return True

    def diagnose(self, request: StdBusRequest, received: bytes) -> str:
        damages: set[frames.Damage] = set()
        frame, position = frames.next_frame(received, 0, final=True, damages=damages)
        skipped = frame is not None
        while frame is not None:
            frame, position = frames.next_frame(received, position, final=True, damages=damages)
        worst = next((damage.value for damage in frames.Damage if damage in damages), None)
        return worst or ("unmatched" if skipped else "no_reply")

    def _source(self, request: StdBusRequest) -> int:
        return MASTERS[self._master] if request.source is None else request.source


def _reply(payload: bytes, start: bytes) -> StdBusReply:
    if message.is_refusal(payload):
        raise refusal(payload[1])
    try:
        tag, value = message.decode_value(payload[len(start) :])
    except ValueError as error:
        raise MalformedReplyError(f"the reply's value cannot be read: {error}", payload=payload) from None
    return StdBusReply(tag, value, payload)

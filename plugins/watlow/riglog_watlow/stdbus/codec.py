"""Standard Bus for the client: encodes requests into frames, and finds the frame that is the reply to a request.

Source: Watlow wire specification, sections 3, 5 and 7.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from riglog.errors import MalformedReplyError
from riglog.protocol import Codec
from riglog_watlow.errors import refusal_error
from riglog_watlow.families import STDBUS_BAUDRATE
from riglog_watlow.parameters import WireValue
from riglog_watlow.stdbus import frames, message

MASTERS = (0x00, 0x03)
"""Source addresses for requests that controllers are known to accept. A reply is sent to the source of its request."""

ALL_MASTERS = (*MASTERS, *(source for source in (*range(0x10), *range(0x20, 0x80)) if source not in MASTERS))
"""Every address that no controller has."""

RESYNC_PARAMETERS = (1001, 1002, 1032)
"""Identity parameters, for resync requests: hardware, firmware, serial number."""


class StdBusRequest(Struct, frozen=True, cache_hash=True):
    """Read one parameter, or write it: ``value`` is the VALUE field, with its type tag first.

    ``source`` is the address of the master; None: the masters take turns.
    """

    address: int
    selector: bytes
    value: bytes | None = None
    source: int | None = None


class StdBusReply(Struct, frozen=True):
    """The value as the controller sent it, and the payload that contained it."""

    tag: int
    value: WireValue
    payload: bytes


@lru_cache(maxsize=4096)
def read_request(address: int, parameter_id: int, instance: int = 1) -> StdBusRequest:
    return StdBusRequest(address, message.selector(parameter_id, instance))


def write_request(address: int, parameter_id: int, instance: int, tag: int, value: WireValue) -> StdBusRequest:
    """Return the request to write a value.

    Raises:
        ValueError: the value does not fit the data type.
    """
    return StdBusRequest(address, message.selector(parameter_id, instance), message.encode_value(tag, value))


@lru_cache(maxsize=4096)
def request_frame(request: StdBusRequest, source: int) -> bytes:
    """Return the frame of a request. Cached, because polling sends the same few requests."""
    if request.value is None:
        payload = bytes([message.FROM_MASTER, message.READ, message.ONE_VALUE]) + request.selector
    else:
        payload = bytes([message.FROM_MASTER, message.WRITE]) + request.selector + request.value
    return frames.frame_bytes(frames.REQUEST, frames.mac(request.address), source, payload)


@lru_cache(maxsize=4096)
def reply_prefix(request: StdBusRequest) -> bytes:
    """Return the start of the reply's payload; VALUE follows."""
    if request.value is None:
        return bytes([message.FROM_DEVICE, message.READ, message.ONE_VALUE]) + request.selector
    return bytes([message.FROM_DEVICE, message.WRITE]) + request.selector


@lru_cache(maxsize=4096)
def variants(request: StdBusRequest, masters: tuple[int, ...]) -> tuple[StdBusRequest, ...]:
    """Return the same request from each of the masters."""
    if request.source is not None:
        return (request,)
    return tuple([msgspec.structs.replace(request, source=source) for source in masters])


class StdBusCodec(Codec[StdBusRequest, StdBusReply]):
    """One value per transaction. A reply is sent to the source address of its request.

    Therefore the masters take turns: a reply to an earlier request, also an error reply, which contains no parameter,
    cannot be taken for the reply to a later one.

    Args:
        masters: source addresses to use.
    """

    hold_off = 0.255
    inter_frame_gap = 40 / STDBUS_BAUDRATE

    def __init__(self, masters: tuple[int, ...] = MASTERS) -> None:
        self._masters = masters

    def encode(self, request: StdBusRequest) -> bytes:
        return request_frame(request, source_of(request))

    def decode(self, request: StdBusRequest, buffer: bytearray, *, final: bool = False) -> StdBusReply | None:
        expected = (frames.REPLY, source_of(request), frames.mac(request.address))
        prefix = reply_prefix(request)
        frame, position = frames.next_frame(buffer, 0, final=final)
        while frame is not None:
            payload = frame.payload
            if frame[:3] == expected and (payload.startswith(prefix) or message.is_refusal(payload)):
                del buffer[:position]
                return _reply(payload, prefix)
            frame, position = frames.next_frame(buffer, position, final=final)
        del buffer[:position]
        return None

    def is_repeatable(self, request: StdBusRequest) -> bool:
        """Return True for a read. A write is never repeated."""
        return request.value is None

    def address(self, request: StdBusRequest) -> object:
        return request.address

    def reply_signature(self, request: StdBusRequest) -> object:
        """Return the start of the reply and the master to which it is sent: the reply to a write has no value."""
        return reply_prefix(request), source_of(request)

    def variants(self, request: StdBusRequest) -> Sequence[StdBusRequest]:
        return variants(request, self._masters)

    def resync_request(self, request: StdBusRequest, outstanding: Sequence[StdBusRequest]) -> StdBusRequest | None:
        taken = {(other.selector, source_of(other)) for other in (request, *outstanding)}
        reads = [
            StdBusRequest(request.address, message.selector(parameter_id, 1), source=source)
            for parameter_id in RESYNC_PARAMETERS
            for source in self._masters
        ]
        return next((read for read in reads if (read.selector, read.source) not in taken), None)

    def diagnose(self, request: StdBusRequest, received: bytes) -> str:
        damages: set[frames.Damage] = set()
        frame, position = frames.next_frame(received, 0, final=True, damages=damages)
        has_frame = frame is not None
        while frame is not None:
            frame, position = frames.next_frame(received, position, final=True, damages=damages)
        worst = next((damage.value for damage in frames.Damage if damage in damages), None)
        return worst or ("unmatched" if has_frame else "no_reply")


def source_of(request: StdBusRequest) -> int:
    return MASTERS[0] if request.source is None else request.source


def _reply(payload: bytes, prefix: bytes) -> StdBusReply:
    if message.is_refusal(payload):
        raise refusal_error(payload[1])
    try:
        tag, value = message.decode_value(payload[len(prefix) :])
    except ValueError as error:
        raise MalformedReplyError(f"malformed reply: {error}", payload=payload) from None
    return StdBusReply(tag, value, payload)

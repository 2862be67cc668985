"""How the frames of a protocol are read on a line, by whoever sent them: for ``riglog raw`` and ``riglog tap``. Pure.

A codec finds the reply to a request of its own client. A frame reader sees the frames of another master as well as
those of the instruments, and finds out which of them is what.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct, structs

from riglog.device.context import DeviceContext
from riglog.model import Sample, Stamp, Status
from riglog.protocol import Codec

Request = TypeVar("Request")


class FrameKind(StrEnum):
    """What a frame is on the line."""

    REQUEST = "request"
    REPLY = "reply"
    UNSOLICITED = "unsolicited"  # sent by an instrument without a request
    DAMAGED = "damaged"  # bytes that are no frame


class SeenFrame(Struct, frozen=True):
    """One frame on the line.

    Attributes:
        text: its content in a few words, without times and bytes.
        address: of the instrument that it is from or for, if the protocol has addresses.
        request: of a request: what the codec knows it as; None if the codec has no such request.
        certain: False if it could be something else: its content is shown, and proves nothing.
    """

    kind: FrameKind
    raw: bytes
    text: str
    address: int | str | None = None
    request: Any = None
    certain: bool = True


class Incomplete(Struct, frozen=True):
    """A frame may begin here whose end has not been received yet."""


INCOMPLETE = Incomplete()


class FrameReader(ABC, Generic[Request]):
    """Reads the frames of one protocol. A reader belongs to one opened port: it may learn from frame to frame.

    Args:
        codec: of the protocol; it decides which requests change nothing, and which frame is the reply to a request.
        context: the device of the configuration. ``name`` is the name of the port in rows.
        timeout: seconds to wait for a reply, without the time that it takes on the line.

    Attributes:
        command_help: what ``command`` accepts, for messages.
        can_listen: False if the traffic of others cannot be listened to, as on a connection of one client.
    """

    command_help: str
    can_listen = True

    def __init__(self, codec: Codec[Request, Any], context: DeviceContext, timeout: float = 0.5) -> None:
        self.codec = codec
        self.context = context
        self.timeout = timeout

    @abstractmethod
    def command(self, words: Sequence[str]) -> Request:
        """Return the request of a command, in the terms of the protocol.

        Raises:
            ConfigError: it is none, with what would be right.
        """

    @abstractmethod
    def first_frame(self, data: bytes, awaited: Request | None, *, final: bool) -> SeenFrame | Incomplete | None:
        """Return the frame with which ``data`` begins; None if no frame begins there.

        Args:
            data: not empty.
            awaited: the request directly before, if there was one: its reply is expected here.
            final: no more bytes will arrive for a while; an incomplete frame will not be completed.
        """

    def has_reply(self, request: Request) -> bool:
        """Return False for a request to which the instrument sends no reply."""
        return True

    def fields(self, frame: SeenFrame, request: Request | None) -> Mapping[str, object]:
        """Return what is in a frame, by name; ``request``: of a reply, the request that it belongs to."""
        return {}

    def samples(self, frame: SeenFrame, request: Request | None, stamp: Stamp) -> Sequence[Sample]:
        """Return the values in a reply to ``request``, or in an unsolicited frame.

        None where their meaning is not proven.

        Raises:
            DeviceError, ProtocolError: the frame has no value.
        """
        return ()

    def at(self, address: int | str | None) -> DeviceContext:
        """Return the context of the instrument with an address: its rows have the name of the port and the address."""
        if address is None:
            return self.context
        return structs.replace(self.context, device=f"{self.context.device}-{address}", address=address)


def unchecked(sample: Sample) -> Sample:
    """Return a sample as suspect, because what proves its value or unit is in replies to other requests."""
    status = Status.SUSPECT if sample.status is Status.OK else sample.status
    return structs.replace(sample, status=status, flags=(*sample.flags, "unchecked"))

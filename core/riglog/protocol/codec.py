"""What a wire protocol is to the client: requests become bytes, bytes become replies. No I/O, no clock, no state."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

Request = TypeVar("Request")
Reply = TypeVar("Reply")


class Codec(ABC, Generic[Request, Reply]):
    """One wire protocol. Half a frame is not an error; the buffer keeps it until more comes."""

    quarantine: float | None = None
    """Seconds of silence after a failure before the next request; None: as long as the timeout."""

    gap: float = 0.0
    """Seconds of silence before every request."""

    @abstractmethod
    def encode(self, request: Request) -> bytes:
        """The request as bytes, whole."""

    @abstractmethod
    def decode(self, request: Request, buffer: bytearray, *, final: bool = False) -> Reply | None:
        """Take the reply to ``request`` out of the buffer, and all that stands before it; None: more is needed.

        What does not match the request by everything the wire offers (address, service, selector, function code,
        length) is no reply: it is dropped and the search goes on behind it. Unfinished input stays in the buffer.

        Args:
            final: nothing more will come; what was held back as an unfinished frame is searched once more.

        Raises:
            DeviceRefusedError: an intact reply to this request is an error code.
            MalformedReplyError: an intact reply to this request makes no sense.
        """

    def unsolicited(self, buffer: bytearray) -> Reply | None:
        """Take the next frame the instrument sent of itself; None: more is needed, or there is no such thing."""
        return None

    def address(self, request: Request) -> object:
        """Whose reply it must be, if every reply says who speaks; None if replies carry no address."""
        return None

    def reply_signature(self, request: Request) -> object:
        """What its reply looks like: a reply to one request can be taken for one to another only if these are equal."""
        return request

    def new_transaction_number(self) -> bool:
        """After a failure: let requests carry another number from now on, if the protocol has room for one.

        True: no reply to an older request can be taken for one to a later, so nothing need be flushed out.
        """
        return False

    def resync_request(self, request: Request, owed: Sequence[Request]) -> Request | None:
        """A harmless request to the same address whose reply cannot be taken for one to ``request`` or to any ``owed``.

        After a timeout the client sends it and throws away all that comes before its reply: instruments answer in
        order, so nothing older can come behind it. None: the protocol has no such request; silence must do.
        """
        return None

    def diagnose(self, request: Request, received: bytes) -> str:
        """One word for why ``received`` holds no reply to ``request``, for the error: ``no_frame``, ``bad_crc`` …"""
        return "unmatched" if received else "no_frame"

"""The interface of a wire protocol: encodes requests, decodes replies.

No I/O and no clock; no received data is kept. The only state a codec may have is what numbers its transactions.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from riglog.errors import DeviceRefusedError, MalformedReplyError

Request = TypeVar("Request")
Reply = TypeVar("Reply")


COPY_GAP = 0.003
"""Inter-frame gap in seconds where successive replies have equal signatures: a copy is then seen first."""


class Codec(ABC, Generic[Request, Reply]):
    """One wire protocol. An incomplete frame is not an error: it stays in the buffer until the rest arrives."""

    hold_off: float | None = None
    """Seconds for which the line must be idle after a failure before the next request; None: as long as the timeout."""

    usual_variants = 256
    """How many variants of a request are sent in turn while nothing is outstanding and no copies are known.

    The others cost more time on the line. 1: only the request itself.
    """

    inter_frame_gap: float = 0.0
    """Seconds for which the line must be idle before every request."""

    needs_gap_everywhere = False
    """True if the gap is needed for copies of replies, whatever the port is; otherwise only where a UART may be."""

    transaction_number: slice | None = None
    """The bytes of a frame that are the number of its transaction; None: the protocol has no numbers."""

    @abstractmethod
    def encode(self, request: Request) -> bytes:
        """Return the complete frame of a request."""

    @abstractmethod
    def decode(self, request: Request, buffer: bytearray, *, final: bool = False) -> Reply | None:
        """Return the reply to ``request``, or None if more bytes are needed.

        Removes the reply and everything before it from ``buffer``. A frame that does not match the request in every
        field the protocol provides (address, service, selector, function code, length) is not the reply: it is
        discarded and the search continues after it. An incomplete frame stays in the buffer.

        Args:
            final: no more bytes will arrive. Bytes that were held back as the start of an incomplete frame are searched
                again for a complete frame.

        Raises:
            DeviceRefusedError: an intact reply to this request carries an error code.
            MalformedReplyError: an intact reply to this request has invalid content.
        """

    def is_repeatable(self, request: Request) -> bool:
        """Return True if the request changes nothing in the device, so that it may be sent again after a timeout.

        Default: False, no request is ever repeated.
        """
        return False

    def unsolicited(self, buffer: bytearray) -> Reply | None:
        """Return the next frame that was sent without a request; None if it is incomplete or the protocol has none."""
        return None

    def address(self, request: Request) -> object:
        """Return the address that every reply carries; None if replies of this protocol carry no address."""
        return None

    def reply_signature(self, request: Request) -> object:
        """Return the signature of the reply to ``request``.

        A reply to one request can be mistaken for a reply to another only if the two signatures are equal.
        """
        return request

    def variants(self, request: Request) -> Sequence[Request]:
        """Return the ways to send the same request whose replies have different signatures, the usual one first.

        Each gives the same reply: what only the variant has asked for is cut off by ``decode``. The client takes them
        in turn, so that a late reply or a copy of an earlier one does not look like the reply to the present request.
        Default: the request alone.
        """
        return (request,)

    def replies_in(self, request: Request, received: bytes) -> Sequence[Reply | Exception]:
        """Return every reply to ``request`` in ``received``, wherever it is; a refusal as its exception.

        Used to recognise late replies and copies among bytes that were not awaited.
        """
        buffer = bytearray(received)
        found: list[Reply | Exception] = []
        while buffer:
            before = len(buffer)
            try:
                reply = self.decode(request, buffer, final=True)
            except (DeviceRefusedError, MalformedReplyError) as error:
                found.append(error)
            else:
                if reply is None:
                    break
                found.append(reply)
            if len(buffer) == before:
                break
        return found

    def new_transaction_number(self) -> bool:
        """Change the transaction number after a failure, if the protocol has one.

        Returns:
            True: no reply to an earlier request can match a later one, so no resynchronisation is needed.
        """
        return False

    def renumber(self, frame: bytes) -> None:
        """Continue with the transaction number of a frame that was sent: the next request gets this number.

        For bytes that are decoded again. Default: the protocol has no numbers.
        """
        return None

    def resync_request(self, request: Request, outstanding: Sequence[Request]) -> Request | None:
        """Return a read request to the same address whose reply cannot be mistaken for an outstanding one.

        Neither for the reply to ``request``, nor for that to any of ``outstanding``. The client sends it after a
        timeout and discards everything that arrives before its reply. Devices respond in order, so no older reply can
        follow. None: the protocol has no such request, and only the hold-off is used.
        """
        return None

    def confirming_request(self, request: Request, outstanding: Sequence[Request]) -> Request | None:
        """Return a read that confirms the reply to ``request``: its reply comes later, and cannot be mistaken for one.

        Neither for a reply to ``request``, nor for that to any of ``outstanding``. The client sends it while a copy or
        a late reply may arrive in place of the true one: the true one then comes before its reply. Default None: the
        client waits for the usual response time instead.
        """
        return None

    def diagnose(self, request: Request, received: bytes) -> str:
        """Return one word for why ``received`` contains no reply to ``request``: ``no_reply``, ``bad_crc`` …"""
        return "unmatched" if received else "no_reply"

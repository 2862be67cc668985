"""Where a frame starts and ends on the wire: what RTU, ASCII and TCP have in common."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from riglog.protocol.modbus.pdu import Expected
from riglog.transport import Link


class Frame(NamedTuple):
    """One checked frame. ``end`` is where it ends in the buffer; ``transaction`` is 0 on a serial line."""

    unit: int
    pdu: bytes
    end: int
    transaction: int = 0


class Framing(ABC):
    """One way to transmit a PDU. No I/O, no state."""

    protocol: str

    numbered = False
    """Every frame carries a transaction number, so a late reply cannot be taken for a later one."""

    needs_gap_everywhere = False
    """See ``Codec``."""

    @abstractmethod
    def wrap(self, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
        """Return the frame that carries ``pdu``."""

    @abstractmethod
    def unwrap(self, data: bytes) -> Frame | None:
        """Return the frame that ``data`` consists of; None if it is not exactly one intact frame."""

    @abstractmethod
    def replies(
        self, expected: Expected, buffer: bytes | bytearray, transaction: int = 0, *, final: bool = True
    ) -> list[Frame]:
        """Return every intact reply in the buffer that is the expected one, or its exception.

        Args:
            final: no more bytes will arrive. Otherwise bytes inside an incomplete frame of another server are left.
        """

    def other_unit(self, expected: Expected, buffer: bytes | bytearray, transaction: int) -> int | None:
        """Return the unit whose identifier a reply carries that is the expected one in everything else; None: none.

        Only a transaction number can prove that it is; by default there is none.
        """
        return None

    @abstractmethod
    def requests(self, buffer: bytes | bytearray) -> list[Frame]:
        """Return every intact request in the buffer, to any unit, as a server receives it."""

    @abstractmethod
    def unfinished(self, buffer: bytes | bytearray) -> int:
        """Return where an incomplete frame may start; everything before it can be discarded."""

    @abstractmethod
    def diagnose(self, expected: Expected, received: bytes) -> str:
        """Return one word for why there is no reply in ``received``, which is not empty."""

    def readdressed(self, data: bytes, unit: int) -> bytes:
        """Return the same frame with another unit identifier, for simulators."""
        frame = self.unwrap(data)
        return b"" if frame is None else self.wrap(unit, frame.pdu, frame.transaction)

    @abstractmethod
    def size(self, pdu: int) -> int:
        """Return the number of characters on the wire for a PDU of ``pdu`` bytes."""

    def inter_frame_gap(self, link: Link) -> float:
        """Return the inter-frame gap in seconds."""
        return 0.0


def matching(expected: Expected, frames: list[Frame]) -> list[Frame]:
    """Return the frames that are the expected reply, or its exception."""
    exception_reply = expected.exception_reply
    return [
        frame
        for frame in frames
        if expected.matches(frame.unit, frame.pdu) or exception_reply.matches(frame.unit, frame.pdu)
    ]

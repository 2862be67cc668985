"""Where a frame begins and ends on the wire: what RTU, ASCII and TCP have in common."""

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
    """One way to put a PDU on the wire. No I/O, no state."""

    protocol: str

    numbered = False
    """Every frame names its transaction, so nothing late can be taken for a reply."""

    @abstractmethod
    def wrap(self, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
        """The frame that carries ``pdu``."""

    @abstractmethod
    def unwrap(self, data: bytes) -> Frame | None:
        """The frame that ``data`` is, from its first byte to its last; None if it is none, or damaged."""

    @abstractmethod
    def replies(
        self, wanted: Expected, buffer: bytes | bytearray, transaction: int = 0, *, final: bool = True
    ) -> list[Frame]:
        """Every intact reply in the buffer that answers what is wanted, an exception included.

        Args:
            final: nothing more will come. Otherwise what lies inside an unfinished frame of somebody else waits.
        """

    @abstractmethod
    def requests(self, buffer: bytes | bytearray) -> list[Frame]:
        """Every intact request in the buffer, whoever is meant, as a slave hears it."""

    @abstractmethod
    def unfinished(self, buffer: bytes | bytearray) -> int:
        """From where on the buffer may still become a frame; what stands before it is junk."""

    @abstractmethod
    def diagnose(self, wanted: Expected, received: bytes) -> str:
        """One word for why there is no reply in ``received``, which is not empty."""

    def readdressed(self, data: bytes, unit: int) -> bytes:
        """The same frame with another unit in it, for simulators."""
        frame = self.unwrap(data)
        return b"" if frame is None else self.wrap(unit, frame.pdu, frame.transaction)

    @abstractmethod
    def size(self, pdu: int) -> int:
        """Characters on the wire for a PDU of so many bytes."""

    def inter_frame_gap(self, link: Link) -> float:
        """Seconds of silence between two frames."""
        return 0.0


def answering(wanted: Expected, frames: list[Frame]) -> list[Frame]:
    """Those that answer what is wanted, or refuse it."""
    refusal = wanted.refusal
    return [one for one in frames if wanted.matches(one.unit, one.pdu) or refusal.matches(one.unit, one.pdu)]

"""The interface of a simulated peer: the other end of a port, as bytes with times.

``riglog.simulation.transport`` connects it within the process, ``riglog.simulation.serve`` to other programs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable


class SimulatedPeer(ABC):
    """The other end of a port. No I/O and no clock: the time is an argument, in seconds, that never decreases."""

    @abstractmethod
    def send(self, data: bytes, now: float) -> None:
        """Accept ``data`` from the host."""

    @abstractmethod
    def take(self, now: float) -> bytes:
        """Return the output that has arrived at the host by now; each byte once."""

    @abstractmethod
    def next_due(self, now: float) -> float | None:
        """Return the time at which ``take`` has output next; None: not before the host sends something."""

    def note_open(self, now: float) -> None:
        """Note that a program has opened the port, as far as it is known. Default: ignored."""

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        """Note the serial settings of the host, as far as they are known. Default: ignored."""


class Arrivals:
    """Bytes in transit, in pieces that have a time of arrival each."""

    def __init__(self) -> None:
        self._pieces: list[tuple[float, bytes]] = []

    def add(self, pieces: Iterable[tuple[float, bytes]]) -> None:
        """Add pieces, each a time of arrival and its bytes."""
        self._pieces = sorted([*self._pieces, *pieces], key=lambda piece: piece[0])

    def take(self, now: float) -> bytes:
        """Return the bytes that have arrived by now; each byte once."""
        arrived = [data for due, data in self._pieces if due <= now]
        self._pieces = self._pieces[len(arrived) :]
        return b"".join(arrived)

    def next_due(self) -> float | None:
        """Return the time of the next arrival; None if nothing is in transit."""
        return self._pieces[0][0] if self._pieces else None

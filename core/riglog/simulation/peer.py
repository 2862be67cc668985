"""The far end of a port as bytes with times. ``simulated`` plays it in this process, ``serving`` serves it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable


class SimulatedPeer(ABC):
    """No I/O and no clock: the time is an argument, in seconds, and only grows."""

    @abstractmethod
    def send(self, data: bytes, now: float) -> None:
        """The host said ``data``."""

    @abstractmethod
    def take(self, now: float) -> bytes:
        """What has reached the host by now; each byte once."""

    @abstractmethod
    def next_due(self, now: float) -> float | None:
        """When ``take`` has something next; None if not before the host speaks."""


class Arrivals:
    """Bytes on their way: each piece with the time at which it arrives."""

    def __init__(self) -> None:
        self._pieces: list[tuple[float, bytes]] = []

    def add(self, pieces: Iterable[tuple[float, bytes]]) -> None:
        self._pieces = sorted([*self._pieces, *pieces], key=lambda piece: piece[0])

    def take(self, now: float) -> bytes:
        """What has arrived by now; each byte once."""
        arrived = [data for due, data in self._pieces if due <= now]
        self._pieces = self._pieces[len(arrived) :]
        return b"".join(arrived)

    def next_due(self) -> float | None:
        return self._pieces[0][0] if self._pieces else None

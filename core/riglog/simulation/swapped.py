"""Another instrument in the place of the first one, while the line stays up."""

from collections.abc import Iterable

from riglog.simulation.simulator import Simulator


class SwappedSimulator(Simulator):
    """A simulator that is replaced by others at given times, as when somebody exchanges instruments on a live line.

    A request that was incomplete at that time is lost. ``set`` changes the instrument that is connected.

    Args:
        first: the instrument at the beginning.
        later: pairs of a time in seconds, on the clock of ``receive``, and the instrument that is connected from then.
    """

    def __init__(self, first: Simulator, later: Iterable[tuple[float, Simulator]]) -> None:
        self.connected = first
        self._later = sorted(later, key=lambda swap: swap[0], reverse=True)

    @property
    def latency(self) -> float:  # type: ignore[override]
        return self.connected.latency

    def receive(self, data: bytes, now: float) -> bytes:
        return self._at(now).receive(data, now)

    def idle(self, now: float) -> bytes:
        return self._at(now).idle(now)

    def next_due(self, now: float) -> float | None:
        due = self._at(now).next_due(now)
        swap = self._later[-1][0] if self._later else None  # the next instrument may send something, or send it earlier
        return min((time for time in (due, swap) if time is not None), default=None)

    def foreign(self, reply: bytes) -> bytes:
        return self.connected.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self.connected.set(name, value)

    def _at(self, now: float) -> Simulator:
        while self._later and now >= self._later[-1][0]:
            _, self.connected = self._later.pop()
        return self.connected

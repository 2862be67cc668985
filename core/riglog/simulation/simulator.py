"""The far end of the wire, without I/O and without a clock: bytes and the time go in, bytes come out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable


class Simulator(ABC):
    """One instrument, or several on one line. Times are seconds on any steady clock; they only have to grow."""

    latency: float = 0.002
    """Seconds from the last byte of a request to the first byte of its reply."""

    @abstractmethod
    def receive(self, data: bytes, now: float) -> bytes:
        """Bytes arrived, perhaps half a request; the reply to what is complete by now, or ``b""``."""

    def idle(self, now: float) -> bytes:
        """What the instrument says of itself by now (broadcast, autoprint); each byte once."""
        return b""

    def next_due(self, now: float) -> float | None:
        """When ``idle`` next has something to say; None if never by itself."""
        return None

    def foreign(self, reply: bytes) -> bytes:
        """The same reply as another instrument on the line would give it, for the fault of that name."""
        return b""

    def set(self, name: str, value: str) -> None:
        """Change a setting of the simulated instrument, as ``riglog simulate --set NAME=VALUE`` does.

        Raises:
            ConfigError: no such knob, or not such a value.
        """
        from riglog.errors import ConfigError

        raise ConfigError(f"the simulator has nothing called {name!r} to set")


class SimulatedBus(Simulator):
    """Several simulators on one pair of wires: everybody hears the request, whoever is meant answers."""

    def __init__(self, simulators: Iterable[Simulator] = ()) -> None:
        self.simulators = list(simulators)

    @property
    def latency(self) -> float:  # type: ignore[override]
        return max((simulator.latency for simulator in self.simulators), default=0.0)

    def receive(self, data: bytes, now: float) -> bytes:
        return b"".join([simulator.receive(data, now) for simulator in self.simulators])

    def idle(self, now: float) -> bytes:
        return b"".join([simulator.idle(now) for simulator in self.simulators])

    def next_due(self, now: float) -> float | None:
        times = [due for simulator in self.simulators if (due := simulator.next_due(now)) is not None]
        return min(times, default=None)

    def foreign(self, reply: bytes) -> bytes:
        return next((other for simulator in self.simulators if (other := simulator.foreign(reply))), b"")

"""The interface of a simulator: a simulated instrument that turns requests into replies. No I/O and no clock."""

from abc import ABC, abstractmethod
from collections.abc import Iterable


class Simulator(ABC):
    """A simulated instrument, or several on one bus. ``now`` is in seconds and never decreases."""

    latency: float = 0.002
    """Seconds from the last byte of a request to the first byte of its reply."""

    @abstractmethod
    def receive(self, data: bytes, now: float) -> bytes:
        """Accept input, possibly an incomplete request; return the reply to what is complete by now, or ``b""``."""

    def idle(self, now: float) -> bytes:
        """Return the unsolicited output (broadcast, autoprint) up to now; each byte once."""
        return b""

    def next_due(self, now: float) -> float | None:
        """Return the time of the next unsolicited output; None if there is none."""
        return None

    def foreign(self, reply: bytes) -> bytes:
        """Return the same reply as another instrument on the bus would send it, for the fault ``foreign``."""
        return b""

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        """Note the serial settings of the port at the other end, as far as they are known.

        An instrument that was told to change its own does not understand what comes with others. Default: ignored.
        """

    def set(self, name: str, value: str) -> None:
        """Change the state of the simulated instrument, as ``riglog simulate --set NAME=VALUE`` does.

        Raises:
            ConfigError: an unknown name, or an invalid value.
        """
        from riglog.errors import ConfigError

        raise ConfigError(f"--set: unknown setting {name!r} of the simulator")


class SimulatedBus(Simulator):
    """Several simulators on one bus: all receive each request, and the one that is addressed responds."""

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

    def note_port(self, baudrate: int | None, parity: str | None = None) -> None:
        for simulator in self.simulators:
            simulator.note_port(baudrate, parity)

    def foreign(self, reply: bytes) -> bytes:
        return next((other for simulator in self.simulators if (other := simulator.foreign(reply))), b"")

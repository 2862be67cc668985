"""A scripted port for tests: the exact requests it expects, and the replies with their times."""

from collections.abc import Iterable

from msgspec import Struct

from riglog.simulation.peer import Arrivals, SimulatedPeer
from riglog.simulation.transport import SimulatedTransport


class ScriptStep(Struct, frozen=True):
    """``sent`` is the request that must come next; ``replies`` are pairs of seconds after it and bytes."""

    sent: bytes
    replies: tuple[tuple[float, bytes], ...] = ()


def step(sent: bytes, *replies: bytes | tuple[float, bytes]) -> ScriptStep:
    """Return a step of a script; a reply without a time arrives at once."""
    return ScriptStep(sent, tuple(reply if isinstance(reply, tuple) else (0.0, reply) for reply in replies))


class Script(SimulatedPeer):
    """Replays a script. Any other request raises an AssertionError that shows both."""

    def __init__(self, steps: Iterable[ScriptStep]) -> None:
        self._steps = list(steps)
        self._arriving = Arrivals()

    @property
    def finished(self) -> bool:
        """True if every request was sent and every reply was received."""
        return not self._steps and self._arriving.next_due() is None

    def send(self, data: bytes, now: float) -> None:
        assert self._steps, f"unexpected request after the end of the script: {data.hex(' ')}"
        expected = self._steps.pop(0)
        assert data == expected.sent, f"script mismatch: sent {data.hex(' ')}, expected {expected.sent.hex(' ')}"
        self._arriving.add((now + delay, reply) for delay, reply in expected.replies)

    def take(self, now: float) -> bytes:
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arriving.next_due()


def scripted(*steps: ScriptStep, port: str = "scripted") -> SimulatedTransport:
    """Return a transport that replays a script."""
    return SimulatedTransport(Script(steps), port=port)

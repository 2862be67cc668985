"""An exact dialogue to replay, for tests: what must be said, and what comes back when."""

from collections.abc import Iterable

from msgspec import Struct

from riglog.simulation.peer import Arrivals, SimulatedPeer
from riglog.simulation.transport import SimulatedTransport


class ScriptStep(Struct, frozen=True):
    """``sent`` is what the host must say; ``replies`` are (seconds after it, bytes)."""

    sent: bytes
    replies: tuple[tuple[float, bytes], ...] = ()


def step(sent: bytes, *replies: bytes | tuple[float, bytes]) -> ScriptStep:
    """A line of a dialogue; a reply without a time comes at once."""
    return ScriptStep(sent, tuple(reply if isinstance(reply, tuple) else (0.0, reply) for reply in replies))


class Script(SimulatedPeer):
    """Plays a dialogue. Saying anything else is an AssertionError that shows both."""

    def __init__(self, dialogue: Iterable[ScriptStep]) -> None:
        self._dialogue = list(dialogue)
        self._arriving = Arrivals()

    @property
    def finished(self) -> bool:
        """Everything was said and everything was read."""
        return not self._dialogue and self._arriving.next_due() is None

    def send(self, data: bytes, now: float) -> None:
        assert self._dialogue, f"nothing more should be sent, but: {data.hex(' ')}"
        expected = self._dialogue.pop(0)
        assert data == expected.sent, f"sent {data.hex(' ')}, the dialogue says {expected.sent.hex(' ')}"
        self._arriving.add((now + delay, reply) for delay, reply in expected.replies)

    def take(self, now: float) -> bytes:
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arriving.next_due()


def scripted(*dialogue: ScriptStep, port: str = "scripted") -> SimulatedTransport:
    """A transport that replays ``dialogue``."""
    return SimulatedTransport(Script(dialogue), port=port)

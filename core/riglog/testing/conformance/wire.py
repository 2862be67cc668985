"""The wire of the kit: a FaultyWire that keeps what was sent, and a port whose awaits are counted."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import anyio
import anyio.lowlevel

from riglog.protocol import Codec
from riglog.simulation import Fault, FaultyWire, SimulatedBus, SimulatedTransport, Simulator


class KitWire(FaultyWire):
    """A wire that keeps every request, can return what is sent, and can hold up all replies.

    Attributes:
        requests: what was sent, in order, also while the instrument is off.
        echo: the adapter returns what is sent before the reply.
        loses_reply: whether the reply to a request is lost.
        held_until: until this time no reply arrives; then all do, in order. None: replies are not held up.
    """

    def __init__(self, simulator: Simulator, **options: Any) -> None:
        super().__init__(simulator, **options)
        self.requests: list[bytes] = []
        self.echo = False
        self.loses_reply: Callable[[bytes], bool] = lambda request: False
        self.held_until: float | None = None
        self._last_held = 0.0

    def inject(self, script: Iterable[Fault | None]) -> None:
        """Let the next replies have these faults."""
        self._script = iter(script)

    def send(self, data: bytes, now: float) -> None:
        self.requests.append(data)
        if self.echo:
            self._arriving.add([(now, data)])
        if self.loses_reply(data):
            self.inject(chain([Fault.DROP], self._script))
        super().send(data, now)

    def _damaged(self, reply: bytes, due: float, fault: Fault | None) -> list[tuple[float, bytes]]:
        pieces = super()._damaged(reply, due, fault)
        if self.held_until is None:
            return pieces
        self._last_held = max(self._last_held + 0.01, self.held_until)
        return [(max(due, self._last_held), data) for due, data in pieces]


class KitTransport(SimulatedTransport):
    """A simulated port that cancels a scope at its n-th await, counted from ``cancel_at``."""

    def __init__(self, peer: KitWire, *, port: str) -> None:
        super().__init__(peer, port=port)
        self._left = 0
        self._scope: anyio.CancelScope | None = None

    def cancel_at(self, number: int, scope: anyio.CancelScope) -> None:
        """Cancel ``scope`` at the n-th await from now on."""
        self._left, self._scope = number, scope

    async def receive(self) -> bytes:
        await self._await()
        return await super().receive()

    async def send(self, data: bytes) -> None:
        await self._await()
        await super().send(data)

    async def _await(self) -> None:
        if self._scope is None:
            return
        self._left -= 1
        if self._left == 0:
            scope, self._scope = self._scope, None
            scope.cancel()
            await anyio.lowlevel.checkpoint()


class ChangeLog:
    """Which requests of a codec change the instrument, by ``Codec.is_repeatable``."""

    def __init__(self) -> None:
        self.changes: list[Any] = []
        self.frames: dict[bytes, bool] = {}

    def watch(self, codec: Codec[Any, Any]) -> None:
        """Note every request that the codec encodes from now on, once for each time."""
        encode = codec.encode

        def noted(request: Any) -> bytes:
            frame = encode(request)
            changes = not codec.is_repeatable(request)
            self.frames[frame] = changes
            if changes:
                self.changes.append(request)
            return frame

        codec.encode = noted  # type: ignore[method-assign]


class NoisySimulator(Simulator):
    """Replies to everything with other bytes: another device, at another baud rate."""

    def __init__(self, noise: Iterator[bytes]) -> None:
        self._noise = noise

    def receive(self, data: bytes, now: float) -> bytes:
        return next(self._noise)


def on_one_line(simulators: Iterable[Simulator]) -> Simulator:
    """Return one simulator for all of them."""
    found = list(simulators)
    return found[0] if len(found) == 1 else SimulatedBus(found)


class Flood(Simulator):
    """Replies to everything with more bytes than any instrument sends."""

    def receive(self, data: bytes, now: float) -> bytes:
        return (b"\xaa" * 1000 + b"\r\n") * 70

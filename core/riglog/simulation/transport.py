"""A simulated port: connects a client to a simulated peer within the process, on the clock of the event loop."""

import anyio

from riglog.errors import ConnectionLostError
from riglog.simulation.peer import SimulatedPeer
from riglog.transport.base import Transport


class SimulatedTransport(Transport):
    """A port whose other end is a simulated peer, usually a FaultyWire around a simulator."""

    def __init__(self, peer: SimulatedPeer, *, port: str = "sim:") -> None:
        self.port = port
        self.peer = peer
        self.sent = 0
        self._changed = anyio.Event()
        self._open = True
        self._cut = False

    def cut(self) -> None:
        """Unplug the cable: every call raises ConnectionLostError from now on, also one that waits already."""
        self._cut = True
        self._wake()

    async def receive(self) -> bytes:
        while True:
            self._check()
            now = anyio.current_time()
            if data := self.peer.take(now):
                return data
            due = self.peer.next_due(now)
            with anyio.move_on_after(None if due is None else max(due - now, 0)):
                await self._changed.wait()

    async def send(self, data: bytes) -> None:
        self._check()
        self.sent += len(data)
        self.peer.send(data, anyio.current_time())
        self._wake()

    def receive_nowait(self) -> bytes:
        self._check()
        return self.peer.take(anyio.current_time())

    async def aclose(self) -> None:
        self._open = False
        self._wake()

    def _check(self) -> None:
        if not self._open:
            raise anyio.ClosedResourceError
        if self._cut:
            raise ConnectionLostError("connection lost: simulated cable unplugged", port=self.port)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

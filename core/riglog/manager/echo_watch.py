"""Whether a port returns what is sent: an adapter for two-wire RS-485 can, and an open line with some wiring faults."""

from riglog.transport import Transport

LEAST_ECHOES = 2
"""One request that is returned can be the reply: a Modbus loopback is."""


class EchoWatch(Transport):
    """Forwards everything, and compares what is received after each request with the request."""

    def __init__(self, inner: Transport) -> None:
        self.port = inner.port
        self._inner = inner
        self._sent = b""
        self._received = b""
        self._echoed = 0
        self._others = 0

    @property
    def echoes(self) -> bool:
        """True if every request that was followed by any bytes was followed by itself."""
        self._compare()
        return self._echoed >= LEAST_ECHOES and not self._others

    async def receive(self) -> bytes:
        return self._noted(await self._inner.receive())

    async def send(self, data: bytes) -> None:
        self._compare()
        self._sent = data
        await self._inner.send(data)

    def receive_nowait(self) -> bytes:
        data = self._inner.receive_nowait()
        self.flooded = self._inner.flooded
        return self._noted(data)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _noted(self, data: bytes) -> bytes:
        self._received = (self._received + data)[: max(len(self._sent), 1)]
        return data

    def _compare(self) -> None:
        """Count what was received since the last request."""
        if self._sent and self._received == self._sent:
            self._echoed += 1
        elif not self._sent.startswith(self._received):  # else it is the beginning, or nothing
            self._others += 1
        self._sent = self._received = b""

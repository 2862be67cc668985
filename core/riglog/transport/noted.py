"""A port that notes what is sent and received, with the seconds between them."""

import anyio

from riglog.transport.base import Transport


class NotedTransport(Transport):
    """Forwards to another transport. ``exchanges``: what was sent, and what was received until the next one."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.port = inner.port
        self.exchanges: list[tuple[bytes, list[tuple[float, bytes]]]] = []
        self._sent_at = anyio.current_time()

    @property
    def has_line_time(self) -> bool:  # type: ignore[override]
        return self.inner.has_line_time

    @property
    def flooded(self) -> bool:  # type: ignore[override]
        return self.inner.flooded

    async def receive(self) -> bytes:
        return self._noted(await self.inner.receive())

    def receive_nowait(self) -> bytes:
        return self._noted(self.inner.receive_nowait())

    async def send(self, data: bytes) -> None:
        self.exchanges.append((data, []))
        self._sent_at = anyio.current_time()
        await self.inner.send(data)

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _noted(self, data: bytes) -> bytes:
        if data and self.exchanges:
            self.exchanges[-1][1].append((round(anyio.current_time() - self._sent_at, 6), data))
        return data

"""A transport that can be closed and opened again while clients keep using it."""

import anyio

from riglog.errors import ConnectionLostError
from riglog.transport import Transport


class ReconnectableTransport(Transport):
    """Forwards everything to the present transport; while there is none, the connection is lost."""

    def __init__(self, port: str, inner: Transport | None = None) -> None:
        self.port = port
        self.inner = inner

    @property
    def has_line_time(self) -> bool:  # type: ignore[override]
        return self.inner is not None and self.inner.has_line_time

    async def receive(self) -> bytes:
        try:
            return await self._present().receive()
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    async def send(self, data: bytes) -> None:
        try:
            await self._present().send(data)
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    def receive_nowait(self) -> bytes:
        try:
            return self._present().receive_nowait()
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    async def aclose(self) -> None:
        inner, self.inner = self.inner, None
        if inner is not None:
            await inner.aclose()

    def _present(self) -> Transport:
        if self.inner is None:
            raise self._disconnected()
        return self.inner

    def _disconnected(self) -> ConnectionLostError:
        return ConnectionLostError("port disconnected", port=self.port)

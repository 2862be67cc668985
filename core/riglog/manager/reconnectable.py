"""A port that can be closed and opened again underneath those who use it."""

import anyio

from riglog.errors import ConnectionLostError
from riglog.transport import Transport


class ReconnectableTransport(Transport):
    """Hands everything on to the transport that is there now; while there is none, the connection is lost."""

    def __init__(self, port: str, inner: Transport | None = None) -> None:
        self.port = port
        self.inner = inner

    async def receive(self) -> bytes:
        try:
            return await self._there().receive()
        except anyio.ClosedResourceError:
            raise self._away() from None

    async def send(self, data: bytes) -> None:
        try:
            await self._there().send(data)
        except anyio.ClosedResourceError:
            raise self._away() from None

    def receive_nowait(self) -> bytes:
        try:
            return self._there().receive_nowait()
        except anyio.ClosedResourceError:
            raise self._away() from None

    async def aclose(self) -> None:
        inner, self.inner = self.inner, None
        if inner is not None:
            await inner.aclose()

    def _there(self) -> Transport:
        if self.inner is None:
            raise self._away()
        return self.inner

    def _away(self) -> ConnectionLostError:
        return ConnectionLostError("port is away", port=self.port)

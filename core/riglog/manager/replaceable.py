"""A port that can be closed and opened again underneath those who use it."""

from riglog.errors import ConnectionLostError
from riglog.transport import Transport


class ReplaceableTransport(Transport):
    """Hands everything on to the transport that is there now; while there is none, the connection is lost."""

    def __init__(self, port: str, inner: Transport | None = None) -> None:
        self.port = port
        self.inner = inner

    async def receive(self) -> bytes:
        return await self._there().receive()

    async def send(self, data: bytes) -> None:
        await self._there().send(data)

    def receive_now(self) -> bytes:
        return self._there().receive_now()

    async def aclose(self) -> None:
        inner, self.inner = self.inner, None
        if inner is not None:
            await inner.aclose()

    def _there(self) -> Transport:
        if self.inner is None:
            raise ConnectionLostError("port is away", port=self.port)
        return self.inner

"""A transport that can be closed and opened again while clients keep using it."""

import anyio

from riglog.errors import ConnectionLostError
from riglog.transport import Transport

MAX_KEPT_BYTES = 4096
"""Input that is kept when nothing but a loss was looked for. The rest stays where it is."""


class ReconnectableTransport(Transport):
    """Forwards everything to the present transport; while there is none, the connection is lost."""

    def __init__(self, port: str, inner: Transport | None = None) -> None:
        self.port = port
        self.inner = inner
        self._kept = b""

    def look_for_loss(self) -> None:
        """Notice a lost connection without a request. Input that has arrived stays input.

        Raises:
            ConnectionLostError: the connection is gone.
        """
        if len(self._kept) < MAX_KEPT_BYTES:
            self._kept = self.receive_nowait()

    @property
    def has_line_time(self) -> bool:  # type: ignore[override]
        return self.inner is not None and self.inner.has_line_time

    @property
    def may_have_uart(self) -> bool:  # type: ignore[override]
        return self.inner is None or self.inner.may_have_uart

    async def receive(self) -> bytes:
        if self._kept:
            return self._take_kept()
        try:
            return await self._present().receive()
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    async def receive_within(self, seconds: float) -> bytes:
        if self._kept:
            return self._take_kept()
        try:
            return await self._present().receive_within(seconds)
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    async def send(self, data: bytes) -> None:
        try:
            await self._present().send(data)
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    def receive_nowait(self) -> bytes:
        try:
            return self._take_kept() + self._present().receive_nowait()
        except anyio.ClosedResourceError:
            raise self._disconnected() from None

    @property
    def flooded(self) -> bool:  # type: ignore[override]
        return self.inner is not None and self.inner.flooded

    @property
    def can_be_mute(self) -> bool:  # type: ignore[override]
        return self.inner is not None and self.inner.can_be_mute

    async def aclose(self) -> None:
        inner, self.inner, self._kept = self.inner, None, b""
        if inner is not None:
            await inner.aclose()

    def _take_kept(self) -> bytes:
        kept, self._kept = self._kept, b""
        return kept

    def _present(self) -> Transport:
        if self.inner is None:
            raise self._disconnected()
        return self.inner

    def _disconnected(self) -> ConnectionLostError:
        return ConnectionLostError("port disconnected", port=self.port)

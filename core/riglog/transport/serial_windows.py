"""Serial ports on Windows, where a COM handle cannot be waited for: one worker thread per port.

Not tested on Windows: this project's machines run Linux, where this file is exercised over a pseudo-terminal.
A read blocks for at most ``READ_SECONDS`` and is never abandoned, so a cancelled read cannot steal bytes.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from riglog.errors import ConnectionLostError
from riglog.transport.base import Transport

READ_SECONDS = 0.05
T = TypeVar("T")


class ThreadedSerialTransport(Transport):
    """A serial port whose blocking calls run in worker threads, one at a time in each direction."""

    def __init__(self, opened: Any, port: str) -> None:
        self.port = port
        self._serial = opened
        self._reading = anyio.CapacityLimiter(1)
        self._writing = anyio.CapacityLimiter(1)
        self._open = True

    async def receive(self) -> bytes:
        data = b""
        while not data:
            data = await self._in_thread(self._read, self._reading)
        return data

    async def send(self, data: bytes) -> None:
        await self._in_thread(lambda: self._serial.write(data), self._writing)

    def receive_nowait(self) -> bytes:
        try:
            data: bytes = self._serial.read(self._serial.in_waiting)
        except Exception as error:
            raise self._lost(error) from error
        return data

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._serial.close)

    def _read(self) -> bytes:
        data: bytes = self._serial.read(1)
        return data + self._serial.read(self._serial.in_waiting) if data else b""

    async def _in_thread(self, call: Callable[[], T], limiter: anyio.CapacityLimiter) -> T:
        if not self._open:
            raise anyio.ClosedResourceError
        try:
            return await anyio.to_thread.run_sync(call, limiter=limiter)
        except Exception as error:
            if not self._open:
                raise anyio.ClosedResourceError from error
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> ConnectionLostError:
        return ConnectionLostError(f"port lost: {error}", hint="check cable and adapter", port=self.port)

"""Serial ports on Windows, where the event loop cannot wait for a COM handle: blocking calls in worker threads.

Tested only on Linux, over a pseudo-terminal. A read blocks for at most ``READ_SECONDS`` (of ``serial``), and is never
abandoned, so a cancelled ``receive`` loses no bytes.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from riglog.errors import ConnectionLostError
from riglog.log import get_logger
from riglog.transport.base import Transport
from riglog.transport.read_limit import ReadLimit

T = TypeVar("T")
log = get_logger("riglog.transport")


class ThreadedSerialTransport(Transport):
    """A serial port whose blocking calls run in worker threads, one at a time in each direction."""

    has_line_time = True

    def __init__(self, opened: Any, port: str) -> None:
        self.port = port
        self._serial = opened
        self._reading = anyio.CapacityLimiter(1)
        self._writing = anyio.CapacityLimiter(1)
        self._open = True
        self._read_limit = ReadLimit()

    async def receive(self) -> bytes:
        await self._read_limit.wait()
        data = b""
        while not data:
            data = await self._in_thread(self._read, self._reading)
        self._read_limit.spend(len(data))
        return data

    async def send(self, data: bytes) -> None:
        await self._in_thread(lambda: self._serial.write(data), self._writing)

    def receive_nowait(self) -> bytes:
        self.flooded = self._read_limit.exhausted
        if self.flooded:
            return b""
        try:
            data: bytes = self._serial.read(self._serial.in_waiting)
        except Exception as error:
            raise self._lost(error) from error
        self._read_limit.spend(len(data))
        return data

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._serial.close)
            log.debug("%s: closed", self.port)

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
        log.debug("%s: connection lost: %s", self.port, error)
        return ConnectionLostError(f"connection lost: {error}", hint="Check cable and adapter", port=self.port)

"""Reading and writing by readiness: try first, wait only when there is nothing. Serial (POSIX) and TCP are this."""

import os
from abc import abstractmethod
from typing import Protocol

import anyio
import anyio.lowlevel

from riglog.errors import ConnectionLostError
from riglog.transport.base import Transport

CHUNK = 4096


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class NonblockingTransport(Transport):
    """A transport over something the event loop can wait for."""

    hint = "check the cable"

    def __init__(self, port: str, waitable: HasFileno) -> None:
        self.port = port
        self._fd = waitable.fileno()
        self._open = True

    @abstractmethod
    def _read(self) -> bytes:
        """Read what is there; BlockingIOError when nothing is, ``b""`` at a hang-up."""

    @abstractmethod
    def _write(self, data: memoryview) -> int:
        """Write some; BlockingIOError when nothing fits."""

    @abstractmethod
    def _close(self) -> None:
        """Close the thing underneath."""

    async def receive(self) -> bytes:
        while True:
            try:
                return self._taken()
            except BlockingIOError:
                await anyio.wait_readable(self._fd)

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._check_open()
            try:
                view = view[self._write(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._fd)
            except OSError as error:
                raise self._lost(error) from error

    def receive_nowait(self) -> bytes:
        data = b""
        while True:
            try:
                data += self._taken()
            except BlockingIOError:
                return data

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            anyio.notify_closing(self._fd)  # no checkpoint between this and the close
            self._close()
        await anyio.lowlevel.checkpoint()

    def _taken(self) -> bytes:
        self._check_open()
        try:
            data = self._read()
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._lost(error) from error
        if not data:
            raise self._lost(None)
        return data

    def _check_open(self) -> None:
        if not self._open:
            raise anyio.ClosedResourceError

    def _lost(self, error: OSError | None) -> ConnectionLostError:
        reason = os.strerror(error.errno) if error and error.errno else "closed by the other side"
        return ConnectionLostError(f"port lost: {reason}", hint=self.hint, port=self.port)

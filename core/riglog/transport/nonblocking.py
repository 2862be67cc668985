"""Transports over a non-blocking file descriptor: try first, wait for readiness only if nothing was there.

Base class of serial ports on POSIX and of TCP connections.
"""

import os
from abc import abstractmethod
from typing import Protocol

import anyio
import anyio.lowlevel

from riglog.errors import ConnectionLostError
from riglog.log import get_logger
from riglog.transport.base import Transport

CHUNK = 4096
log = get_logger("riglog.transport")


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class NonblockingTransport(Transport):
    """A transport over a file descriptor that the event loop can wait for."""

    hint = "Check the cable"

    def __init__(self, port: str, waitable: HasFileno) -> None:
        self.port = port
        self._fd = waitable.fileno()
        self._open = True

    @abstractmethod
    def _read(self) -> bytes:
        """Return the bytes that are there, ``b""`` after a hang-up; BlockingIOError if there are none."""

    @abstractmethod
    def _write(self, data: memoryview) -> int:
        """Write as many bytes as fit and return their number; BlockingIOError if none fits."""

    @abstractmethod
    def _close(self) -> None:
        """Close the file descriptor."""

    async def receive(self) -> bytes:
        while True:
            try:
                return self._read_available()
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
                data += self._read_available()
            except BlockingIOError:
                return data

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            anyio.notify_closing(self._fd)  # no checkpoint between this and the close
            self._close()
            log.debug("%s: closed", self.port)
        await anyio.lowlevel.checkpoint()

    def _read_available(self) -> bytes:
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
        reason = os.strerror(error.errno) if error and error.errno else "closed by the peer"
        log.debug("%s: connection lost: %s", self.port, reason)
        return ConnectionLostError(f"connection lost: {reason}", hint=self.hint, port=self.port)

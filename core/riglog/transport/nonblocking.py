"""Transports over a non-blocking file descriptor: try first, wait for readiness only if nothing was there.

Base class of serial ports on POSIX and of TCP connections. Reading and sending are limited: a peer that sends without
end, or accepts nothing, costs no other port anything.
"""

import os
from abc import abstractmethod
from typing import Protocol

import anyio
import anyio.lowlevel

from riglog.errors import ConnectionLostError
from riglog.log import get_logger
from riglog.transport.base import Transport
from riglog.transport.input_wait import InputWait, input_wait
from riglog.transport.read_limit import ReadLimit

CHUNK = 4096
SEND_SECONDS = 2.0
SLOWEST_BYTES_PER_SECOND = 30
"""Of a line at 300 baud. A port that does not accept a request in this time and SEND_SECONDS counts as lost."""
SEND_RETRY_SECONDS = 0.01
CLOSED = "closed by the peer"
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
        self._read_limit = ReadLimit()
        self._input: InputWait | None = None  # made on the event loop that receives

    @abstractmethod
    def _read(self) -> bytes:
        """Return the bytes that are there, ``b""`` after a hang-up; BlockingIOError if there are none."""

    @abstractmethod
    def _write(self, data: bytes | memoryview) -> int:
        """Write as many bytes as fit and return their number; BlockingIOError if none fits."""

    @abstractmethod
    async def _close(self) -> None:
        """Close the file descriptor; nobody waits for it any more."""

    async def receive(self) -> bytes:
        if self._read_limit.holds_up:
            await self._read_limit.wait()
        try:
            return self._read_available()
        except BlockingIOError:
            return await self._receive(None)

    async def receive_within(self, seconds: float) -> bytes:
        if self._read_limit.holds_up:
            await self._read_limit.wait()
        return await self._receive(seconds)  # there is rarely anything yet

    async def _receive(self, seconds: float | None) -> bytes:
        self._check_open()
        try:
            waiting = self._input
            if waiting is None:
                waiting = self._input = input_wait(self._fd, self._read_available)
            data = waiting.take_kept() or await waiting.receive(seconds)
        except OSError as error:  # the operating system can refuse to watch a port that is gone
            raise self._lost_by(error) from error
        self._read_limit.waited()
        return data

    async def send(self, data: bytes) -> None:
        if rest := memoryview(data)[self._write_available(data) :]:
            await self._send_rest(rest)

    async def _send_rest(self, rest: memoryview) -> None:
        with anyio.move_on_after(SEND_SECONDS + len(rest) / SLOWEST_BYTES_PER_SECOND):
            while rest:
                self._check_open()  # else the number can be that of another file
                try:
                    await anyio.wait_writable(self._fd)
                except OSError as error:
                    raise self._lost_by(error) from error
                written = self._write_available(rest)
                if not written:
                    await anyio.sleep(SEND_RETRY_SECONDS)  # a stopped line can count as writable all the time
                rest = rest[written:]
            return
        raise self._lost("the port accepts no data (flow control, or the peer does not receive)")

    def receive_nowait(self) -> bytes:
        pieces = []
        self.flooded = False
        while not self._read_limit.exhausted:
            try:
                pieces.append(self._read_available())
            except BlockingIOError:
                return b"".join(pieces)
        self.flooded = True
        return b"".join(pieces)

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            try:
                await self._finish_sending()
            finally:
                try:
                    if self._input is not None:
                        self._input.notify_closing()
                        self._input = None
                    anyio.notify_closing(self._fd)
                    await self._close()
                    log.debug("%s: closed", self.port)
                except OSError as error:  # a port that is gone; what was received is not affected
                    log.debug("%s: cannot be closed: %s", self.port, error.strerror)
        await anyio.lowlevel.checkpoint()

    async def _finish_sending(self) -> None:
        """Wait for a short time until the operating system has sent what it accepted; default: closing does it."""
        return None

    def _read_available(self) -> bytes:
        """Return what is there; BlockingIOError if there is nothing."""
        self._check_open()
        if self._input is not None and (kept := self._input.take_kept()):
            return kept
        try:
            data = self._read()
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._lost_by(error) from error
        if not data:
            raise self._lost(CLOSED)
        self._read_limit.spend(len(data))
        return data

    def _write_available(self, data: bytes | memoryview) -> int:
        """Write what fits; return the number of bytes."""
        self._check_open()
        try:
            return self._write(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost_by(error) from error

    def _check_open(self) -> None:
        if not self._open:
            raise anyio.ClosedResourceError

    def _lost_by(self, error: OSError) -> ConnectionLostError:
        return self._lost(os.strerror(error.errno) if error.errno else CLOSED)

    def _lost(self, reason: str) -> ConnectionLostError:
        log.debug("%s: connection lost: %s", self.port, reason)
        return ConnectionLostError(f"connection lost: {reason}", hint=self.hint, port=self.port)

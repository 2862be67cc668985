"""Waiting for the input of a file descriptor.

anyio registers the descriptor anew for every wait, and makes a cancel scope for every timeout: more than half of what
an exchange with an instrument costs. On an event loop of asyncio that watches descriptors the descriptor therefore
stays registered, is read when it becomes readable, and one timer of the loop is for the timeouts of all waits, as
nearly none of them passes. Everywhere else anyio waits.
"""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

import anyio

from riglog.transport.event_loop import asyncio_loop

if TYPE_CHECKING:
    import asyncio

SPURIOUS_LIMIT = 10
"""So many times in a row a descriptor may count as readable without input, before it is looked at with pauses only."""
SPURIOUS_SECONDS = 0.01
"""Such a pause. A driver whose descriptor is always readable, without input, must not take a whole processor."""

Read = Callable[[], bytes]
"""Returns what is there, at least one byte; raises BlockingIOError if there is nothing."""


class InputWait(ABC):
    """Waits for the input of one file descriptor, for one task at a time."""

    @abstractmethod
    async def receive(self, seconds: float | None) -> bytes:
        """Wait for input and read it; ``b""`` if there is none within so many seconds; None: without limit.

        Raises:
            anyio.ClosedResourceError: the descriptor was closed.
        """

    def take_kept(self) -> bytes:
        """Return what was read for a task that was cancelled at the same time."""
        return b""

    def notify_closing(self) -> None:
        """End a wait: the descriptor is about to be closed. No checkpoint may follow before it is."""
        return None


def input_wait(fd: int, read: Read) -> InputWait:
    """Return what waits for the input of ``fd`` on the event loop that runs."""
    loop = asyncio_loop()
    if loop is None or sys.platform == "win32":
        return AnyioInputWait(fd, read)
    return RegisteredInputWait(loop, fd, read)


class AnyioInputWait(InputWait):
    """Waits on any event loop."""

    def __init__(self, fd: int, read: Read) -> None:
        self._fd = fd
        self._read = read

    async def receive(self, seconds: float | None) -> bytes:
        if seconds is None:
            return await self._receive()
        with anyio.move_on_after(seconds):
            return await self._receive()
        return b""

    async def _receive(self) -> bytes:
        spurious = 0
        while True:
            try:
                return self._read()
            except BlockingIOError:
                await anyio.wait_readable(self._fd)
            spurious += 1
            if spurious > SPURIOUS_LIMIT:
                await anyio.sleep(SPURIOUS_SECONDS)

    def notify_closing(self) -> None:
        anyio.notify_closing(self._fd)


class RegisteredInputWait(InputWait):
    """Waits on a loop of asyncio, on which the descriptor stays registered while somebody reads it all the time."""

    def __init__(self, loop: "asyncio.AbstractEventLoop", fd: int, read: Read) -> None:
        self._loop = loop
        self._fd = os.dup(fd)  # registered under a number of its own: others may wait for the descriptor, too
        self._read = read
        self._registered = False
        self._waiting: asyncio.Future[bytes] | None = None
        self._kept = b""
        self._spurious = 0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None  # for this deadline, or that of an earlier wait

    async def receive(self, seconds: float | None) -> bytes:
        if self._waiting is not None:
            raise RuntimeError("another task receives from this port")
        loop = self._loop
        waiting = self._waiting = loop.create_future()
        try:
            self._register()
            self._set_deadline(seconds)
            data: bytes = await waiting
            return data
        except BaseException:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._kept += waiting.result()  # it was read already when the task was cancelled
            raise
        finally:
            self._waiting = None

    def take_kept(self) -> bytes:
        kept, self._kept = self._kept, b""
        return kept

    def notify_closing(self) -> None:
        self._unregister()
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(anyio.ClosedResourceError())
        with suppress(OSError):  # of a port that is gone; the number is free all the same
            os.close(self._fd)

    def _readable(self) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done():  # else the loop would call again and again
            self._unregister()
            return
        try:
            data = self._read()
        except BlockingIOError:
            self._spurious += 1
            if self._spurious > SPURIOUS_LIMIT:
                self._unregister()
                self._loop.call_later(SPURIOUS_SECONDS, self._register_if_waiting)
        except BaseException as error:
            waiting.set_exception(error)
        else:
            self._spurious = 0
            waiting.set_result(data)

    def _register_if_waiting(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._register()

    def _register(self) -> None:
        if not self._registered:
            self._loop.add_reader(self._fd, self._readable)
            self._registered = True

    def _set_deadline(self, seconds: float | None) -> None:
        """Set when the wait ends. A timer that is set already for an earlier time is moved on when it is over."""
        if seconds is None:
            self._deadline = inf
            return
        self._deadline = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._time_over)

    def _time_over(self) -> None:
        self._timer = None
        waiting = self._waiting
        if waiting is None or waiting.done() or self._deadline == inf:
            return
        if self._loop.time() >= self._deadline:
            waiting.set_result(b"")
        else:
            self._timer = self._loop.call_at(self._deadline, self._time_over)

    def _unregister(self) -> None:
        if self._registered:
            self._registered = False
            self._loop.remove_reader(self._fd)

"""The lock of a port: it gives one task the port for one transaction, or for several in a row."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

DEADLOCK_SECONDS = 3.0
"""A task that was started inside a hold may outlive it, and wait for its end. After so long the holder waits for it."""


class Hold:
    """The port held for several transactions. ``outer``: the hold of another port in which this one began."""

    __slots__ = ("outer",)

    def __init__(self, outer: "Hold | None") -> None:
        self.outer = outer

    def contains_this_task(self) -> bool:
        """Return whether this task began the hold, or descends from a task that was started inside it."""
        inside = _innermost.get()
        while inside is not None and inside is not self:
            inside = inside.outer
        return inside is not None


_innermost: ContextVar[Hold | None] = ContextVar("riglog_innermost_hold", default=None)
"""Of this task. A task that is started inside a hold inherits it."""

Admission = Callable[[], Awaitable[None]]
_admission: ContextVar[Admission | None] = ContextVar("riglog_port_admission", default=None)


@contextmanager
def wait_before_each_hold(admission: Admission) -> Iterator[None]:
    """In this block, wait for ``admission`` before a port is taken: for one transaction, or for several in a row."""
    token = _admission.set(admission)
    try:
        yield
    finally:
        _admission.reset(token)


class PortLock:
    """Not re-entrant. A task that holds the port hands the held line down to the functions it calls."""

    def __init__(self) -> None:
        self._lock = anyio.Lock(fast_acquire=True)
        self._hold: Hold | None = None

    async def acquire(self) -> None:
        """Wait until the port is free, and take it for one transaction.

        Raises:
            RuntimeError: this task holds the port, or a task from which it descends does and waits for it.
        """
        if (admission := _admission.get()) is not None:
            await admission()
        if self._hold is not None and self._hold.contains_this_task():
            await self._acquire_inside(self._hold)
        else:
            await self._lock.acquire()

    def release(self) -> None:
        """Give the port to the task that has waited longest."""
        self._lock.release()

    async def hold(self) -> Hold:
        """``acquire`` for several transactions, to be ended with ``end``."""
        await self.acquire()
        hold = self._hold = Hold(_innermost.get())
        _innermost.set(hold)
        return hold

    def end(self, hold: Hold) -> None:
        self._hold = None
        _innermost.set(hold.outer)
        self._lock.release()

    async def _acquire_inside(self, hold: Hold) -> None:
        try:
            with anyio.move_on_after(DEADLOCK_SECONDS):
                await self._lock.acquire()
                return
        except RuntimeError:  # of anyio: this task itself holds the port
            pass
        if self._hold is hold:
            raise RuntimeError("the port is held by this task or by its parent task: use the held line")
        await self._lock.acquire()

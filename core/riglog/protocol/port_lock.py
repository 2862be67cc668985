"""Whose turn it is on a line. The task that has the turn may ask for it again."""

from types import TracebackType

import anyio


class PortLock:
    """``async with turn:`` holds the line; re-entrant for the task that holds it."""

    def __init__(self) -> None:
        self._lock = anyio.Lock(fast_acquire=True)
        self._depth = 0

    async def __aenter__(self) -> None:
        try:
            await self._lock.acquire()
        except RuntimeError:  # it is ours already: a lock knows its holder, and does not let it wait for itself
            self._depth += 1
        else:
            self._depth = 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._lock.release()

"""Sleeps that can be ended early.

anyio does this with a cancel scope, which costs a third of a slot in which nothing is read. On an event loop of asyncio
a sleep is therefore a future and a timer.
"""

from math import inf
from typing import TYPE_CHECKING

import anyio

from riglog.transport.event_loop import asyncio_loop

if TYPE_CHECKING:
    import asyncio


class Sleeps:
    """The sleeps that are in progress, of any number of tasks."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._futures: set[asyncio.Future[bool]] = set()

    async def sleep(self, seconds: float) -> bool:
        """Sleep; return True if ``end_all`` has ended it early. ``inf``: without limit."""
        loop = asyncio_loop()
        if loop is None:
            return await self._sleep_in_scope(seconds)
        future = loop.create_future()
        timer = None if seconds == inf else loop.call_later(seconds, _end, future, False)
        self._futures.add(future)
        try:
            ended_early: bool = await future
            return ended_early
        finally:
            self._futures.discard(future)
            if timer is not None:
                timer.cancel()

    def end_all(self) -> None:
        """End all sleeps now."""
        for scope in self._scopes:
            scope.cancel()
        for future in self._futures:
            _end(future, True)

    async def _sleep_in_scope(self, seconds: float) -> bool:
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                await anyio.sleep(seconds)
            finally:
                self._scopes.discard(scope)
        return scope.cancelled_caught


def _end(future: "asyncio.Future[bool]", early: bool) -> None:
    if not future.done():
        future.set_result(early)

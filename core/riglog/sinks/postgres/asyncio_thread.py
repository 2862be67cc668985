"""Runs a coroutine of an asyncio library on an event loop and in a thread of its own.

riglog thereby also works under trio, and a blocked network does not delay a recording.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio.to_thread

T = TypeVar("T")


class AsyncioThread(Generic[T]):
    """Runs ``work`` in a thread. Leaving the block cancels it if it is still running, and waits for its end."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._outcome: Future[T] = Future()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[T] | None = None
        self._thread = threading.Thread(target=self._main, name="riglog-asyncio", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the loop of the thread, unless the work has ended."""
        if not self._outcome.done():
            self._loop.call_soon_threadsafe(function)

    async def result(self) -> T:
        """Wait for the work; return its result or raise its error."""
        await anyio.to_thread.run_sync(self._thread.join, abandon_on_cancel=True)
        return self._outcome.result()

    async def cancel(self) -> None:
        """Cancel the work and wait for its end."""
        self.call(self._cancel)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)

    async def __aenter__(self) -> "AsyncioThread[T]":
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _main(self) -> None:
        try:
            self._task = self._loop.create_task(self._work())
            self._outcome.set_result(self._loop.run_until_complete(self._task))
        except asyncio.CancelledError:
            self._outcome.set_exception(CancelledError())
        except BaseException as error:
            self._outcome.set_exception(error)
        finally:
            self._loop.close()

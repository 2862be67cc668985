"""The event loop behind the blocking calls: one thread for the whole process, started by the first call."""

import atexit
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any, Generic, TypeVar

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

T = TypeVar("T")
LOOK_SECONDS = 0.2
"""How often a waiting thread looks for Ctrl-C, which does not end every kind of wait on Windows."""
CLEAN_UP_SECONDS = 10.0
"""How long Ctrl-C waits for the call that it has cancelled: a recording stores what it has received."""


class InterruptedCallError(Exception):
    """Stands for KeyboardInterrupt and SystemExit in the event loop, which they would end."""


class _Loop:
    """The thread with the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._thread: int | None = None

    def portal(self) -> BlockingPortal:
        """Return the way into the event loop; start it if it does not run."""
        with self._lock:
            if self._portal is None:
                self._portal = self._stack.enter_context(start_blocking_portal(name="riglog.sync"))
                self._thread = self._portal.call(threading.get_ident)
                atexit.register(self.close)
            return self._portal

    @property
    def is_here(self) -> bool:
        """True in the thread of the event loop: in a listener that it calls."""
        return threading.get_ident() == self._thread

    def close(self) -> None:
        """Cancel what is open, which closes it, and end the thread."""
        with self._lock:
            portal, self._portal, self._thread = self._portal, None, None
            if portal is not None:
                portal.call(portal.stop, True)
                self._stack.close()


LOOP = _Loop()


def call(function: Callable[..., Awaitable[T] | T], *args: Any, **kwargs: Any) -> T:
    """Call a function in the event loop and wait for its result.

    Ctrl-C cancels the call, waits until it has ended, and is raised then.

    Raises:
        RuntimeError: a listener called it, in the thread of the event loop, which would wait for itself.
    """
    if LOOP.is_here:
        return _called_here(function, args, kwargs)
    scopes: list[anyio.CancelScope] = []
    interrupted = threading.Event()

    async def perform() -> T:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            if interrupted.is_set():
                scope.cancel()
            result = function(*args, **kwargs)
            return await result if isinstance(result, Awaitable) else result
        raise InterruptedCallError

    portal = LOOP.portal()
    future = portal.start_task_soon(perform)
    try:
        return _result(future)
    except (KeyboardInterrupt, SystemExit):
        interrupted.set()
        portal.call(_cancel, scopes)
        _wait(future)
        raise


def _called_here(function: Callable[..., Awaitable[T] | T], args: Any, kwargs: Any) -> T:
    result = function(*args, **kwargs)
    if not isinstance(result, Awaitable):
        return result
    if isinstance(result, Coroutine):
        result.close()
    raise RuntimeError("a listener cannot wait for a call: all calls are performed in the thread that calls it")


def _cancel(scopes: list[anyio.CancelScope]) -> None:
    for scope in scopes:
        scope.cancel()


class Entered(Generic[T]):
    """An async context manager that was entered in the event loop, and is left there, in the same task."""

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._leave = anyio.Event()
        self._error: BaseException | None = None
        value: Future[T] = Future()
        self._portal = LOOP.portal()
        self._left = self._portal.start_task_soon(self._run, manager, value)
        try:
            self.value = _result(value)
        except (KeyboardInterrupt, SystemExit):
            self._left.cancel()
            _wait(self._left)
            raise

    def leave(self, error: BaseException | None = None) -> bool:
        """Leave the block, which ended with ``error``. Return whether the context manager swallows it."""
        if self._left.done():
            return False
        handed = isinstance(error, Exception) or error is None
        self._error = error if handed else InterruptedCallError()
        self._portal.call(self._leave.set)
        try:
            return bool(_result(self._left)) and handed
        except InterruptedCallError:
            return False

    async def _run(self, manager: AbstractAsyncContextManager[T], value: Future[T]) -> bool | None:
        try:
            entered = await manager.__aenter__()
        except BaseException as error:
            value.set_exception(error if isinstance(error, Exception) else InterruptedCallError())
            if isinstance(error, Exception):
                return None
            raise
        value.set_result(entered)
        try:
            await self._leave.wait()
        except BaseException as cancelled:  # the program ends
            await manager.__aexit__(type(cancelled), cancelled, cancelled.__traceback__)
            raise
        ending = self._error
        return await manager.__aexit__(
            None if ending is None else type(ending), ending, None if ending is None else ending.__traceback__
        )


def _result(future: Future[T]) -> T:
    while True:
        try:
            return future.result(LOOK_SECONDS)
        except TimeoutError:
            if future.done():
                return future.result()


def _wait(future: Future[Any]) -> None:
    try:
        future.result(CLEAN_UP_SECONDS)
    except BaseException:  # what it raises while it is being cancelled; the interruption is what counts
        return

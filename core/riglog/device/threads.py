"""Blocking calls of a vendor's library, run in a thread of the device with a time limit.

The thread is a daemon of its own, not one of the event loop's: a call that never returns neither keeps the process from
ending, nor takes a thread away from other devices.
"""

import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import anyio

from riglog.errors import ReplyTimeoutError
from riglog.transport.thread_call import ThreadCall, start_daemon

T = TypeVar("T")
HINT = "Check the instrument and its vendor software; raise the timeout if the call is slow"


Calls = SimpleQueue[ThreadCall[Any] | None]


def _serve(calls: Calls) -> None:
    """Make one call after the other, until there is None."""
    while (call := calls.get()) is not None:
        call.run()
        del call  # while the thread waits, it keeps nothing of the device


class BlockingCalls:
    """Runs the blocking calls of one device, one at a time, all in the same thread.

    A call that exceeds its timeout goes on in its thread, as a thread cannot be stopped. Until it has returned, further
    calls fail at once: a library that hangs must not collect threads. The thread ends with this object.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._last: ThreadCall[Any] | None = None
        self._calls: Calls | None = None

    async def run(self, call: Callable[[], T], *, timeout: float) -> T:
        """Run ``call`` in the thread and return its result.

        Raises:
            ReplyTimeoutError: it took longer than ``timeout`` seconds, or an earlier call has not returned yet.
        """
        async with self._turn:
            if self._last is not None and not self._last.ended:
                raise ReplyTimeoutError("an earlier call has not returned yet", reason="blocking_call", hint=HINT)
            running: ThreadCall[T] = ThreadCall(call)
            self._last = running
            self._thread_calls().put(running)
            try:
                with anyio.move_on_after(timeout):
                    await running.done.wait()
                    return running.result()
            finally:
                running.abandon()
                if running.ended:
                    self._last = None  # its result is the caller's
        raise ReplyTimeoutError(f"no result within {timeout:g} s", reason="blocking_call", hint=HINT)

    def _thread_calls(self) -> Calls:
        """Return the calls of the thread, which is started with the first one."""
        if self._calls is None:
            self._calls = SimpleQueue()
            start_daemon(_serve, self._calls, name="riglog-blocking-calls")
            weakref.finalize(self, self._calls.put, None).atexit = False
        return self._calls


async def in_thread(call: Callable[[], T], *, timeout: float) -> T:
    """Run a blocking call in a worker thread, so that no other device is delayed. In a device, use its own method.

    Args:
        timeout: seconds after which the call is abandoned; its thread ends when the call returns.

    Raises:
        ReplyTimeoutError: no result in time.
    """
    return await BlockingCalls().run(call, timeout=timeout)

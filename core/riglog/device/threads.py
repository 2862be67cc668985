"""Blocking calls of a vendor's library, run in a worker thread with a time limit."""

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from riglog.errors import ReplyTimeoutError

T = TypeVar("T")
HINT = "Check the instrument and its vendor software; raise the timeout if the call is slow"


class BlockingCalls:
    """Runs the blocking calls of one device, one at a time.

    A call that exceeds its timeout goes on in its thread, as a thread cannot be stopped. Until it has returned, further
    calls fail at once: a library that hangs must not collect threads.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._running = False

    async def run(self, call: Callable[[], T], *, timeout: float) -> T:
        """Run ``call`` in a worker thread and return its result.

        Raises:
            ReplyTimeoutError: it took longer than ``timeout`` seconds, or an earlier call has not returned yet.
        """

        started = abandoned = False
        decision = threading.Lock()  # whether the call starts or is abandoned

        def work() -> T:
            nonlocal started
            with decision:
                if abandoned:
                    raise TimeoutError  # nobody waits for it
                started = True
            try:
                return call()
            finally:
                self._running = False

        async with self._turn:
            if self._running:
                raise ReplyTimeoutError("an earlier call has not returned yet", reason="blocking_call", hint=HINT)
            self._running = True
            try:
                with anyio.fail_after(timeout):
                    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
            except TimeoutError:
                if started and not self._running:  # the call itself raised it
                    raise
            finally:
                with decision:
                    if not started:  # cancelled while it waited for a thread: no call to wait for
                        abandoned, self._running = True, False
        raise ReplyTimeoutError(f"no result within {timeout:g} s", reason="blocking_call", hint=HINT)


async def in_thread(call: Callable[[], T], *, timeout: float) -> T:
    """Run a blocking call in a worker thread, so that no other device is delayed. In a device, use its own method.

    Args:
        timeout: seconds after which the call is abandoned; its thread ends when the call returns.

    Raises:
        ReplyTimeoutError: no result in time.
    """
    return await BlockingCalls().run(call, timeout=timeout)

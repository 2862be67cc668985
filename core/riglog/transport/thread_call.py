"""One blocking call in a thread that is a daemon: a call that never returns does not keep the process from ending."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import current_token

T = TypeVar("T")


class ThreadCall(Generic[T]):
    """One call: waiting for the thread, started, or ended. It is not started any more once it is abandoned.

    Args:
        discard: called with the result if nobody takes it any more, in the thread if the call has not ended.
    """

    def __init__(self, function: Callable[[], T], discard: Callable[[T], None] | None = None) -> None:
        self.done = anyio.Event()
        self.ended = False
        self._function = function
        self._discard = discard
        self._token = current_token()
        self._started = False
        self._abandoned = False
        self._decision = threading.Lock()
        self._result: T
        self._error: BaseException | None = None

    def run(self) -> None:
        """Make the call; in the thread."""
        from anyio import from_thread  # takes long to import, and few devices need it

        with self._decision:
            if self.ended:
                return
            self._started = True
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error
        with self._decision:
            self.ended = True
            abandoned = self._abandoned
        if abandoned:
            self._discard_result()
        with suppress(RuntimeError):  # the event loop has ended
            from_thread.run_sync(self.done.set, token=self._token)

    def abandon(self) -> None:
        """Do not start the call, if it has not been started yet; discard its result, if it has or will have one."""
        with self._decision:
            ended, self._abandoned = self.ended and self._started, True
            self.ended = self.ended or not self._started
        if ended:
            self._discard_result()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result

    def _discard_result(self) -> None:
        if self._discard is not None and self._error is None:
            self._discard(self._result)


def start_daemon(target: Callable[..., object], *args: Any, name: str) -> None:
    """Start a thread that ends with the process."""
    threading.Thread(target=target, args=args, name=name, daemon=True).start()

"""Runs a coroutine for a command. Ctrl-C and SIGTERM end it in order: what was received is stored."""

import signal
import sys
from collections.abc import Awaitable, Callable

import anyio

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """The signal received, if any. The first one calls ``stop`` if it is set; otherwise, and the second, cancels."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.stop: Callable[[], None] | None = None
        self.scope = anyio.CancelScope()

    @property
    def code(self) -> int | None:
        """The exit code: 130 after Ctrl-C, 143 after SIGTERM, None without a signal."""
        return None if self.signal is None else 128 + self.signal

    async def watch(self) -> None:
        """Wait for signals until cancelled."""
        with anyio.open_signal_receiver(*SIGNALS) as received:
            async for number in received:
                repeated = self.signal is not None
                self.signal = int(number)
                if self.stop is None or repeated:
                    self.scope.cancel()
                else:
                    self.stop()


def run(work: Callable[[Interruption], Awaitable[int]]) -> int:
    """Run ``work`` and return its exit code, or that of the signal that interrupted it."""

    async def main() -> int:
        interruption = Interruption()
        code = 0
        async with anyio.create_task_group() as tasks:
            if sys.platform != "win32":  # there, Ctrl-C arrives as KeyboardInterrupt and cancels everything
                tasks.start_soon(interruption.watch)
            with interruption.scope:
                code = await work(interruption)
            tasks.cancel_scope.cancel()
        return interruption.code or code

    return anyio.run(main)

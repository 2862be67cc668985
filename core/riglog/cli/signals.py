"""Runs a coroutine for a command, and turns Ctrl-C and SIGTERM into a clean end."""

import signal
import sys
from collections.abc import Awaitable, Callable

import anyio

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Which signal came, if any. ``stop`` is called at the first one; a second one cancels everything."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.stop: Callable[[], None] | None = None
        self.scope = anyio.CancelScope()

    @property
    def code(self) -> int | None:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return None if self.signal is None else 128 + self.signal

    async def watch(self) -> None:
        """Wait for signals until cancelled."""
        with anyio.open_signal_receiver(*SIGNALS) as received:
            async for number in received:
                again = self.signal is not None
                self.signal = int(number)
                if self.stop is None or again:
                    self.scope.cancel()
                else:
                    self.stop()


def run(work: Callable[[Interruption], Awaitable[int]]) -> int:
    """Run ``work`` until it returns its exit code; an interruption has its own."""

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

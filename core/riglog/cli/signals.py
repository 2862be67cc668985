"""Runs a coroutine for a command. Ctrl-C, SIGTERM and SIGHUP end it in order: what was received is stored."""

import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import anyio
import click

from riglog.cli.errors import STORAGE
from riglog.cli.loading import load_installed
from riglog.cli.screen import STDERR, STDOUT
from riglog.model.actor import use_program

Work = Callable[["Interruption"], Awaitable[int | Callable[[], int]]]


class Interruption:
    """The signal received, if any. The first one calls ``stop`` if it is set; otherwise, and the second, cancels."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.stop: Callable[[], None] | None = None
        self.scope = anyio.CancelScope()

    @property
    def code(self) -> int | None:
        """The exit code: 129 after SIGHUP, 130 after Ctrl-C, 143 after SIGTERM, None without a signal."""
        return None if self.signal is None else 128 + self.signal

    async def watch(self) -> None:
        """Wait for signals until cancelled."""
        with anyio.open_signal_receiver(*handled_signals()) as received:
            async for number in received:
                repeated = self.signal is not None
                self.signal = int(number)
                if self.stop is None or repeated:
                    self.scope.cancel()
                else:
                    self.stop()


def handled_signals() -> list[signal.Signals]:
    """Return the signals that end a command. SIGHUP, a closed terminal, is ignored if the program starts so (nohup)."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def run(work: Work, *, with_plugins: bool = True) -> int:
    """Run ``work`` and return its exit code, or that of the signal that interrupted it, unless data were lost.

    The drivers are loaded before: until then a signal ends the program at once, also in a slow import.

    ``work`` may return what is left to do when signals have their usual effect again, such as printing a result, which
    a terminal that accepts nothing can delay for ever.
    """

    async def main() -> tuple[Interruption, int | Callable[[], int]]:
        interruption = Interruption()
        code: int | Callable[[], int] = 0
        async with anyio.create_task_group() as tasks:
            if sys.platform != "win32":  # there, Ctrl-C arrives as KeyboardInterrupt and cancels everything
                tasks.start_soon(interruption.watch)
            with interruption.scope:
                code = await work(interruption)
            tasks.cancel_scope.cancel()
        return interruption, code

    context = click.get_current_context(silent=True)
    if context is not None:
        use_program(context.command_path)  # who and with what: it is stored with what the command does
    with STDERR.in_background():
        if with_plugins:
            load_installed(with_drivers=True)
        interruption, code = anyio.run(main)
    if callable(code):
        with STDOUT.in_background() if interruption.code else nullcontext():  # who ends a program does not wait
            code = code()
    if code == STORAGE:  # the code of an interruption states that everything is stored
        return code
    return interruption.code or code

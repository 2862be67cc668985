"""Programs that run beside a test: none of them outlives it, however the tests end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

SETPRIV = shutil.which("setpriv") if sys.platform == "linux" else None
WITH_US = [SETPRIV, "--pdeathsig", "KILL"] if SETPRIV else []
"""Tests that are killed have no time for the end of their programs; then the kernel does it."""
PR_SET_PDEATHSIG = 1


@contextmanager
def running(command: Sequence[str | os.PathLike[str]], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program while the block runs, with text in its pipes; at the end of the block it is killed.

    For the main thread: the program ends with the thread that has started it.
    """
    process = subprocess.Popen([*WITH_US, *command], text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):  # what it did not read
                    pipe.close()


def end_with_parent() -> None:
    """In a process that was forked: end with the one that has forked it. Linux only."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

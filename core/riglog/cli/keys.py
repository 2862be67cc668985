"""Single keys of the terminal, without Enter. The terminal is restored at the end of the block.

Windows: written for its console, not tested there.
"""

import codecs
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

NAMES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b": "escape",
}


class Keys:
    """``pressed`` returns the keys since its last call, by name; letters stand for themselves."""

    usable = False

    def pressed(self) -> list[str]:
        return []


@contextmanager
def keys() -> Iterator[Keys]:
    """Read keys from standard input while the block runs; none if it is not a terminal, or that of another program."""
    if not sys.stdin or not sys.stdin.isatty():
        yield Keys()
    elif sys.platform == "win32":
        yield _WindowsKeys()
    else:
        found = _TerminalKeys(sys.stdin.fileno())
        with _not_stopped_by_the_terminal():
            try:
                yield found
            finally:
                found.restore()


@contextmanager
def _not_stopped_by_the_terminal() -> Iterator[None]:
    """Let a program that was sent to the background go on: reading or setting the terminal would stop it there."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTTIN, signal.SIGTTOU)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class _TerminalKeys(Keys):
    """The keys of a terminal, which is set to pass each one on at once, also again after Ctrl-Z and ``fg``."""

    usable = True

    def __init__(self, number: int) -> None:
        self._number = number
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._before: list[Any] | None = None

    def pressed(self) -> list[str]:
        text = ""
        try:
            if not self._is_ours():
                return []
            self._prepare()
            while select.select([self._number], [], [], 0)[0]:
                data = os.read(self._number, 1024)
                if not data:
                    break
                text += self._decoder.decode(data)
        except (OSError, ValueError):  # the terminal is gone, or that of another program by now
            return []
        return list(_names(text))

    def restore(self) -> None:
        if sys.platform != "win32" and self._before is not None and self._is_ours():
            import termios

            with suppress(termios.error):
                termios.tcsetattr(self._number, termios.TCSADRAIN, self._before)

    def _prepare(self) -> None:
        if sys.platform != "win32":
            import termios
            import tty

            try:
                now = termios.tcgetattr(self._number)
                if now[3] & termios.ICANON:
                    self._before = now
                    tty.setcbreak(self._number)
            except termios.error as error:
                raise OSError from error

    def _is_ours(self) -> bool:
        try:
            return sys.platform == "win32" or os.tcgetpgrp(self._number) == os.getpgrp()
        except OSError:
            return False


class _WindowsKeys(Keys):
    usable = True

    def pressed(self) -> list[str]:
        found: list[str] = []
        if sys.platform == "win32":
            import msvcrt

            codes = {"H": "up", "P": "down", "I": "page up", "Q": "page down", "G": "home", "O": "end"}
            while msvcrt.kbhit():
                key = msvcrt.getwch()
                found.append(codes.get(msvcrt.getwch(), "") if key in "\x00\xe0" else NAMES.get(key, key))
        return found


def _names(text: str) -> Iterator[str]:
    while text:
        sequence = next((known for known in NAMES if text.startswith(known) and known != "\x1b"), text[0])
        yield NAMES.get(sequence, sequence)
        text = text[len(sequence) :]

"""Single keys of the terminal, without Enter. The terminal is restored at the end of the block.

Windows: written for its console, not tested there.
"""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "k": "up",
    "j": "down",
    " ": "page down",
    "\x1b": "escape",
}


class Keys:
    """``pressed`` returns the keys since its last call, by name; letters stand for themselves."""

    def pressed(self) -> list[str]:
        return []


@contextmanager
def keys() -> Iterator[Keys]:
    """Read keys from standard input while the block runs; none if it is not a terminal."""
    if not sys.stdin or not sys.stdin.isatty():
        yield Keys()
    elif sys.platform == "win32":
        yield _WindowsKeys()
    else:
        import termios
        import tty

        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        try:
            tty.setcbreak(number)
            yield _TerminalKeys(number)
        finally:
            termios.tcsetattr(number, termios.TCSADRAIN, before)


class _TerminalKeys(Keys):
    def __init__(self, number: int) -> None:
        self._number = number

    def pressed(self) -> list[str]:
        text = ""
        while select.select([self._number], [], [], 0)[0]:
            data = os.read(self._number, 1024)
            if not data:
                break
            text += data.decode("utf-8", "replace")
        return list(_names(text))


class _WindowsKeys(Keys):
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

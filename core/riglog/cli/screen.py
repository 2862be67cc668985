"""stdout and stderr as riglog writes to them: what cannot be printed ends nothing, and delays no recording.

A terminal can be gone, a log file on a full disk, a pipe without a reader; or the terminal is stopped with Ctrl-S and
accepts nothing for an hour. Each of that costs the text, not the recording.
"""

import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from riglog.printable import IN_LINES
from riglog.printable import printable as printable

WAITING_TEXTS = 1_000
"""Texts that wait for a screen that accepts none; further ones are discarded."""
DRAIN_SECONDS = 1.0


def json_printable(text: str) -> str:
    """Return a JSON document with the same content, and JSON escapes for the characters that ``printable`` escapes."""
    return IN_LINES.sub(lambda found: _json_escape(found[0]), text)


class Screen(io.TextIOBase):
    """``stdout`` or ``stderr``. Writing to it raises no error: ``error`` holds the first one.

    Within ``in_background`` it does not wait either; then a thread writes.
    """

    def __init__(self, name: str) -> None:
        self.error: Exception | None = None
        self._name = name
        self._waiting: deque[str] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = False  # the stream has accepted nothing for a while

    @property
    def stream(self) -> TextIO | None:
        """The stream of the process, also while rich has put something in its place; None if it is closed."""
        stream: TextIO | None = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.stream, "encoding", None) or "utf-8"

    @property
    def idle(self) -> bool:
        """True if everything was written."""
        return not self._waiting

    def isatty(self) -> bool:
        try:
            return self.stream is not None and self.stream.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        if self.stream is None:
            raise io.UnsupportedOperation("fileno")
        return self.stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self._thread is None:
            self._put(text)
        elif len(self._waiting) < WAITING_TEXTS:
            self._waiting.append(text)
            self._wake.set()
        return len(text)

    def take_error(self) -> Exception | None:
        """Return the first error since the last call. A pipe that its reader closed is none."""
        error, self.error = self.error, None
        return None if isinstance(error, BrokenPipeError) else error

    def flush(self) -> None:
        return None  # ``write`` keeps nothing back

    def drain(self) -> None:
        """Wait until everything is written, for DRAIN_SECONDS at most; not again while the stream accepts nothing."""
        end = time.monotonic() + (0 if self._stopped else DRAIN_SECONDS)
        while self._waiting and time.monotonic() < end:
            time.sleep(0.002)
        self._stopped = bool(self._waiting)

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Write in a thread while the block runs; and after it, if the stream accepts nothing by then."""
        thread = self._start_writing() if self._thread is None else None
        if thread is None:
            yield
            return
        try:
            yield
        finally:
            self.drain()
            if self.idle:
                self._thread = None
                self._wake.set()
                thread.join()

    def _start_writing(self) -> threading.Thread | None:
        """Return the thread that writes, started; None if the system starts no more threads."""
        thread = self._thread = threading.Thread(target=self._write_waiting, name=f"riglog {self._name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._thread = None
            return None
        return thread

    def _write_waiting(self) -> None:
        while self._thread is not None:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._put(self._waiting[0])
                self._waiting.popleft()
                self._stopped = False

    def _put(self, text: str) -> None:
        stream = self.stream
        if stream is None:
            return
        try:
            stream.flush()
            _write(stream, text)
        except BrokenPipeError as error:  # the reader, such as ``head``, has had enough
            self.error = self.error or error
            discard_further_output(stream)
        except (OSError, ValueError) as error:
            self.error = self.error or error


STDOUT, STDERR = Screen("stdout"), Screen("stderr")


def in_foreground() -> bool:
    """Return False for a program that the shell has started in the background of the terminal (``&``)."""
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(2) == os.getpgrp()
    except OSError:  # not its controlling terminal
        return True


def discard_further_output(stream: TextIO) -> None:
    """Write what is printed from now on to nowhere, so that its buffer can be emptied at the end of the program."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)


def occupy_closed_streams() -> None:
    """Open the null device for each standard stream that is closed: otherwise a recording would get its number."""
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


def empty_buffers() -> None:
    """Write what the streams of the process hold; discard it if that fails, so that Python does not at its end."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                discard_further_output(stream)
                stream.flush()
            except (OSError, ValueError):
                continue


def _write(stream: TextIO, text: str) -> None:
    """Write without a buffer: a thread that waits in it holds the lock that the end of the program needs."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # not a file, such as the stream of a test
        number = -1
    if number < 0 or sys.platform == "win32":
        stream.write(text)
        stream.flush()
        return
    data = memoryview(text.encode(stream.encoding, "backslashreplace"))
    while data:
        try:
            data = data[os.write(number, data) :]
        except BlockingIOError:  # another program on the terminal made it so
            if not select.select([], [number], [], DRAIN_SECONDS)[1]:
                raise


def _json_escape(character: str) -> str:
    code = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))

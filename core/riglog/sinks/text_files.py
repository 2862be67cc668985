"""Sinks that append lines to a text file. An incomplete last line, left by a power failure, is never read as a row."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from riglog.errors import NotARecordingError, StorageError
from riglog.sinks.files import HEAD_BYTES, RowFileSink, check_writable, first_line, lock
from riglog.sinks.rows import Row


class TextFileSink(RowFileSink):
    """``head`` is the first line of a new file, empty if the format has none."""

    head: bytes = b""
    _file: int | None = None

    @abstractmethod
    def _encode(self, found: list[Row]) -> bytes:
        """Return rows as complete lines."""

    @abstractmethod
    def _check_first_line(self, first: bytes) -> None:
        """Check the first line of an existing file.

        Raises:
            NotARecordingError: it does not have the columns of schema 1.
        """

    def _check(self) -> None:
        if self.path.is_dir():
            raise NotARecordingError("path is a directory", hint="Give the name of a file in it", path=self.path)
        if self.path.exists() and self.path.stat().st_size:
            self._check_first_line(first_line(self.path))
        check_writable(self.path)

    def _open(self) -> None:
        file = _open_or_create(self.path)
        try:
            lock(file, self.path)
            if os.fstat(file).st_size:  # again: it is another file if somebody exchanged it meanwhile
                self._check_first_line(os.read(file, HEAD_BYTES).partition(b"\n")[0].rstrip(b"\r"))
        except (StorageError, OSError):
            os.close(file)
            raise
        self._file = file
        self._end = 0 if self.overwrite else end_of_last_line(file)
        os.ftruncate(file, self._end)
        if self._end == 0 and self.head:
            self._append(self.head)

    def _store(self, found: list[Row]) -> None:
        self._append(self._encode(found))

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.fsync(file)
            os.close(file)

    def _append(self, data: bytes) -> None:
        """Write all of it after the last complete line; whatever follows that line is cut off."""
        assert self._file is not None, "open() comes first"
        os.ftruncate(self._file, self._end)
        os.lseek(self._file, self._end, os.SEEK_SET)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(data)


def _open_or_create(path: Path) -> int:
    """Open a file, or create it; nothing is created through a link that leads nowhere."""
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)


def end_of_last_line(file: int) -> int:
    """Return the position after the last complete line of an open file."""
    end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - HEAD_BYTES)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def complete_lines(path: Path) -> Iterator[bytes]:
    """Return the lines of a file without an incomplete last one."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line

"""Sinks that append lines to a text file. Half a line at the end, from a power cut, is never taken for a row."""

import os
from abc import abstractmethod
from pathlib import Path

from riglog.errors import NotARecordingError, StorageError
from riglog.sinks.files import FileSink, check_writable, lock
from riglog.sinks.rows import Row

HEAD_BYTES = 65_536
OTHER = "choose another file name; the file was not touched"


class TextFileSink(FileSink):
    """``head`` is the first line of a new file, empty if there is none."""

    head: bytes = b""
    _file: int | None = None

    @abstractmethod
    def _encode(self, found: list[Row]) -> bytes:
        """Rows as whole lines."""

    @abstractmethod
    def _refuse_other(self, first: bytes) -> None:
        """Look at the first line of what is there.

        Raises:
            NotARecordingError: it does not have the columns of schema 1.
        """

    def _check(self) -> None:
        if self.path.is_dir():
            raise NotARecordingError("a directory is no file of rows", hint="name a file in it", path=self.path)
        if self.path.exists() and (first := first_line(self.path)):
            self._refuse_other(first)
        check_writable(self.path)

    def _begin(self) -> None:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            lock(file, self.path)
        except StorageError:
            os.close(file)
            raise
        self._file = file
        self._end = 0 if self.overwrite else end_of_last_line(file)
        os.ftruncate(file, self._end)
        if self._end == 0 and self.head:
            self._append(self.head)

    def _store(self, found: list[Row]) -> None:
        self._append(self._encode(found))

    def _finish(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.fsync(file)
            os.close(file)

    def _append(self, data: bytes) -> None:
        """All of it from the end of the last whole line on; what is behind that is cut off."""
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


def first_line(path: Path) -> bytes:
    """The first line without its end; empty if the file is."""
    with path.open("rb") as file:
        return file.readline(HEAD_BYTES).rstrip(b"\r\n")


def end_of_last_line(file: int) -> int:
    """Where the last whole line of an open file ends."""
    at = os.lseek(file, 0, os.SEEK_END)
    while at > 0:
        begin = max(0, at - HEAD_BYTES)
        os.lseek(file, begin, os.SEEK_SET)
        found = os.read(file, at - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at = begin
    return 0

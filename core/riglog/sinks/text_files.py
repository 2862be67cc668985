"""Sinks that append lines to a text file. An incomplete last line, left by a power failure, is never read as a row."""

import csv
import io
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from riglog.errors import NotARecordingError, StorageError
from riglog.log import get_logger
from riglog.model import EventKind
from riglog.sinks.base import Damage
from riglog.sinks.disk import (
    create_file,
    free_path,
    identity,
    is_deleted,
    lock,
    present_path,
    sync_file,
    sync_folder,
)
from riglog.sinks.files import (
    HEAD_BYTES,
    RowFileSink,
    check_writable,
    continued_warning,
    continued_where_it_is,
    deleted_error,
    deleted_warning,
    first_line,
    is_blank,
    moved_warning,
    overwritten_warning,
)
from riglog.sinks.rows import Row

COPIED_BYTES = 1024 * 1024
FLUSH_BYTES = 256 * 1024
"""At most so much is written before it is on the disk: a power failure can leave NUL bytes only behind that."""
CHECKED_BYTES = 4 * 1024 * 1024
"""So much of a file that is continued is read, about 20,000 rows: it takes a few tenths of a second."""
LAST_BYTES = 128
"""Of what was written: by them it is seen whether it is still there. More than the end of one row."""
log = get_logger("riglog.sinks")
UNREADABLE = (ValueError, csv.Error, msgspec.DecodeError)


class TextFileSink(RowFileSink):
    """``head`` is the first line of a new file, empty if the format has none."""

    head: bytes = b""
    _file: int | None = None
    _last = b""
    """The last bytes that were written into the open file, before ``_end``."""
    _damaged_lines = 0
    """Of the file that is continued; until the first rows are stored, with which it is reported."""
    _torn = False
    """What follows ``_end`` is the rest of a write that failed."""

    @abstractmethod
    def _encode(self, found: list[Row]) -> bytes:
        """Return rows as complete lines."""

    @staticmethod
    @abstractmethod
    def decode(lines: Iterable[bytes], damage: Damage) -> Iterator[Row]:
        """Return the rows of lines without the first line; count those that cannot be read."""

    @abstractmethod
    def _check_first_line(self, first: bytes) -> None:
        """Check the first line of an existing file.

        Raises:
            NotARecordingError: it does not have the columns of a row.
        """

    @staticmethod
    @abstractmethod
    def _is_torn(line: bytes) -> bool:
        """Return True if a line is the begin of a first line of this sink."""

    def _check(self) -> None:
        if self.path.is_dir():
            raise NotARecordingError("path is a directory", hint="Give the name of a file in it", path=self.path)
        if self.path.exists() and not is_blank(self.path, self._is_torn):
            self._check_first_line(first_line(self.path))
        check_writable(self.path)

    def _open(self) -> None:
        file, created = _open_or_create(self.path)
        try:
            lock(file, self.path)
            if not is_blank(self.path, self._is_torn):  # again: it is another file if somebody exchanged it meanwhile
                self._check_first_line(os.read(file, HEAD_BYTES).partition(b"\n")[0].rstrip(b"\r"))
        except (StorageError, OSError):
            os.close(file)
            raise
        self._file = file
        self._samples = 0  # stored since the file was opened
        self._end = 0 if self.overwrite else end_of_sound_lines(file)
        os.ftruncate(file, self._end)
        self._damaged_lines = self._count_damaged_lines(file)
        if self._end == 0 and self.head:
            self._append(self.head)
        if created and self.durable:
            sync_folder(self.path.parent)

    def _count_damaged_lines(self, file: int) -> int:
        """Return how many lines of the newest part of an open file cannot be read: it is continued all the same."""
        start = max(len(self.head), self._end - CHECKED_BYTES)
        os.lseek(file, start, os.SEEK_SET)
        lines = io.BytesIO(os.read(file, max(0, self._end - start)))
        if start > len(self.head):
            _skip_to_sound_line(lines, self.decode)
        for _ in self.decode(lines, damage := Damage()):
            pass
        return damage.lines

    def _report_damage(self) -> None:
        if self._damaged_lines:
            lines = f"{self._damaged_lines} line{'' if self._damaged_lines == 1 else 's'}"
            part = f" of the newest {CHECKED_BYTES // 1024**2} MB" if self._end > len(self.head) + CHECKED_BYTES else ""
            self._warn(
                f"{lines}{part} of {self.path} cannot be read, and every reader skips them: another program has written"
                " into it, or the disk is defective. It is continued. Copy the others: riglog export FILE --out NEW",
                EventKind.RECORDING_DAMAGED,
            )
            self._damaged_lines = 0

    def _store(self, found: list[Row]) -> None:
        self._report_damage()
        self._follow_path()
        self._look_at_end()
        self._append(self._encode(found))
        self._samples += len(found)

    def _close(self) -> None:
        file = self._file
        if file is None:
            return
        try:
            self._follow_path()
            self._look_at_end()
        except StorageError:
            if is_deleted(file):
                self.samples_deleted += self._samples
            raise
        finally:
            file, self._file = self._file or file, None
            sync_file(file)
            os.close(file)

    def _append(self, data: bytes) -> None:
        """Write all of it after the last complete line; whatever follows that line is cut off."""
        assert self._file is not None, "open() comes first"
        os.ftruncate(self._file, self._end)
        os.lseek(self._file, self._end, os.SEEK_SET)
        self._torn = True
        try:
            for piece in pieces(data, first_alone=self._end == 0):
                write_all(self._file, piece)
                if self.durable:
                    sync_file(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._torn = False
        self._end += len(data)
        self._last = (self._last + data[-LAST_BYTES:])[-LAST_BYTES:]

    def _look_at_end(self) -> None:
        """Go on in a new file if another program has overwritten this one; keep what another program has appended."""
        assert self._file is not None, "open() comes first"
        start = self._end - len(self._last)
        os.lseek(self._file, start, os.SEEK_SET)
        if os.read(self._file, len(self._last)) != self._last:
            self._leave_overwritten()
        elif not self._torn and (size := os.fstat(self._file).st_size) > self._end:
            os.lseek(self._file, size - 1, os.SEEK_SET)
            complete = os.read(self._file, 1) == b"\n"
            self._warn(f"another program has written into {self.path} while it was being recorded")
            self._end, self._last = size, b""
            if not complete:
                self._append(b"\n")

    def _leave_overwritten(self) -> None:
        assert self._file is not None
        self.samples_deleted += self._samples
        self._samples = 0
        try:
            target = free_path(self.path)
            file = self._begin_file(target, copied=False)
        except (OSError, StorageError) as error:
            raise deleted_error(self.path, error) from error
        self._warn(overwritten_warning(self.path, target))
        self._change_file(file, target)

    def _change_file(self, file: int, target: Path) -> None:
        assert self._file is not None
        os.close(self._file)
        self._file, self.path, self._end = file, target, os.lseek(file, 0, os.SEEK_END)
        self._last, self._torn = b"", False

    def _follow_path(self) -> None:
        """Go on in a new file if this one was deleted or moved. The rows of a deleted one are copied."""
        assert self._file is not None, "open() comes first"
        opened = identity(self._file)
        if sys.platform == "win32" or opened is None or identity(self.path) == opened:
            return  # Windows refuses to delete or move an open file
        try:
            deleted, moved_to = is_deleted(self._file), present_path(self._file)
            if (now := continued_where_it_is(self.path, moved_to)) is not None:
                self._warn(continued_warning(self.path, now))
                self.path = now
                return
            target = free_path(self.path)
            file = self._begin_file(target, copied=deleted)
        except (OSError, StorageError) as error:
            raise deleted_error(self.path, error) from error
        self._warn(deleted_warning(self.path, target) if deleted else moved_warning(self.path, moved_to, target))
        self._change_file(file, target)

    def _begin_file(self, target: Path, *, copied: bool) -> int:
        """Create and lock a file with the rows of the open one, or with the first line only."""
        assert self._file is not None
        file = create_file(target)
        try:
            lock(file, target)
            if copied:
                os.lseek(self._file, 0, os.SEEK_SET)
                while rest := self._end - os.lseek(file, 0, os.SEEK_CUR):
                    write_all(file, os.read(self._file, min(COPIED_BYTES, rest)))
            else:
                write_all(file, self.head)
            sync_file(file)
            sync_folder(target.parent)
        except BaseException:
            os.close(file)
            target.unlink(missing_ok=True)
            raise
        return file


def _skip_to_sound_line(lines: io.BytesIO, decode: Callable[[Iterable[bytes], Damage], Iterator[Row]]) -> None:
    """Go to the first line that is a row: the begin of the record before it was not read."""
    while line := lines.readline():
        if any(True for _ in decode([line], Damage())):
            return


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write all bytes at the present position of an open file."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _open_or_create(path: Path) -> tuple[int, bool]:
    """Open a file, or create it; nothing is created through a link that leads nowhere.

    Returns:
        The descriptor, and whether the file was created.
    """
    try:
        return os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)), False
    except FileNotFoundError:
        return create_file(path), True


def pieces(data: bytes, *, first_alone: bool) -> Iterator[memoryview]:
    """Cut lines into pieces of which each is on the disk before the next is written.

    The first line of a file is a piece of its own: by it the file is recognised.
    """
    view = memoryview(data)
    if first_alone:
        end = data.index(b"\n") + 1
        yield view[:end]
        view = view[end:]
    while view:
        yield view[:FLUSH_BYTES]
        view = view[FLUSH_BYTES:]


def end_of_sound_lines(file: int) -> int:
    """Return the position after the last complete line of an open file, or before NUL bytes in its newest part.

    A power failure can leave NUL bytes in what was not on the disk yet: nothing behind them was acknowledged.
    """
    end = os.lseek(file, 0, os.SEEK_END)
    start = os.lseek(file, max(0, end - FLUSH_BYTES), os.SEEK_SET)
    nul = os.read(file, end - start).find(b"\0")
    if nul >= 0:
        log.warning(
            "a power failure has left NUL bytes in the file: lines behind them were not acknowledged, and are removed"
        )
    return _end_of_last_line(file, end if nul < 0 else start + nul)


def _end_of_last_line(file: int, end: int) -> int:
    while end > 0:
        start = max(0, end - HEAD_BYTES)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def complete_lines(path: Path, damage: Damage) -> Iterator[bytes]:
    """Return the lines of a file without an incomplete last one, and none behind NUL bytes in its newest part."""
    with path.open("rb") as file:
        uncertain = os.fstat(file.fileno()).st_size - FLUSH_BYTES
        position = 0
        for line in file:
            nul = line.find(b"\0")
            if nul >= 0 and position + nul >= uncertain:
                damage.lines += 1 + sum(rest.endswith(b"\n") for rest in file)
                return
            position += len(line)
            if line.endswith(b"\n"):
                yield line


def decoded(lines: Iterable[bytes], decode: Callable[[bytes], Row], damage: Damage) -> Iterator[Row]:
    """Return the rows of lines. A damaged line is counted and skipped: rows behind it are still read.

    A damaged disk can leave blocks of NUL bytes, also within what looks like a line.
    """
    for line in lines:
        try:
            row = None if b"\0" in line else decode(line)
        except UNREADABLE:
            row = None
        if row is None:
            damage.lines += 1
        else:
            yield row

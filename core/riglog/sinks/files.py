"""Sinks that write one file or folder in a worker thread, and what they need of the file system."""

import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import anyio
import anyio.to_thread

from riglog.errors import StorageError
from riglog.model import Batch, Event, Run, Sink
from riglog.sinks.rows import Row, rows

T = TypeVar("T")
HEAD_BYTES = 65_536
NOT_MODIFIED = "Use another file name. The file was not modified"


class FileSink(Sink):
    """A sink at a path. Its blocking calls run in a worker thread, one at a time."""

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self._limiter = anyio.CapacityLimiter(1)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)
        except OSError as error:
            raise file_error(error, self.path) from error


class RowFileSink(FileSink):
    """Stores rows and no events. The methods of subclasses block; they are called in the thread."""

    _run: str | None = None

    async def check(self) -> None:
        await self._in_thread(self._check)

    async def open(self, run: Run) -> None:
        self._run = run.id
        await self._in_thread(self._check_and_open)

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        if batches:
            await self._in_thread(lambda: self._store(list(rows(self._run, batches))))

    async def aclose(self) -> None:
        await self._in_thread(self._close)

    @abstractmethod
    def _check(self) -> None:
        """Check, by reading only, that the recording can be created or continued."""

    @abstractmethod
    def _open(self) -> None:
        """Open it. The content is kept unless ``overwrite``."""

    @abstractmethod
    def _store(self, found: list[Row]) -> None:
        """Store all rows, or none and raise."""

    @abstractmethod
    def _close(self) -> None:
        """Close it."""

    def _check_and_open(self) -> None:
        self._check()
        self._open()


def check_writable(path: Path) -> None:
    """Check that a file or folder can be created or changed. Reads only.

    Raises:
        StorageError: the directory does not exist, or no permission to write.
    """
    if not path.parent.is_dir():
        raise StorageError("directory not found", hint=f"Create it: mkdir -p {path.parent}", path=path)
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise StorageError(
                f"permission denied: cannot write {needed}",
                hint=f"Make {needed} writable, or use another path",
                path=path,
            )


class FileLockedError(StorageError):
    """Another program has locked the file."""


def lock(file: int, path: Path) -> None:
    """Lock an open file or folder until it is closed: two programs would overwrite each other's rows.

    Raises:
        FileLockedError: another program has locked it.
        OSError: the file system has no locks.
    """
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        hint = "Stop the other recording, or use another path"
        raise FileLockedError("file is locked by another recording", hint=hint, path=path) from None


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 0x7FFF_FFFE
    """Behind the content: what is locked cannot be read."""

    def _lock(file: int) -> None:
        position = os.lseek(file, 0, os.SEEK_CUR)
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, position, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def first_line(path: Path) -> bytes:
    """Return the first line of a file without its end; empty if the file is empty.

    Raises:
        StorageError: the file does not exist, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.readline(HEAD_BYTES).rstrip(b"\r\n")
    except OSError as error:
        raise read_error(error, path) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at ``path`` when the block ends without an error: as a whole and in one step."""
    hidden = path.with_name(f".{path.name}.new")
    try:
        with hidden.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def file_error(error: OSError, path: Path) -> StorageError:
    """Return the error of a failed write, with the next step."""
    hint = "Free disk space" if error.errno == 28 else "Check the path and its permissions"
    return StorageError(f"write failed: {error.strerror or error}", hint=hint, path=path)


def read_error(error: OSError, path: Path) -> StorageError:
    """Return the error of a failed read, with the next step."""
    if isinstance(error, FileNotFoundError):
        return StorageError("file not found", hint="Check the path", path=path)
    return StorageError(f"cannot read the file: {error.strerror or error}", hint="Check the permissions", path=path)

"""Sinks that write one file or folder in a worker thread: what they share."""

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from riglog.errors import StorageError
from riglog.model import Batch, Event, Run, Sink
from riglog.sinks.rows import Row, rows

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")


class FileSink(Sink):
    """Stores rows, not events: those are in an SQLite recording. Subclasses block; they are called in a thread."""

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self._limiter = anyio.CapacityLimiter(1)
        self._run: str | None = None

    async def check(self) -> None:
        await self._in_thread(self._check)

    async def open(self, run: Run) -> None:
        self._run = run.id
        await self._in_thread(self._check_and_begin)

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        if batches:
            await self._in_thread(lambda: self._store(list(rows(self._run, batches))))

    async def aclose(self) -> None:
        await self._in_thread(self._finish)

    @abstractmethod
    def _check(self) -> None:
        """See, by reading only, that the store can be continued, or begun."""

    @abstractmethod
    def _begin(self) -> None:
        """Open it, old content kept unless ``overwrite``."""

    @abstractmethod
    def _store(self, found: list[Row]) -> None:
        """All of it, or nothing and raise."""

    @abstractmethod
    def _finish(self) -> None:
        """Close it."""

    def _check_and_begin(self) -> None:
        self._check()
        self._begin()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)
        except OSError as error:
            raise file_error(error, self.path) from error


def check_writable(path: Path) -> None:
    """See that a file or folder can be made or changed there. Reads only.

    Raises:
        StorageError: the directory is missing, or it or what is there cannot be written.
    """
    if not path.parent.is_dir():
        raise StorageError("the directory does not exist", hint=f"mkdir -p {path.parent}", path=path)
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise StorageError("permission denied", hint=f"make {needed} writable, or choose another path", path=path)


def lock(file: int, path: Path) -> None:
    """Keep an opened file or folder for us until it is closed: what two programs wrote would be lost in turn.

    Raises:
        StorageError: another program has it.
    """
    if fcntl is None:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StorageError("another recording is writing there", hint="choose another path", path=path) from None


def file_error(error: OSError, path: Path) -> StorageError:
    """What the operating system says, with what to do about it."""
    hint = "free some space" if error.errno == 28 else "check the path and its permissions"
    return StorageError(f"cannot be stored: {error.strerror or error}", hint=hint, path=path)

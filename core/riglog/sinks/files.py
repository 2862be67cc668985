"""Sinks that write one file or folder in a worker thread, and what they need of the file system."""

import errno
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import anyio
import anyio.to_thread

from riglog.errors import MEMORY_HINT, THREAD_HINT, ConfigError, NotARecordingError, StorageError, is_without_threads
from riglog.model import Batch, Event, EventKind, Run, Sink
from riglog.sinks import disk
from riglog.sinks.disk import Durability, create_file, create_hidden, publish, read_beginning, real_path, sync_file
from riglog.sinks.rows import Row, rows

T = TypeVar("T")
HEAD_BYTES = 65_536
NOT_MODIFIED = "Use another file name. The file was not modified"


class FileSink(Sink):
    """A sink at a path. Its blocking calls run in a worker thread, one at a time."""

    def __init__(self, path: str | Path, *, overwrite: bool = False, durability: Durability = "flush") -> None:
        if "\0" in str(path):
            raise ConfigError("path contains a NUL character", hint="No file can have such a name: correct the path")
        self.path = real_path(Path(path))
        self.overwrite = overwrite
        self.durable = durability == "flush"
        self._limiter = anyio.CapacityLimiter(1)

    def _warn(self, warning: str, kind: EventKind = EventKind.RECORDING_MOVED) -> None:
        self.warning, self.warning_kind = warning, kind

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)
        except OSError as error:
            raise file_error(error, self.path) from error
        except MemoryError as error:
            raise StorageError("write failed: out of memory", hint=MEMORY_HINT, path=self.path) from error
        except RuntimeError as error:
            if not is_without_threads(error):
                raise
            raise StorageError(
                "write failed: the system starts no more threads", hint=THREAD_HINT, path=self.path
            ) from error


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
        StorageError: the directory does not exist, no permission to write, or a link that leads nowhere.
    """
    if path.is_symlink() and not path.exists():
        raise StorageError(
            "path is a link to a file that does not exist", hint="Remove the link, or use another path", path=path
        )
    if not path.parent.is_dir():
        raise StorageError("directory not found", hint=f"Create it: mkdir -p {path.parent}", path=path)
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            named = needed.absolute()  # not ".", which names nothing to the reader
            raise StorageError(
                f"permission denied: cannot write {named}",
                hint=f"Make {named} writable, or use another path",
                path=path,
            )


def refuse_special_file(path: Path) -> None:
    """Refuse what is neither a file nor a folder: opening a named pipe would wait for ever.

    Raises:
        NotARecordingError: it is a pipe, a socket or a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        hint = "Give the name of a file: a pipe or a device does not keep what is written"
        raise NotARecordingError("path is not a file", hint=hint, path=path)


def first_line(path: Path) -> bytes:
    """Return the first line of a file without its end; empty if the file is empty.

    Raises:
        StorageError: the file does not exist, or cannot be read.
    """
    try:
        refuse_special_file(path)
        return read_beginning(path, HEAD_BYTES).partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise read_error(error, path) from error


def is_blank(path: Path, is_torn: Callable[[bytes], bool] = lambda _: False) -> bool:
    """Return True if nothing is stored in a file: it is empty, or has only what a power failure leaves of a new file.

    Args:
        is_torn: True for the begin of a first line whose end is missing. NUL bytes alone are always such a rest.
    """
    refuse_special_file(path)
    content = read_beginning(path, HEAD_BYTES + 1)
    line = content.rstrip(b"\0")
    return len(content) <= HEAD_BYTES and (not line or (b"\n" not in line and is_torn(line)))


@contextmanager
def appearing(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """Open a file that appears at ``path`` when the block ends without an error: as a whole and in one step.

    Its name until then cannot be predicted, and a link planted there is not followed.

    Args:
        replace: replace the file that is at ``path``; the caller has made sure that riglog wrote it. Otherwise a file
            that is there by then is kept.
    Raises:
        FileExistsError: there is one, and ``replace`` is False.
    """
    opened, hidden = create_hidden(path)
    with os.fdopen(opened, "wb") as file:
        try:
            yield file
            file.flush()
            sync_file(opened)
            file.close()  # Windows moves closed files only
            if replace:
                os.replace(hidden, path)
                disk.sync_folder(path.parent)
            else:
                publish(hidden, path)
        finally:
            file.close()
            hidden.unlink(missing_ok=True)


def create(path: Path) -> BinaryIO:
    """Create a file and open it for writing. Neither an existing file nor a link is opened.

    Raises:
        FileExistsError: there is something at ``path``.
    """
    return os.fdopen(create_file(path), "wb")


def deleted_warning(path: Path, now: Path) -> str:
    """Return what the user must know about a file that was deleted, and whose rows could be kept."""
    return f"{path} was deleted while it was being recorded; all its rows were kept and are in {now}"


def moved_warning(path: Path, moved_to: str | None, now: Path) -> str:
    """Return what the user must know about a file that was moved: its rows are in two files."""
    return f"{path} was moved to {moved_to or 'another place'} while it was being recorded; newer rows are in {now}"


def continued_where_it_is(path: Path, moved_to: str | None) -> Path | None:
    """Return the present path of an open file whose folder was moved or renamed: it is continued there.

    None if the folder is still there: then somebody has put the file away on purpose, and it is not touched again.
    """
    return None if moved_to is None or path.parent.is_dir() else Path(moved_to)


def continued_warning(path: Path, now: Path) -> str:
    """Return what the user must know about a file whose folder was moved."""
    return f"{path} was moved to {now} with its directory while it was being recorded; it is continued there"


def overwritten_warning(path: Path, now: Path) -> str:
    """Return what the user must know about a file whose content is no longer what was stored in it."""
    return f"another program has overwritten {path} while it was being recorded; newer rows are in {now}"


def deleted_error(path: Path, error: OSError | StorageError) -> StorageError:
    """Return the error of a file that was deleted or moved, and cannot be continued."""
    reason = error.message if isinstance(error, StorageError) else error.strerror or str(error)
    return StorageError(
        f"file was deleted or moved while it was being recorded, and a new one cannot be created: {reason}",
        hint="Make the directory available and writable again: the rows are kept in memory until then",
        path=path,
    )


NEXT_STEPS = {
    errno.ENOSPC: "Free disk space",
    errno.EDQUOT: "Free disk space: the quota of the user is used up",
    errno.EROFS: "The file system is read-only: check the disk, then mount it writable again",
    errno.EIO: "Check the disk and its cable: the operating system could not write to it",
}


def file_error(error: OSError, path: Path) -> StorageError:
    """Return the error of a failed write, with the next step."""
    hint = NEXT_STEPS.get(error.errno or 0, "Check the path and its permissions")
    return StorageError(f"write failed: {error.strerror or error}", hint=hint, path=path)


def read_error(error: OSError, path: Path) -> StorageError:
    """Return the error of a failed read, with the next step."""
    if isinstance(error, FileNotFoundError):
        return StorageError("file not found", hint="Check the path", path=path)
    return StorageError(f"cannot read the file: {error.strerror or error}", hint="Check the permissions", path=path)

"""One recording has one writer: a lock file beside it, locked by the operating system while a program writes.

SQLite allows several writers, and every version before 3.51.3 has a fault that needs a second connection which commits
or checkpoints: it can damage the write-ahead log. The operating system releases the lock when the program ends, however
it ends: a lock file that was left behind by a killed program is no obstacle.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from riglog.errors import StorageError
from riglog.log import get_logger
from riglog.sinks.disk import FILE_MODE, NOFOLLOW, FileLockedError, beside, lock
from riglog.sinks.files import file_error

log = get_logger("riglog.sinks")

ATTEMPTS, PAUSE_SECONDS = 5, 0.05
"""Another program may be looking at this moment whether the recording has a writer."""


class WriterLock:
    """The right to write a recording, until it is released or the block of ``with`` ends. Blocking.

    Raises:
        StorageError: another program writes it.
    """

    def __init__(self, path: Path) -> None:
        self._recording = path
        self._path = lock_path(path)
        self._file: int | None = None
        while self._file is None:
            self._file = self._acquire(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Remove the lock file and release the lock."""
        file, self._file = self._file, None
        if file is None:
            return
        with suppress(OSError):  # Windows does not remove an open file
            self._path.unlink()
        os.close(file)
        with suppress(OSError):
            if os.name == "nt":
                self._path.unlink()

    def renew(self) -> None:
        """Put the lock file back if somebody has deleted it: another program would not see that there is a writer.

        Raises:
            StorageError: another program writes the recording since then.
        """
        if self._file is None or _is_at(self._file, self._path):
            return
        try:
            file = self._acquire(self._recording)
        except StorageError:
            if is_locked(self._recording):
                raise
            return  # no space or no permission for it now: recording goes on, and it is tried with the next flush
        if file is not None:
            os.close(self._file)
            self._file = file
            log.warning("%s was deleted while the recording was written; it was created again", self._path)

    def _acquire(self, path: Path) -> int | None:
        """Lock the file; None if its last owner has removed it meanwhile."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise file_error(error, self._path) from error
        try:
            _lock_patiently(file, path)
            if not _is_at(file, self._path):
                os.close(file)
                return None
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        except FileLockedError:
            os.close(file)
            raise _locked(self._path, path) from None
        except OSError as error:
            log.warning("%s: file locks do not work here (%s): record into it with one program only", path, error)
        return file


def check_unlocked(path: Path) -> None:
    """Check that no program writes a recording. Reads only.

    Raises:
        StorageError: another program writes it.
    """
    location = lock_path(path)
    try:
        file = os.open(location, os.O_RDWR | NOFOLLOW)
    except OSError:
        return
    try:
        lock(file, path)
    except FileLockedError:
        raise _locked(location, path) from None
    except OSError:
        return
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """Return whether a program writes a recording. Reads only."""
    try:
        check_unlocked(path)
    except StorageError:
        return True
    return False


def lock_path(path: Path) -> Path:
    """Return where the lock of a recording is."""
    return beside(path, ".lock")


def _lock_patiently(file: int, path: Path) -> None:
    for _ in range(ATTEMPTS - 1):
        with suppress(FileLockedError):
            lock(file, path)
            return
        time.sleep(PAUSE_SECONDS)
    lock(file, path)


def _is_at(file: int, path: Path) -> bool:
    """Return True if an open file is the one at a path: it may have been removed before it was locked."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _locked(location: Path, path: Path) -> StorageError:
    process = ""
    with suppress(OSError, ValueError):
        process = f" (process {int(location.read_text())})"
    return StorageError(
        f"the file is being recorded by another program{process}",
        hint="Stop the other recording, or use another file",
        path=path,
    )

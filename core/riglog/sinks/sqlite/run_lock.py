"""One run has one writer: a lock file beside the recording, locked by the operating system while a program writes.

The operating system releases the lock when the program ends, however it ends: a lock file that was left behind by a
killed program is no obstacle.
"""

import os
from contextlib import suppress
from glob import escape
from pathlib import Path

from riglog.errors import StorageError
from riglog.log import get_logger
from riglog.sinks.disk import FILE_MODE, NOFOLLOW, FileLockedError, lock
from riglog.sinks.files import file_error

log = get_logger("riglog.sinks")


class RunLock:
    """The right to write a run. Blocking.

    Raises:
        StorageError: another program writes the run.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = lock_path(path, run)
        self._file: int | None = None
        while self._file is None:
            self._file = self._acquire(path, run)

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

    def _acquire(self, path: Path, run: str) -> int | None:
        """Lock the file; None if its last owner has removed it meanwhile."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise file_error(error, self._path) from error
        try:
            lock(file, path)
            if not _is_at(file, self._path):
                os.close(file)
                return None
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        except FileLockedError:
            os.close(file)
            raise _locked(self._path, run, path) from None
        except OSError as error:
            log.warning("%s: file locks do not work here (%s): do not resume a run in two programs", path, error)
        return file


def check_unlocked(path: Path, run: str) -> None:
    """Check that no program writes a run. Reads only.

    Raises:
        StorageError: another program writes it.
    """
    location = lock_path(path, run)
    try:
        file = os.open(location, os.O_RDWR)
    except OSError:
        return
    try:
        lock(file, path)
    except FileLockedError:
        raise _locked(location, run, path) from None
    except OSError:
        return
    finally:
        os.close(file)


def check_no_writer(path: Path) -> None:
    """Check that no program writes any run of a recording, which is to be overwritten. Reads only.

    Raises:
        StorageError: another program writes one.
    """
    for location in path.parent.glob(f"{escape(path.name)}-*.lock"):
        check_unlocked(path, location.name.removeprefix(f"{path.name}-").removesuffix(".lock"))


def lock_path(path: Path, run: str) -> Path:
    """Return where the lock of a run is."""
    return path.with_name(f"{path.name}-{run}.lock")


def _is_at(file: int, path: Path) -> bool:
    """Return True if an open file is the one at a path: it may have been removed before it was locked."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _locked(location: Path, run: str, path: Path) -> StorageError:
    process = ""
    with suppress(OSError, ValueError):
        process = f" (process {int(location.read_text())})"
    return StorageError(
        f"run {run} is being recorded by another program{process}",
        hint="Stop the other recording, or use another file",
        path=path,
    )

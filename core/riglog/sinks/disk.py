"""Files and the disk below them: what survives a power failure, and whether a path still names an open file."""

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

from riglog.errors import StorageError

Durability = Literal["flush", "system"]
"""When rows are on the disk, safe from a power failure: with every flush, or when the operating system writes them."""
Identity = tuple[int, int]
"""A file, whatever its name: device and inode."""

FILE_MODE, FOLDER_MODE = 0o664, 0o775
HIDDEN = ".riglog-"
"""How the name of a file that is not complete begins."""
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)

NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF}
"""Some network and FAT file systems cannot sync a folder; a folder without read permission cannot be opened for it."""


def sync_file(file: int) -> None:
    """Return when the content of an open file is on the disk."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # fsync alone leaves it in the cache of the drive
        except OSError:  # a file system without it
            os.fsync(file)
    elif sys.platform == "win32":
        os.fsync(file)
    else:
        os.fdatasync(file)


def sync_closed(path: Path) -> None:
    """Return when the content of a file that is closed is on the disk."""
    file = os.open(path, os.O_RDWR)
    try:
        sync_file(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk: of a file that was created or renamed."""
    if sys.platform == "win32":
        return  # NTFS writes its journal; a folder cannot be opened
    try:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def identity(file: int | Path) -> Identity | None:
    """Return which file an open file or a path is; None if the path names nothing."""
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def real_path(path: Path) -> Path:
    """Return the path of the file itself where a path is a link: a file has one lock, one inbox and one log."""
    try:
        return Path(os.path.realpath(path)) if path.is_symlink() and path.exists() else path
    except OSError:  # a name that is too long, or a directory that may not be read: using it is the error
        return path


def beside(path: Path, ending: str) -> Path:
    """Return the path of what belongs to a recording and is kept beside it, such as ``-wal`` and ``.lock``."""
    real = real_path(path)
    return real.parent / f"{real.name}{ending}"  # with_name fails for "."


def is_deleted(file: int) -> bool:
    """Return whether an open file has no name any more: its content is lost when it is closed."""
    path = _path_of(file)
    hidden_by_nfs = path is not None and os.path.basename(path).startswith(".nfs")  # deleted, but still open here
    return os.fstat(file).st_nlink == 0 or hidden_by_nfs


def present_path(file: int) -> str | None:
    """Return the path of an open file now; None if it was deleted, or where it cannot be determined."""
    path = _path_of(file)
    return path if path is not None and identity(Path(path)) == identity(file) else None


def open_descriptor(wanted: Identity, *, but: int | None = None) -> int | None:
    """Return the descriptor of an open file of this process, which belongs to somebody else: do not close it.

    SQLite does not tell its descriptors, and a second one must not be opened: closing it would end SQLite's locks.
    """
    if sys.platform == "win32":
        return None
    for name in os.listdir("/dev/fd"):
        try:
            found = os.fstat(int(name))
        except (OSError, ValueError):  # the descriptor of the listing itself is closed already
            continue
        if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) == wanted and int(name) != but:
            return int(name)
    return None


def read_beginning(path: Path, count: int) -> bytes:
    """Return the first bytes of a file.

    A file that this process has open is read through that descriptor. POSIX ends all locks of a process on a file when
    it closes any descriptor of it: SQLite would no longer be protected from other programs, and the first of them that
    ends would delete the write-ahead log.
    """
    wanted = identity(path)
    if wanted is not None and (opened := _read_open_file(wanted, count)) is not None:
        return opened
    file = os.open(path, os.O_RDONLY | _BINARY)
    try:
        return _read(file, count)
    finally:
        if wanted is not None and open_descriptor(wanted, but=file) is not None:
            _not_closed.append(file)  # another thread has opened it meanwhile
        else:
            os.close(file)


_not_closed: list[int] = []


def _read_open_file(wanted: Identity, count: int) -> bytes | None:
    """Return the first bytes of a file that this process has open for reading; None if it has not."""
    file = open_descriptor(wanted)
    if sys.platform == "win32" or file is None:
        return None
    try:
        found = os.pread(file, count, 0)
        return found if identity(file) == wanted else None  # else it was closed meanwhile
    except OSError:  # open for writing only
        return None


def _read(file: int, count: int) -> bytes:
    found = b""
    while len(found) < count and (piece := os.read(file, count - len(found))):
        found += piece
    return found


def free_path(path: Path) -> Path:
    """Return the path, or one with a number if it is in use: ``run.sqlite``, ``run-2.sqlite`` …"""
    number = 1
    tried = path
    while os.path.lexists(tried):
        number += 1
        tried = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return tried


def _path_of(file: int) -> str | None:
    if sys.platform == "darwin":
        import fcntl

        return fcntl.fcntl(file, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode(errors="replace")
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return None


def create_hidden(path: Path) -> tuple[int, Path]:
    """Create a file beside a path, under a name that nobody can have prepared; ``publish`` gives it its own name.

    Owner and group can write, if the file mode mask of the user allows it; nobody else can.
    """
    hidden = path.with_name(f"{HIDDEN}{os.urandom(8).hex()}.new")
    return create_file(hidden), hidden


def create_file(path: Path) -> int:
    """Create a file that does not exist, and return its descriptor. A link is not followed.

    Raises:
        FileExistsError: the name is in use.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NOFOLLOW | _BINARY, FILE_MODE)


def publish(hidden: Path, path: Path) -> None:
    """Give a complete file its name. A file that has this name already is never replaced.

    Raises:
        FileExistsError: the name is in use. The hidden file is removed.
    """
    try:
        reserved = create_file(path)  # the name: what is replaced now is this empty file
        try:
            os.close(reserved)
            os.replace(hidden, path)
        except BaseException:
            with suppress(OSError):
                if not path.stat().st_size:
                    path.unlink()  # else it would be in the way of the next attempt
            raise
    finally:
        hidden.unlink(missing_ok=True)
    sync_folder(path.parent)


def has_locks(folder: Path) -> bool:
    """Return whether files in a folder can be locked; on some network mounts they cannot."""
    if sys.platform == "win32":
        return True
    import fcntl

    file, hidden = create_hidden(folder / "lock")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
        hidden.unlink(missing_ok=True)
    return True


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

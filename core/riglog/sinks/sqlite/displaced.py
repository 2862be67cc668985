"""A recording whose file was deleted or moved while it was written: its rows are kept, in a new file if need be.

The open connection still reaches the file. A deleted one is copied back into the folder; a moved one is completed where
it is now, and a new file takes the newer rows. The write-ahead log needs care: it keeps its old name, and SQLite would
take it for that of a new file of this name.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from riglog.sinks.disk import (
    Identity,
    create_hidden,
    free_path,
    identity,
    is_deleted,
    open_descriptor,
    present_path,
    publish,
    sync_file,
)
from riglog.sinks.files import (
    continued_warning,
    continued_where_it_is,
    deleted_warning,
    moved_warning,
    overwritten_warning,
)


def is_displaced(path: Path, opened: Identity | None) -> bool:
    """Return whether a path does not name the file any more that was opened there."""
    return opened is not None and identity(path) != opened


def leave_displaced(database: sqlite3.Connection, path: Path, opened: Identity) -> tuple[Path, str]:
    """Complete the file that was deleted or moved, and close it.

    Returns:
        The path at which recording goes on, and what the user must know. If the file was deleted, the new one holds all
        rows already; if it was moved, the new one does not exist yet, unless its folder was moved: it is continued.
    Raises:
        OSError, sqlite3.Error: the rows cannot be kept now; the connection is still open, try again.
    """
    file = open_descriptor(opened)
    deleted = file is not None and is_deleted(file)
    moved_to = None if file is None else present_path(file)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = _copy(database, path) if deleted else None
    database.close()
    if (now := continued_where_it_is(path, moved_to)) is not None:
        return now, continued_warning(path, now)
    _remove_empty_log(path)
    target = _free(path)
    if copy is None:
        return target, moved_warning(path, moved_to, target)
    publish(copy, target)
    return target, deleted_warning(path, target)


def leave_overwritten(database: sqlite3.Connection, path: Path) -> tuple[Path, str]:
    """Close a file that another program has overwritten. What the write-ahead log still has of it is written back.

    Returns:
        The path of the new file, which does not exist yet, and what the user must know.
    """
    with suppress(sqlite3.Error):
        database.close()
    target = _free(path)
    rest = f"`riglog salvage {path} --out NEW.sqlite` copies what can be read of the earlier ones"
    return target, f"{overwritten_warning(path, target)}; {rest}"


def _copy(database: sqlite3.Connection, path: Path) -> Path:
    """Copy the open database into a hidden file in the folder that it was in."""
    file, hidden = create_hidden(path)
    try:
        target = sqlite3.connect(hidden, isolation_level=None)
        try:
            database.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # no log beside the hidden name
        finally:
            target.close()
        sync_file(file)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    return hidden


def _remove_empty_log(path: Path) -> None:
    """Remove what the closed connection has left beside the old name, if nothing is in it."""
    log = path.with_name(path.name + "-wal")
    if not os.path.lexists(path) and log.is_file() and log.stat().st_size == 0:
        log.unlink()
        path.with_name(path.name + "-shm").unlink(missing_ok=True)


def _free(path: Path) -> Path:
    """Return a path that is free and has no log of another file beside it."""
    target = free_path(path)
    while target.with_name(target.name + "-wal").exists():
        target = free_path(target.with_name(f"{target.stem}-2{target.suffix}"))
    return target

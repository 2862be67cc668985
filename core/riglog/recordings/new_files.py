"""A recording that is made of another one appears as a whole, or not at all, and replaces nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riglog.errors import StorageError
from riglog.sinks.disk import HIDDEN, publish, sync_closed
from riglog.sinks.files import file_error


@contextmanager
def new_file(target: Path, *, option: str = "--out") -> Iterator[Path]:
    """Return the path at which a file is made, in a folder of its own; ``publish_file`` gives it its name at the end.

    What the block leaves in that folder is removed with it.

    Args:
        option: the option of the command that names the file.

    Raises:
        StorageError: ``target`` exists, or a file cannot be written. Nothing was left behind.
    """
    if os.path.lexists(target):
        raise file_exists(target, option)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=HIDDEN) as folder:
            yield Path(folder) / target.name
    except FileExistsError as error:
        raise file_exists(target, option) from error
    except OSError as error:
        raise file_error(error, target) from error


def publish_file(complete: Path, target: Path) -> None:
    """Give a complete file, which is closed, its name when it is on the disk.

    Raises:
        FileExistsError: the name is in use.
        OSError: it cannot be written.
    """
    sync_closed(complete)
    publish(complete, target)


def file_exists(path: Path, option: str = "--out") -> StorageError:
    """Return the error of a file that is there already, with the next step."""
    return StorageError("file exists", hint=f"Give {option} a new name: nothing is replaced", path=path)

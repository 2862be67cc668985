"""Files that riglog writes for other programs, such as exports and pictures: one rule about what they may replace."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from riglog.errors import StorageError
from riglog.sinks.files import appearing, check_writable, file_error


class Kind(NamedTuple):
    """What is written: its format, what it is called, and whether riglog wrote the file at a path as this."""

    name: str
    noun: str
    recognizes: Callable[[Path], bool]

    @property
    def article(self) -> str:
        return "an" if self.noun[0] in "aeiou" else "a"


def check_target(path: Path, kind: Kind, overwrite: bool) -> None:
    """Check that a file can be written to a path: it replaces an earlier one of its kind only, and only if wanted.

    Raises:
        StorageError: it cannot; nothing was modified.
    """
    check_writable(path)
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file() or not kind.recognizes(path):
        raise StorageError(
            f"file exists and is not {kind.article} {kind.noun} in {kind.name}",
            hint="Use another file name. The file was not modified",
            path=path,
        )
    if not overwrite:
        raise StorageError(
            "file exists and was not overwritten",
            hint=f"Use another file name, or --overwrite to replace the earlier {kind.noun}",
            path=path,
        )


@contextmanager
def output(path: Path, kind: Kind, overwrite: bool) -> Iterator[BinaryIO]:
    """Open the file to write to. It appears or is replaced when it is complete."""
    try:
        with appearing(path, replace=os.path.lexists(path)) as file:
            yield file
            check_target(path, kind, overwrite)  # again: the file there may be another one by now
    except OSError as error:
        raise file_error(error, path) from error

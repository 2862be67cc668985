"""Two sinks at one file: every row would be stored twice, or the file would be corrupted."""

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

from riglog.errors import ConfigError


def shared_paths(paths: Sequence[str]) -> Iterator[ConfigError]:
    """Yield one error for every two of the paths that are one file, however they are written."""
    for first, second in dict.fromkeys(combinations(paths, 2)):
        if first == second:
            yield ConfigError(f"sink.path: {first!r} is used by two sinks", hint="Give each sink its own path")
        elif _same_file(first, second):
            yield ConfigError(
                f"sink.path: {first!r} and {second!r} are the same file", hint="Give each sink its own path"
            )


def _same_file(one: str, other: str) -> bool:
    """Return True if two paths are one file, also if it does not exist yet: links, ``./x``, upper and lower case."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # at least one does not exist
        return _canonical(one) == _canonical(other)


def _canonical(path: str) -> str:
    """Return a path without links; without case and Unicode form where file systems usually ignore them."""
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):  # no path at all: the sink refuses it
        real = path
    return unicodedata.normalize("NFC", real).casefold() if sys.platform in ("darwin", "win32") else real

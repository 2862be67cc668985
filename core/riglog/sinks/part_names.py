"""The files of a rotation: ``kiln.sqlite``, ``kiln.part0002.sqlite`` … The first name stands for all of them."""

import os
import re
from pathlib import Path

from riglog.sinks.disk import real_path


def parts(path: Path) -> list[Path]:
    """Return the files of a recording that exist, oldest first: ``path``, then those that follow it."""
    path = real_path(path)
    pattern = re.compile(re.escape(path.stem) + r"\.part(\d{4,})" + re.escape(path.suffix))
    try:
        names = os.listdir(path.parent)
    except OSError:
        names = []
    numbered = sorted((int(found[1]), name) for name in names if (found := pattern.fullmatch(name)))
    first = [path] if os.path.lexists(path) else []
    return first + [path.with_name(name) for _, name in numbered]


def parts_after(path: Path, part: Path) -> list[Path]:
    """Return the files of a recording that follow one of them."""
    found = parts(path)
    return found[found.index(part) + 1 :] if part in found else []


def newest_part(path: Path) -> Path:
    """Return the file that is written, or was written last; ``path`` itself if there is none."""
    return (parts(path) or [path])[-1]


def next_part(path: Path) -> Path:
    """Return the path of a further file. Nothing is there."""
    last = newest_part(path)
    number = int(last.stem.rpartition(".part")[2]) if last != path else 1
    return path.with_name(f"{path.stem}.part{number + 1:04d}{path.suffix}")

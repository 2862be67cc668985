"""Sizes of files, and how long the disk lasts."""

import shutil
from pathlib import Path

UNITS = ("B", "kB", "MB", "GB", "TB")


def format_bytes(number: float) -> str:
    """Return a size in powers of 1000: ``12.3 MB``."""
    for unit in UNITS:
        if abs(number) < 1000 or unit == UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def free_bytes(path: Path) -> int | None:
    """Return the free space of the disk of a file; None if it is not known."""
    try:
        return shutil.disk_usage(path.absolute().parent).free
    except OSError:
        return None

"""Which programs of this machine have a port open. Linux only: elsewhere the answer is that it is not known."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path


def port_holders(devices: Iterable[str]) -> dict[str, list[str]] | None:
    """Return, for each device path, the programs that have it open, as ``name (process id)``; None if it is not known.

    Without administrator rights, only the programs of the same user are seen.
    """
    if not sys.platform.startswith("linux"):
        return None
    paths = {os.path.realpath(device): device for device in devices}
    found: dict[str, list[str]] = {device: [] for device in paths.values()}
    for process in Path("/proc").glob("[0-9]*"):
        for path in _open_paths(process) & paths.keys():
            found[paths[path]].append(f"{_name(process)} ({process.name})")
    return found


def _open_paths(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            found.add(os.readlink(descriptor))
    except OSError:  # of another user, or it has just ended
        pass
    return found


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"

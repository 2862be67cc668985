"""The files that described instruments when a run started: its recording has their texts.

Who reads the recording elsewhere, or later, may not have them.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from riglog.plugin import Registry

FILE = re.compile(
    r"^# File (?P<name>.+), as it was when the run started:\n(?P<lines>(?:#\|.*(?:\n|\Z))*)", re.MULTILINE
)


def stored_files(rig: str | None) -> dict[str, str]:
    """Return the texts of the files of a run, by name, as the rig file in the recording has them."""
    found = {}
    for match in FILE.finditer(rig or ""):
        lines = [line[2:].removeprefix(" ") for line in match["lines"].splitlines()]
        found[match["name"]] = "\n".join(lines) + "\n"
    return found


class StoredFiles:
    """Those files in a temporary folder, while the block runs."""

    def __init__(self, rig: str | None) -> None:
        self._texts = stored_files(rig)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "StoredFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def inserted(self, table: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
        """Return the table of a device; files that are not there now are as they were when the run started."""
        driver = registry.drivers.get(str(table.get("driver")))
        keys = () if driver is None else driver.config.file_keys
        changed = {
            key: str(self._path(Path(table[key]).name))
            for key in keys
            if isinstance(table.get(key), str)
            and Path(table[key]).name in self._texts
            and not Path(table[key]).exists()
        }
        return dict(table) | changed

    def _path(self, name: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="riglog-")
            for each, text in self._texts.items():
                safe = Path(self._folder.name) / Path(each).name
                safe.write_text(text, encoding="utf-8")
        return Path(self._folder.name) / name

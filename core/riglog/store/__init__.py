"""Recordings read back: as rows, as Arrow tables, and exported into other formats."""

from riglog.store.export import FORMATS, Exported, export
from riglog.store.reading import Rows, read
from riglog.store.selection import Selection

__all__ = ["FORMATS", "Exported", "Rows", "Selection", "export", "read"]

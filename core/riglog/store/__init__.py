"""Recordings read back: as rows, as Arrow tables, and exported into other formats."""

from riglog.store.events import EventRow, read_events
from riglog.store.export import FORMATS, Exported, export
from riglog.store.gaps import Availability, Gap, GapFinder
from riglog.store.reading import Rows, read
from riglog.store.selection import Selection

__all__ = [
    "FORMATS",
    "Availability",
    "EventRow",
    "Exported",
    "Gap",
    "GapFinder",
    "Rows",
    "Selection",
    "export",
    "read",
    "read_events",
]

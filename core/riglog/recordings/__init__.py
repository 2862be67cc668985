"""Recordings read back: as rows, as Arrow tables, and exported into other formats."""

from riglog.recordings.events import EventRow, read_events
from riglog.recordings.export import FORMATS, Exported, export
from riglog.recordings.gaps import Availability, Gap, GapFinder
from riglog.recordings.reading import Rows, read
from riglog.recordings.selection import Selection

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

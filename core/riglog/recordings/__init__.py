"""Reading back: the rows of a recording, its events and gaps, and export into other formats."""

from riglog.recordings.absences import Absence, AbsenceFinder
from riglog.recordings.export import Exported, export
from riglog.recordings.gaps import Availability, Gap, GapFinder
from riglog.recordings.reading import Rows, read
from riglog.recordings.salvage import Salvaged, salvage
from riglog.recordings.selection import Selection
from riglog.sinks.formats import EXPORT_FORMATS
from riglog.sinks.rows import EventRow
from riglog.sinks.sqlite import read_events

__all__ = [
    "EXPORT_FORMATS",
    "Absence",
    "AbsenceFinder",
    "Availability",
    "EventRow",
    "Exported",
    "Gap",
    "GapFinder",
    "Rows",
    "Salvaged",
    "Selection",
    "export",
    "read",
    "read_events",
    "salvage",
]

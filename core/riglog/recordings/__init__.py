"""Reading back: the rows of a recording, its events and gaps, and export into other formats."""

from riglog.recordings.absences import Absence, AbsenceFinder
from riglog.recordings.alarm_states import StoredAlarm
from riglog.recordings.alarms import acknowledge_alarm, read_alarms
from riglog.recordings.contents import (
    Contents,
    EquipmentRow,
    RunContents,
    contents,
    latest_rows,
    newest_rows,
    rows_since,
)
from riglog.recordings.corrected import CorrectedRow, read_equipment
from riglog.recordings.export import Exported, export
from riglog.recordings.gaps import Availability, Gap, GapFinder
from riglog.recordings.messages import Delivery
from riglog.recordings.notes import NoteRow, note, read_notes, write_note
from riglog.recordings.overview import Bucket
from riglog.recordings.reading import Rows, read
from riglog.recordings.reports import write_report
from riglog.recordings.salvage import Salvaged, salvage
from riglog.recordings.selection import Selection
from riglog.recordings.several import read_events
from riglog.recordings.upgrade import Upgraded, upgrade
from riglog.recordings.verification import Verified, WrongBlock, verify
from riglog.sinks.formats import BINARY_FORMATS, EXPORT_FORMATS
from riglog.sinks.rows import EventRow

__all__ = [
    "BINARY_FORMATS",
    "EXPORT_FORMATS",
    "Absence",
    "AbsenceFinder",
    "Availability",
    "Bucket",
    "Contents",
    "CorrectedRow",
    "Delivery",
    "EquipmentRow",
    "EventRow",
    "Exported",
    "Gap",
    "GapFinder",
    "NoteRow",
    "Rows",
    "RunContents",
    "Salvaged",
    "Selection",
    "StoredAlarm",
    "Upgraded",
    "Verified",
    "WrongBlock",
    "acknowledge_alarm",
    "contents",
    "export",
    "latest_rows",
    "newest_rows",
    "note",
    "read",
    "read_alarms",
    "read_equipment",
    "read_events",
    "read_notes",
    "rows_since",
    "salvage",
    "upgrade",
    "verify",
    "write_note",
    "write_report",
]

"""Times in which a device was absent and has no rows: only its instrument can name its channels."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from riglog.model import EventKind
from riglog.sinks.rows import EventRow, Row

ENDS = {EventKind.RUN_FINISHED, EventKind.RUN_RESUMED}


class Absence(Struct):
    """A time without a device. It ends when the device is opened, or with the recording. ``cause`` is the first one."""

    run: str
    device: str
    started_at: str
    ended_at: str
    cause: str

    def includes(self, at: str) -> bool:
        """Return True if a time lies in it; one that has not ended has no end."""
        return self.started_at <= at and (not self.ended_at or at < self.ended_at)

    @property
    def seconds(self) -> float:
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)).total_seconds()


class AbsenceFinder:
    """Finds absences in the events of a recording, and drops those in which the device has rows: these show the gap.

    Args:
        events: oldest first.
    """

    def __init__(self, events: Iterable[EventRow]) -> None:
        self._absences: list[Absence] = []
        self._open: dict[tuple[str, str], Absence] = {}
        self._last: dict[str, str] = {}  # by run: when its last row was received
        self._with_rows: set[int] = set()
        for event in events:
            self._add(event)

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Return the rows unchanged, and note which devices have rows, and until when."""
        by_device: dict[tuple[str, str], list[Absence]] = {}
        for absence in self._absences:
            by_device.setdefault((absence.run, absence.device), []).append(absence)
        for row in rows:
            run = row.run or ""
            self._last[run] = row.received_at
            for absence in by_device.get((run, row.device), ()):
                if absence.includes(row.received_at):
                    self._with_rows.add(id(absence))
            yield row

    def add_channel(self, run: str, device: str, last: str, has_rows: Callable[[str, str], bool]) -> None:
        """Look for the rows of a channel in the absences of its device, in place of ``watch``.

        Args:
            last: when the last row of the run so far was received.
            has_rows: returns True if it has rows from a time on and before another one (without an end if it is empty).
        """
        self._last[run] = last
        for absence in self._absences:
            mine = (absence.run, absence.device) == (run, device) and id(absence) not in self._with_rows
            if mine and has_rows(absence.started_at, absence.ended_at):
                self._with_rows.add(id(absence))

    def found(self) -> list[Absence]:
        """Return the absences without rows, after all rows were watched."""
        found = [absence for absence in self._absences if id(absence) not in self._with_rows]
        for absence in found:
            absence.ended_at = absence.ended_at or max(absence.started_at, self._last.get(absence.run, ""))
        return found

    def _add(self, event: EventRow) -> None:
        run = event.run or ""
        if event.kind in ENDS:
            for key in [key for key in self._open if key[0] == run]:
                self._open.pop(key).ended_at = event.at
        elif event.kind == EventKind.DEVICE_PRESENT:
            if (absence := self._open.pop((run, event.device or ""), None)) is not None:
                absence.ended_at = event.at
        elif event.kind == EventKind.DEVICE_ABSENT and (run, event.device or "") not in self._open:
            absence = Absence(run, event.device or "", event.at, "", event.message)
            self._absences.append(absence)
            self._open[run, absence.device] = absence

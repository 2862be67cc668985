"""What a further file of a run repeats from the files before it, so that it can be read and continued alone."""

from collections.abc import Iterable

from riglog.model import AlarmChange, AlarmState, Event, EventKind

KINDS = {EventKind.RUN_STARTED, EventKind.IDENTITY_EXPECTED}
"""When slot 0 was due, and which instruments the run has."""
ROWS_BEFORE = "the rows before are in "
"""The event after those that a further file repeats; it names the file before."""


class Carried:
    """The newest event of each of these kinds and devices, the definition of every alarm, and the open alarms."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._newest: dict[tuple[EventKind, str | None], Event] = {}
        self._defined: dict[tuple[str, str], Event] = {}
        self._open: dict[tuple[str, str], list[Event]] = {}
        self.add(events)

    @property
    def events(self) -> list[Event]:
        """The events for the next file. Open alarms are as they are: raised, perhaps cleared or acknowledged."""
        changes = [event for events in self._open.values() for event in events]
        return [*self._newest.values(), *self._defined.values(), *sorted(changes, key=lambda event: event.at_ns)]

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event.detail, AlarmChange):
                self._add_change(event, event.detail)
            elif event.kind in KINDS:
                self._newest.pop((event.kind, event.device), None)  # the order is that in which they happened
                self._newest[event.kind, event.device] = event

    def _add_change(self, event: Event, change: AlarmChange) -> None:
        alarm = change.alarm, change.definition
        if change.state is AlarmState.DEFINED:
            self._defined[alarm] = event
        elif change.state is AlarmState.RAISED:
            self._open[alarm] = [event]
        elif alarm in self._open:
            self._open[alarm].append(event)
            states = {each.detail.state for each in self._open[alarm] if isinstance(each.detail, AlarmChange)}
            if {AlarmState.CLEARED, AlarmState.ACKNOWLEDGED} <= states:
                del self._open[alarm]

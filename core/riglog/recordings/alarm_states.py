"""The alarms of a run as they are stored: the newest state of each, and what an acknowledgement changes."""

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from riglog.model import Acknowledgement, AlarmChange, AlarmState, Event, EventKind, iso
from riglog.sinks.rows import Time
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.tables import SCHEMA_VERSION

ALARMS = """
SELECT alarm.id, run.run, alarm.name, alarm.definition FROM alarm JOIN run ON run.id = alarm.run_id
WHERE alarm.run_id = ? ORDER BY alarm.id"""
CHANGES = """
SELECT alarm_id, at_ns, state, value, text, actor.user, reason
FROM alarm_change LEFT JOIN actor ON actor.id = alarm_change.actor_id
WHERE alarm_id IN (SELECT id FROM alarm WHERE run_id = ?) ORDER BY alarm_change.id"""


class StoredAlarm(Struct, kw_only=True):
    """An alarm on one channel. ``state``: normal, raised or cleared, since ``at``; ``text`` is the reason.

    ``acknowledged``: nothing is to be acknowledged; ``by`` is who has done it, and
    ``why`` the reason, if one was given.
    """

    run: str
    name: str
    channel: str
    state: str = "normal"
    acknowledged: bool = True
    at: Time | None = None
    value: float | None = None
    text: str | None = None
    by: str | None = None
    why: str | None = None
    definition: dict[str, Any] = {}

    @property
    def is_open(self) -> bool:
        """True if it is raised, or was cleared and not acknowledged."""
        return self.state == "raised" or not self.acknowledged


def stored_alarms(database: sqlite3.Connection, run_id: int) -> list[StoredAlarm]:
    """Return the alarms of a run; none in a recording of schema 1."""
    if schema_of(database) != SCHEMA_VERSION:
        return []
    found: dict[int, StoredAlarm] = {}
    for number, run, name, definition in database.execute(ALARMS, (run_id,)):
        decoded = msgspec.json.decode(definition)
        found[number] = StoredAlarm(run=run, name=name, channel=decoded.get("channel", ""), definition=decoded)
    for number, at_ns, state, value, text, user, reason in database.execute(CHANGES, (run_id,)):
        alarm = found[number]
        if state == AlarmState.ACKNOWLEDGED:
            alarm.acknowledged, alarm.by, alarm.why = True, user, reason
        else:
            if state == AlarmState.RAISED:
                alarm.acknowledged, alarm.by, alarm.why = False, None, None
            alarm.state, alarm.at, alarm.value, alarm.text = state, iso(at_ns), value, text
    return list(found.values())


def acknowledged(alarms: Iterable[StoredAlarm], message: Acknowledgement) -> list[Event]:
    """Return the events of an acknowledgement in a recording that does not run."""
    events: list[Event] = []
    for alarm in alarms:
        if alarm.name == message.alarm and not alarm.acknowledged:
            text = f"acknowledged by {message.author.user}"
            change = AlarmChange(
                alarm=alarm.name,
                definition=msgspec.json.encode(alarm.definition).decode(),
                at_ns=message.written_ns,
                state=AlarmState.ACKNOWLEDGED,
                text=text,
                actor=message.author,
                reason=message.reason,
                message_id=None if events else message.message_id,
            )
            device, _, parameter = alarm.channel.partition(".")
            about = f"{alarm.name} on {parameter}: {text}"
            events.append(Event(message.written_ns, EventKind.ALARM_ACKNOWLEDGED, about, device, detail=change))
    return events or [message.unexpected]

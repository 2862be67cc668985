"""Events and messages as rows: what a note has beside its event. One transaction stores both, and each message once."""

import sqlite3
from math import isfinite

from riglog.model import (
    Acknowledgement,
    Actor,
    AlarmChange,
    AlarmState,
    ClockCheck,
    Event,
    Note,
    ParameterWrite,
    storable,
)


def insert_event(database: sqlite3.Connection, run_id: int, event: Event) -> None:
    """Store an event and its detail, unless it is that of a message, or an alarm, that is stored already."""
    detail, actor, reason = event.detail, event.actor, event.reason
    if isinstance(detail, Note):
        actor, reason = detail.author, detail.reason
    elif isinstance(detail, AlarmChange):
        actor, reason = detail.actor, detail.reason
    actor_id = None if actor is None else _actor_id(database, actor)
    if isinstance(detail, Note) and not _insert_note(database, run_id, detail, actor_id):
        return
    if isinstance(detail, AlarmChange) and not _insert_alarm_change(database, run_id, detail, actor_id):
        return
    if isinstance(detail, ClockCheck):
        _insert_clock_check(database, run_id, detail)
    cursor = database.execute(
        "INSERT INTO event (run_id, at_ns, kind, device, port, message, actor_id, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (run_id, event.at_ns, event.kind.value, event.device, event.port, event.message, actor_id, reason),
    )
    if isinstance(detail, ParameterWrite):
        _insert_write(database, cursor.lastrowid, event.device or "", detail)


def _insert_write(database: sqlite3.Connection, event_id: int | None, device: str, write: ParameterWrite) -> None:
    database.execute(
        "INSERT INTO parameter_write"
        " (event_id, device, parameter, instance, old_value, new_value, unit, confirmed)"
        " VALUES (:event, :device, :parameter, :instance, :old, :new, :unit, :confirmed)",
        {
            "event": event_id,
            "device": device,
            "parameter": write.parameter,
            "instance": write.instance,
            "old": _stored_value(write.old_value),
            "new": _stored_value(write.new_value),
            "unit": write.unit,
            "confirmed": int(write.confirmed),
        },
    )


def _stored_value(value: float | str | None) -> float | str | None:
    """Return a value as the seals and SQLite hold it: a number is a real without minus zero, and finite."""
    if value is None or isinstance(value, str):
        return None if value is None else storable(value)
    number = float(value)
    return (number or 0.0) if isfinite(number) else str(number)


def message_ids(event: Event) -> list[str]:
    """Return the identity of the message that an event came with, if there is one."""
    detail = event.detail
    found = detail.message_id if isinstance(detail, Note | Acknowledgement | AlarmChange) else None
    return [] if found is None else [found]


def _insert_alarm_change(database: sqlite3.Connection, run_id: int, change: AlarmChange, actor_id: int | None) -> bool:
    """Return False if nothing has changed: the alarm is defined already, or the message was stored before."""
    alarm = run_id, change.alarm, change.definition
    known = database.execute("SELECT id FROM alarm WHERE (run_id, name, definition) = (?, ?, ?)", alarm).fetchone()
    if known is None:
        cursor = database.execute("INSERT INTO alarm (run_id, name, definition) VALUES (?, ?, ?)", alarm)
        known = (cursor.lastrowid,)
    elif change.state is AlarmState.DEFINED:
        return False
    if change.state is AlarmState.DEFINED:
        return True
    cursor = database.execute(
        "INSERT INTO alarm_change (alarm_id, at_ns, state, value, text, actor_id, reason, message_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING",
        (
            known[0],
            change.at_ns,
            change.state.value,
            change.value,
            change.text,
            actor_id,
            change.reason,
            change.message_id,
        ),
    )
    return cursor.rowcount > 0


def _insert_clock_check(database: sqlite3.Connection, run_id: int, check: ClockCheck) -> None:
    state = check.state
    database.execute(
        "INSERT INTO clock_check (run_id, at_ns, synchronized, offset_ns, error_ns, method, details)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run_id, check.at_ns, state.synchronized, state.offset_ns, state.error_ns, state.method, state.details),
    )


def _insert_note(database: sqlite3.Connection, run_id: int, note: Note, actor_id: int | None) -> bool:
    """Return False if the note is stored already."""
    cursor = database.execute(
        "INSERT INTO note (run_id, at_ns, written_ns, device, text, actor_id, reason, message_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING",
        (run_id, note.at_ns, note.written_ns, note.device, note.text, actor_id, note.reason, note.message_id),
    )
    return cursor.rowcount > 0


def _actor_id(database: sqlite3.Connection, actor: Actor) -> int:
    words = actor.user, actor.program, actor.host
    known = database.execute("SELECT id FROM actor WHERE (user, program, host) = (?, ?, ?)", words).fetchone()
    if known is not None:
        return int(known[0])
    cursor = database.execute("INSERT INTO actor (user, program, host) VALUES (?, ?, ?)", words)
    assert cursor.lastrowid is not None
    return cursor.lastrowid

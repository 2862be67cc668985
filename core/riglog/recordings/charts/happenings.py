"""What happened beside the values of a recording: events and notes at a time, alarms and pauses from when to when."""

import sqlite3
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from riglog.model import NS, AlarmState, EventKind, current_kind
from riglog.sinks.sqlite.tables import SCHEMA_VERSION

OF_RUNS = {EventKind.RUN_STARTED, EventKind.RUN_RESUMED, EventKind.RUN_FINISHED}
NOT_SHOWN = {
    EventKind.NOTE,
    EventKind.IDENTITY_EXPECTED,
    EventKind.ALARM_DEFINED,
    EventKind.ALARM_RAISED,
    EventKind.ALARM_CLEARED,
    EventKind.ALARM_ACKNOWLEDGED,
    *OF_RUNS,
}
"""Kinds that are not marked as events: notes and alarms are shown as such, and others belong to every run."""
TROUBLE = {
    EventKind.PORT_LOST,
    EventKind.DEVICE_ABSENT,
    EventKind.DEVICE_NOT_RESPONDING,
    EventKind.WRONG_INSTRUMENT,
    EventKind.IDENTITY_UNCONFIRMED,
    EventKind.DRIVER_FAILED,
    EventKind.SAMPLES_DROPPED,
    EventKind.SINK_FAILED,
    EventKind.ALARM_ACTION_FAILED,
}
"""Kinds of events that a chart marks as failures."""
EVENTS = """
SELECT run.run, at_ns, kind, coalesce(device, port), message FROM event JOIN run ON run.id = event.run_id
WHERE at_ns >= :start AND at_ns < :end AND (:run IS NULL OR :run IN (run.run, run.name)) ORDER BY at_ns, event.id"""
NOTES = """
SELECT run.run, note.at_ns, note.device, note.text, actor.user
FROM note LEFT JOIN run ON run.id = note.run_id LEFT JOIN actor ON actor.id = note.actor_id
WHERE note.at_ns >= :start AND note.at_ns < :end AND (:run IS NULL OR :run IN (run.run, run.name))
ORDER BY note.at_ns, note.id"""
ALARM_CHANGES = """
SELECT run.run, alarm.id, alarm.name, alarm.definition, at_ns, state, value, text
FROM alarm_change JOIN alarm ON alarm.id = alarm_change.alarm_id JOIN run ON run.id = alarm.run_id
WHERE at_ns < :end AND state IN ('raised', 'cleared') AND (:run IS NULL OR :run IN (run.run, run.name))
ORDER BY alarm_change.id"""
RUN_END = """
SELECT max(coalesce(finished_ns, started_ns), coalesce((SELECT last_ns FROM flush
    WHERE run_id = run.id AND last_ns IS NOT NULL ORDER BY id DESC LIMIT 1), started_ns)) FROM run WHERE run = :run"""


class Happening(Struct, kw_only=True):
    """An event or a note. ``at`` is in seconds since the epoch, UTC; ``subject`` is a device or port, or None."""

    run: str | None
    at: float
    kind: str
    subject: str | None
    text: str
    author: str | None = None


class AlarmBand(Struct, kw_only=True):
    """An alarm that was raised from ``start`` to ``end``, in seconds since the epoch; ``open``: it still was."""

    run: str
    name: str
    channel: str
    start: float
    end: float
    reason: str
    open: bool = False


def events(database: sqlite3.Connection, start_ns: int, end_ns: int, run: str | None) -> list[Happening]:
    """Return all events in a time, oldest first; also those that a chart does not mark."""
    found = database.execute(EVENTS, {"start": start_ns, "end": end_ns, "run": run})
    return [
        Happening(run=run_id, at=at / NS, kind=current_kind(kind), subject=subject, text=message)
        for run_id, at, kind, subject, message in found
    ]


def marked(found: list[Happening]) -> Iterator[Happening]:
    """Return the events that a chart marks."""
    return (event for event in found if event.kind not in NOT_SHOWN)


def notes(database: sqlite3.Connection, start_ns: int, end_ns: int, run: str | None) -> list[Happening]:
    """Return the notes in a time, oldest first; none of schema 1."""
    if not _is_schema_2(database):
        return []
    found = database.execute(NOTES, {"start": start_ns, "end": end_ns, "run": run})
    return [
        Happening(run=run_id, at=at / NS, kind="note", subject=device, text=text, author=author)
        for run_id, at, device, text, author in found
    ]


def alarm_bands(database: sqlite3.Connection, start_ns: int, end_ns: int, run: str | None) -> list[AlarmBand]:
    """Return the times in which alarms were raised, as far as they are in a time; none of schema 1."""
    if not _is_schema_2(database):
        return []
    ends: dict[str, float] = {}
    bands: list[AlarmBand] = []
    raised: dict[int, AlarmBand] = {}
    for run_id, number, name, definition, at_ns, state, _, text in database.execute(
        ALARM_CHANGES, {"end": end_ns, "run": run}
    ):
        at = at_ns / NS
        if state == AlarmState.CLEARED:
            if (band := raised.pop(number, None)) is not None:
                band.end, band.open = at, False
        elif number not in raised:
            channel = msgspec.json.decode(definition).get("channel", "")
            raised[number] = band = AlarmBand(
                run=run_id, name=name, channel=channel, start=at, end=at, reason=text or "", open=True
            )
            bands.append(band)
    for band in raised.values():
        if band.run not in ends:
            ends[band.run] = database.execute(RUN_END, {"run": band.run}).fetchone()[0]
        band.end = max(band.start, min(ends[band.run], end_ns) / NS)
    return [
        msgspec.structs.replace(band, start=max(band.start, start_ns / NS), end=min(band.end, end_ns / NS))
        for band in bands
        if band.end >= start_ns / NS
    ]


def _is_schema_2(database: sqlite3.Connection) -> bool:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version) == SCHEMA_VERSION

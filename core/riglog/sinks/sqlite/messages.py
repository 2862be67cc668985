"""Events and messages as rows: what a note has beside its event. One transaction stores both, and each message once."""

import sqlite3

from riglog.model import Actor, Event, Note


def insert_event(database: sqlite3.Connection, run_id: int, event: Event) -> None:
    """Store an event and its detail, unless it is that of a message that is stored already."""
    detail, actor_id = event.detail, None
    if isinstance(detail, Note):
        actor_id = _actor_id(database, detail.author)
        if not _insert_note(database, run_id, detail, actor_id):
            return
    database.execute(
        "INSERT INTO event (run_id, at_ns, kind, device, port, message, actor_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run_id, event.at_ns, event.kind.value, event.device, event.port, event.message, actor_id),
    )


def message_ids(event: Event) -> list[str]:
    """Return the identity of the message that an event came with, if there is one."""
    return [event.detail.message_id] if isinstance(event.detail, Note) else []


def _insert_note(database: sqlite3.Connection, run_id: int, note: Note, actor_id: int) -> bool:
    """Return False if the note is stored already."""
    cursor = database.execute(
        "INSERT INTO note (run_id, at_ns, written_ns, device, text, actor_id, message_id) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (message_id) DO NOTHING",
        (run_id, note.at_ns, note.written_ns, note.device, note.text, actor_id, note.message_id),
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

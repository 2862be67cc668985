"""Sending something to a recording, whether it is being recorded or not: always through its inbox.

If another program records into it, that program takes the message in. Otherwise it is stored here, together with
whatever was left in the inbox.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path

from riglog.errors import StorageError
from riglog.model import Event, Message, Note
from riglog.recordings.alarm_states import acknowledged, stored_alarms
from riglog.sinks.inbox import Inbox
from riglog.sinks.other_files import refuse_known_files, refuse_row_files
from riglog.sinks.sqlite.messages import insert_event
from riglog.sinks.sqlite.schema import check_recording, earlier_schema, open_database, sqlite_errors
from riglog.sinks.sqlite.tables import SCHEMA_VERSION
from riglog.sinks.sqlite.writer_lock import WriterLock, is_locked

LOOK_SECONDS = 0.05
WAIT_SECONDS = 5.0


class Delivery(StrEnum):
    """Where a message is: in the recording, or in the inbox, from which the recorder takes it with its next flush."""

    STORED = "stored"
    WAITING = "waiting"


def check_target(path: Path) -> None:
    """Check that a recording can take in messages. Reads only.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot.
    """
    refuse_known_files(path)
    refuse_row_files(path)
    if check_recording(path, hint="Give a riglog recording in SQLite") != SCHEMA_VERSION:
        raise earlier_schema(path)


def send(path: Path, message: Message, *, timeout: float = WAIT_SECONDS) -> Delivery:
    """Send a message to a recording. Blocking, until it is stored or the timeout has elapsed.

    Raises:
        StorageError: it cannot be stored; nothing was left behind.
    """
    check_target(path)
    inbox = Inbox(path)
    inbox.put(message)
    end = time.monotonic() + timeout
    try:
        while inbox.has(message.message_id):
            if not is_locked(path):
                _take_in(path, inbox)
            elif time.monotonic() >= end:
                return Delivery.WAITING
            else:
                time.sleep(LOOK_SECONDS)
    except BaseException:
        inbox.discard([message.message_id])
        raise
    return Delivery.STORED


def _take_in(path: Path, inbox: Inbox) -> None:
    """Store the messages of the inbox, unless another program has begun to record meanwhile: it will."""
    try:
        lock = WriterLock(path)
    except StorageError:
        if is_locked(path):
            return
        raise
    with lock:
        messages = inbox.messages()
        with sqlite_errors(path), closing(open_database(path)) as database:
            _in_one_transaction(database, lambda: _store(database, path, messages))
        inbox.discard(message.message_id for message in messages)


def _store(database: sqlite3.Connection, path: Path, messages: Iterable[Message]) -> None:
    for message in messages:
        at_ns = message.at_ns if isinstance(message, Note) else message.written_ns
        run_id = _run_at(database, path, at_ns)
        for event in _events(database, run_id, message):
            insert_event(database, run_id, event)
        database.execute(
            "INSERT INTO flush (run_id, segment, rows, event_id)"
            " SELECT :run, (SELECT coalesce(max(segment), 0) FROM channel WHERE run_id = :run), 0, max(id) FROM event",
            {"run": run_id},
        )


def _events(database: sqlite3.Connection, run_id: int, message: Message) -> list[Event]:
    if isinstance(message, Note):
        return [message.event]
    return acknowledged(stored_alarms(database, run_id), message)


def _run_at(database: sqlite3.Connection, path: Path, at_ns: int) -> int:
    """Return the run to which a time belongs: the latest one that had started by then, or the first one."""
    found = database.execute(
        "SELECT id FROM run ORDER BY started_ns <= :at DESC,"
        " CASE WHEN started_ns <= :at THEN -started_ns ELSE started_ns END LIMIT 1",
        {"at": at_ns},
    ).fetchone()
    if found is None:
        raise StorageError("the recording has no run", hint="Record into it first", path=path)
    return int(found[0])


def _in_one_transaction(database: sqlite3.Connection, store: Callable[[], None]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        store()
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise

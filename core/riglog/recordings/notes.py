"""Notes: written into a recording, and read back."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import anyio.to_thread
from msgspec import Struct

from riglog.model import iso, new_note, utc
from riglog.recordings.messages import WAIT_SECONDS, Delivery, check_target, send
from riglog.sinks.part_names import newest_part
from riglog.sinks.rows import Time
from riglog.sinks.sqlite.reader import opened_recording, refuse_unknown
from riglog.sinks.sqlite.recorded import nanoseconds
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.tables import SCHEMA_VERSION

DEVICES = "SELECT DISTINCT device FROM series ORDER BY device"
NOTES = """
SELECT run.run, note.at_ns, note.written_ns, note.device, note.text, actor.user, actor.program, actor.host,
    note.reason
FROM note LEFT JOIN run ON run.id = note.run_id LEFT JOIN actor ON actor.id = note.actor_id
ORDER BY note.at_ns, note.id"""


class NoteRow(Struct, frozen=True):
    """One note of a recording. ``at`` is the time that it is about, ``written_at`` when it was written."""

    run: str | None
    at: Time
    written_at: Time
    device: str | None
    text: str
    author: str | None
    program: str | None
    host: str | None
    reason: str | None = None


async def note(
    path: str | Path,
    text: str,
    *,
    at: datetime | str | None = None,
    author: str | None = None,
    device: str | None = None,
    reason: str | None = None,
    timeout: float = WAIT_SECONDS,
) -> Delivery:
    """Write a note into an SQLite recording, also while another program records into it.

    Args:
        path: the recording; the first file of a rotation stands for all of them, and the newest one has the note.
        at: the time that it is about, a datetime or ISO 8601; UTC if it has no time zone; default: now.
        author: default: the user of the operating system.
        device: the device that it is about.
        reason: why it is written.
        timeout: seconds to wait until the recorder has stored it.

    Returns:
        ``stored``, or ``waiting`` if it is in the inbox of the recording: the recorder takes it with its next flush.
        In the program that records, use ``ActiveRun.add_note``.

    Raises:
        ConfigError: no text, or too much; an invalid time, or one in the future; an unknown device.
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: it cannot be written; nothing was left behind.
    """
    return await anyio.to_thread.run_sync(
        lambda: write_note(path, text, at=at, author=author, device=device, reason=reason, timeout=timeout)
    )


def write_note(
    path: str | Path,
    text: str,
    *,
    program: str | None = None,
    at: datetime | str | None = None,
    author: str | None = None,
    device: str | None = None,
    reason: str | None = None,
    timeout: float = WAIT_SECONDS,
) -> Delivery:
    """Write a note; see ``note``. Blocking."""
    path = newest_part(Path(path))
    moment = None if at is None else utc(nanoseconds(at))
    written = new_note(text, program=program, at=moment, author=author, device=device, reason=reason)
    check_target(path)
    if device is not None:
        with opened_recording(path) as database:
            refuse_unknown(database, "device", device, DEVICES)
    return send(path, written, timeout=timeout)


def read_notes(path: str | Path) -> Iterator[NoteRow]:
    """Return the notes of an SQLite recording in the order of their times; none of schema 1.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    with opened_recording(path) as database:
        if schema_of(database) != SCHEMA_VERSION:
            return
        for run, at, written, *rest in database.execute(NOTES):
            yield NoteRow(run, iso(at), iso(written), *rest)

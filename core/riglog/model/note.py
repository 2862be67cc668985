"""Words of the operator, and everything else that other programs send to a recording: as messages with an identity."""

import os
from datetime import datetime
from typing import Annotated

from msgspec import Meta, structs

from riglog.errors import ConfigError
from riglog.model.actor import Actor, Reason, checked_reason, this_actor
from riglog.model.clock import SYSTEM_CLOCK, Clock
from riglog.model.event import Detail, Event, EventKind
from riglog.model.stamp import NS, utc
from riglog.model.text import storable

MAX_TEXT = 4000
LATEST_NS = 2**63 - 1
Identity = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Nanoseconds = Annotated[int, Meta(ge=0, le=LATEST_NS)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
ShortText = Annotated[str, Meta(max_length=200)]
EPOCH = utc(0)


class Note(Detail, frozen=True, kw_only=True, tag="note"):
    """A note: ``at_ns`` is the time that it is about, ``written_ns`` when it was written; both UTC.

    ``message_id`` is its identity: a note that arrives twice is stored once.
    """

    message_id: Identity
    text: Text
    at_ns: Nanoseconds
    written_ns: Nanoseconds
    author: Actor
    device: ShortText | None = None
    reason: Reason | None = None

    @property
    def event(self) -> Event:
        """Return the event that shows the note among everything else that happened."""
        return Event(self.at_ns, EventKind.NOTE, f"{self.author.user}: {self.text}", self.device, detail=self)


def new_note(
    text: str,
    *,
    program: str | None = None,
    at: datetime | None = None,
    author: str | None = None,
    device: str | None = None,
    reason: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Note:
    """Return a note of the user of this process.

    Args:
        program: what the user has written it with; default: this command.
        at: the time that it is about, UTC if it has no time zone; default: now.
        author: a name in place of that of the user.
        reason: why it is written.

    Raises:
        ConfigError: there is no text, too much of it, or ``at`` is in the future.
    """
    text = storable(text.strip())
    if not text:
        raise ConfigError("the note has no text", hint="Write the text in quotes")
    if len(text) > MAX_TEXT:
        raise ConfigError(
            f"the note has {len(text)} characters", hint=f"Write at most {MAX_TEXT}; write several notes if needed"
        )
    now = clock.utc_ns()
    at_ns = now if at is None else _nanoseconds(at)
    if not 0 <= at_ns <= now:
        raise ConfigError(
            "the time of the note is in the future, or before 1970",
            hint="A time without a zone is UTC: write local time with its offset, such as 2026-11-20T14:05:00+01:00",
        )
    return stored(
        Note(
            message_id=new_identity(),
            text=text,
            at_ns=at_ns,
            written_ns=now,
            author=this_actor(program, author),
            device=device,
            reason=checked_reason(reason),
        )
    )


def new_identity() -> str:
    """Return an identity for a message that nobody can guess or use by chance."""
    return os.urandom(16).hex()


def stored(note: Note) -> Note:
    """Return a note with texts that every store can hold."""
    author = Actor(*map(storable, structs.astuple(note.author)))
    device = None if note.device is None else storable(note.device)
    why = None if note.reason is None else storable(note.reason)
    return structs.replace(note, text=storable(note.text), author=author, device=device, reason=why)


def _nanoseconds(at: datetime) -> int:
    moment = at if at.tzinfo is not None else at.replace(tzinfo=EPOCH.tzinfo)
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000

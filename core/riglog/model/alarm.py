"""Alarms as they are stored: their definitions, and each change of their states."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from riglog.model.actor import Actor, Reason
from riglog.model.event import Detail, Event, EventKind
from riglog.model.note import Identity, Nanoseconds

AlarmName = Annotated[str, Meta(min_length=1, max_length=100)]


class AlarmState(StrEnum):
    """What happened to an alarm on a channel; DEFINED: it watches the channel from now on."""

    DEFINED = "defined"
    RAISED = "raised"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"


class AlarmChange(Detail, frozen=True, kw_only=True):
    """A change of an alarm on one channel. ``definition`` is the alarm on this channel, as JSON."""

    alarm: str
    definition: str
    at_ns: int
    state: AlarmState
    value: float | None = None
    text: str | None = None
    actor: Actor | None = None
    reason: str | None = None
    message_id: str | None = None


class ShownAlarm(Struct, frozen=True):
    """An alarm for a screen; ``since_ns`` (UTC) is its last change."""

    name: str
    channel: str
    active: bool
    acknowledged: bool
    reason: str
    since_ns: int


class Acknowledgement(Detail, frozen=True, kw_only=True, tag="acknowledgement"):
    """Sent to a recording: an alarm was seen by the author, on all of its channels."""

    message_id: Identity
    written_ns: Nanoseconds
    alarm: AlarmName
    author: Actor
    reason: Reason | None = None

    @property
    def unexpected(self) -> Event:
        """Return the event of an acknowledgement that came too late, or for an alarm that is not there."""
        text = f"{self.alarm}: no alarm to acknowledge, sent by {self.author.user}"
        return Event(
            self.written_ns, EventKind.ALARM_ACKNOWLEDGED, text, detail=self, actor=self.author, reason=self.reason
        )

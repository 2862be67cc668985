"""The vocabulary of riglog as types. No I/O."""

from riglog.model.actor import Actor, checked_reason, reason, this_actor
from riglog.model.alarm import Acknowledgement, AlarmChange, AlarmState, ShownAlarm
from riglog.model.batch import Batch
from riglog.model.channel import Channel
from riglog.model.clock import SYSTEM_CLOCK, Clock
from riglog.model.clock_check import ClockCheck, ClockState
from riglog.model.event import IDENTITY, RENAMED_KINDS, Detail, Event, EventKind, ParameterWrite, current_kind
from riglog.model.message import Message
from riglog.model.note import Note, new_note
from riglog.model.pending_proof import PendingProof
from riglog.model.policy import DeviceResult, ErrorPolicy
from riglog.model.run import Run, new_run
from riglog.model.sample import OK, Sample, Status, Value, missing_sample, settled
from riglog.model.sink import Sink
from riglog.model.stamp import NS, Stamp, iso, utc
from riglog.model.text import storable

__all__ = [
    "IDENTITY",
    "NS",
    "OK",
    "RENAMED_KINDS",
    "SYSTEM_CLOCK",
    "Acknowledgement",
    "Actor",
    "AlarmChange",
    "AlarmState",
    "Batch",
    "Channel",
    "Clock",
    "ClockCheck",
    "ClockState",
    "Detail",
    "DeviceResult",
    "ErrorPolicy",
    "Event",
    "EventKind",
    "Message",
    "Note",
    "ParameterWrite",
    "PendingProof",
    "Run",
    "Sample",
    "ShownAlarm",
    "Sink",
    "Stamp",
    "Status",
    "Value",
    "checked_reason",
    "current_kind",
    "iso",
    "missing_sample",
    "new_note",
    "new_run",
    "reason",
    "settled",
    "storable",
    "this_actor",
    "utc",
]

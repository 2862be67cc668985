"""The words of riglog as types. Nothing here does I/O."""

from riglog.model.batch import Batch
from riglog.model.channel import Channel
from riglog.model.clock import SYSTEM_CLOCK, Clock
from riglog.model.event import Event, EventKind
from riglog.model.policy import DeviceResult, ErrorPolicy
from riglog.model.run import Run, new_run
from riglog.model.sample import OK, Sample, Status, Value, absent
from riglog.model.sink import Sink
from riglog.model.stamp import NS, Stamp, iso, utc

__all__ = [
    "NS",
    "OK",
    "SYSTEM_CLOCK",
    "Batch",
    "Channel",
    "Clock",
    "DeviceResult",
    "ErrorPolicy",
    "Event",
    "EventKind",
    "Run",
    "Sample",
    "Sink",
    "Stamp",
    "Status",
    "Value",
    "absent",
    "iso",
    "new_run",
    "utc",
]

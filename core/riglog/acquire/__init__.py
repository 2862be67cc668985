"""Recording: when to poll, what to keep while it waits, and how it gets into sinks."""

from riglog.acquire.active_run import Recording
from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.pipe import pipe
from riglog.acquire.recorder import record
from riglog.acquire.schedule import Schedule
from riglog.acquire.sink_writer import SinkResult
from riglog.acquire.summary import AcquisitionSummary, ChannelSummary, SourceSummary

__all__ = [
    "AcquisitionSummary",
    "BatchBuffer",
    "ChannelSummary",
    "Overflow",
    "Recording",
    "Schedule",
    "SinkResult",
    "SourceSummary",
    "pipe",
    "record",
]

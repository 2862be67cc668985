"""Recording: when to poll, what to keep while it waits, and how it gets into sinks."""

from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.pipe import pipe
from riglog.acquire.recorder import record
from riglog.acquire.recording import Recording
from riglog.acquire.schedule import Schedule
from riglog.acquire.summary import AcquisitionSummary, ChannelSummary, SourceSummary
from riglog.acquire.writer import SinkResult

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

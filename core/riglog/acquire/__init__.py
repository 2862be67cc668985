"""Recording: polls sources on a schedule, buffers their batches, and writes them into sinks."""

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.pipe import pipe
from riglog.acquire.recorder import record
from riglog.acquire.schedule import Schedule
from riglog.acquire.sink_writer import SetAside, SinkResult
from riglog.acquire.summary import AcquisitionSummary, ChannelSummary, SourceSummary

__all__ = [
    "AcquisitionSummary",
    "ActiveRun",
    "BatchBuffer",
    "ChannelSummary",
    "Overflow",
    "Schedule",
    "SetAside",
    "SinkResult",
    "SourceSummary",
    "pipe",
    "record",
]

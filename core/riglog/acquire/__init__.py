"""Recording: polls sources on a schedule, buffers their batches, and writes them into sinks."""

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.pipe import OpenSinks, open_sinks, pipe, store
from riglog.acquire.recorder import record
from riglog.acquire.schedule import Schedule
from riglog.acquire.sink_writer import SamplesLostError, SetAside, SinkResult
from riglog.acquire.summary import AcquisitionSummary, ChannelSummary, SourceSummary

__all__ = [
    "AcquisitionSummary",
    "ActiveRun",
    "BatchBuffer",
    "ChannelSummary",
    "OpenSinks",
    "Overflow",
    "SamplesLostError",
    "Schedule",
    "SetAside",
    "SinkResult",
    "SourceSummary",
    "open_sinks",
    "pipe",
    "record",
    "store",
]

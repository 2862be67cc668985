"""An event: something whoever reads the data later should know."""

from enum import StrEnum

from msgspec import Struct


class EventKind(StrEnum):
    RUN_STARTED = "run_started"
    RUN_FINISHED = "run_finished"
    RUN_RESUMED = "run_resumed"
    PORT_LOST = "port_lost"
    PORT_BACK = "port_back"
    DEVICE_SILENT = "device_silent"
    DEVICE_BACK = "device_back"
    WRONG_INSTRUMENT = "wrong_instrument"
    LATE = "late"
    CLOCK_STEP = "clock_step"
    DROPPED = "dropped"
    DRIVER_FAILED = "driver_failed"
    WRITE = "write"
    SINK_FAILED = "sink_failed"
    SINK_BACK = "sink_back"


class Event(Struct, frozen=True):
    """``at_ns`` is UTC, ns since the epoch."""

    at_ns: int
    kind: EventKind
    message: str
    device: str | None = None
    port: str | None = None

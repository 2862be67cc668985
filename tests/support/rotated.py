"""A recording in several files: a clock that stands, a limit of ten seconds, slots at 2 Hz."""

from collections.abc import Callable
from pathlib import Path

from recorded import make_run

from riglog.model import NS, Event, EventKind
from riglog.sinks import SqliteSink
from riglog.sinks.files import FileSink
from riglog.sinks.rotation import Limit, RotatingSink

RUN = make_run(number=1)
BEGAN = [
    Event(RUN.started_ns + 17, EventKind.RUN_STARTED, "run started"),
    Event(RUN.started_ns + 18, EventKind.IDENTITY_EXPECTED, "identity: 0815", device="oven"),
]
PERIOD = Limit(period_ns=10 * NS)


def rotating(
    path: Path,
    limit: Limit = PERIOD,
    make: Callable[[Path], FileSink] = SqliteSink,
    now_ns: int = RUN.started_ns,
) -> RotatingSink:
    return RotatingSink(make, path, limit, ClockAt(now_ns))


class ClockAt:
    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def utc_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return RUN.anchor_ns

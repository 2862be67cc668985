"""How good the clock was while a rig was recorded: read at the start, every hour, and at the end."""

import anyio
import anyio.to_thread
from msgspec import structs

from riglog.acquire import ActiveRun
from riglog.log import get_logger
from riglog.model import Clock, ClockCheck, ClockState
from riglog.timekeeping import ClockSource

EVERY_SECONDS = 3600.0
MOST_SECONDS = 10.0
"""For one reading; what a source states later is not used."""
FIRST_SECONDS = 0.5
AFTER_START_SECONDS = 0.01
LAST_SECONDS = 1.0
"""For the reading at the end, which must not delay it."""
LATE = "no reply in time"

in_thread = anyio.to_thread.run_sync

log = get_logger("riglog.rig")


class ClockChecks:
    """Reads the source in a thread of its own: one that hangs takes no thread from the sinks."""

    def __init__(self, source: ClockSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._limiter = anyio.CapacityLimiter(1)
        self._recording: ActiveRun | None = None
        self._first: ClockCheck | None = None
        self._failed = False

    async def first(self) -> None:
        """Read the clock before the first slot is due, if that takes no time; otherwise ``run`` reads it."""
        found = await self._read(FIRST_SECONDS)
        self._first = None if found.state.method == LATE else found

    def begin(self, recording: ActiveRun) -> None:
        """Add what is read from now on to a recording."""
        self._recording = recording
        recording.before_end = self.last

    async def run(self) -> None:
        """Read the clock now, and every hour, until cancelled."""
        assert self._recording is not None
        if self._first is not None:
            await anyio.sleep(AFTER_START_SECONDS)
            event = structs.replace(self._first.event, at_ns=self._clock.utc_ns())  # behind that of the start
            self._recording.add_event(event)
            await anyio.sleep(EVERY_SECONDS)
        while True:
            await self._check(MOST_SECONDS)
            await anyio.sleep(EVERY_SECONDS)

    async def last(self) -> None:
        """Read the clock at the end of the run."""
        await self._check(LAST_SECONDS)

    async def _check(self, seconds: float) -> None:
        assert self._recording is not None
        self._recording.add_event((await self._read(seconds)).event)

    async def _read(self, seconds: float) -> ClockCheck:
        """Read the clock. Whatever the source does, nothing is raised."""
        state = ClockState(synchronized=None, method=LATE)
        with anyio.move_on_after(seconds):
            try:
                state = await in_thread(self._source.read, abandon_on_cancel=True, limiter=self._limiter)
            except Exception:
                state = ClockState(synchronized=None, method="failed")
                if not self._failed:
                    self._failed = True
                    log.warning("the state of the clock cannot be read", exc_info=True)
        return ClockCheck(at_ns=self._clock.utc_ns(), state=state)

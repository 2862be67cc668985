"""Virtual time for tests: when every task waits, the clock of the event loop jumps to the next deadline.

Only waits on the clock of the event loop are virtual. The clock also jumps while a worker thread is busy.
"""

import asyncio
import selectors
from typing import Any

import anyio

from riglog.model import NS, Clock

EPOCH_NS = 1_800_000_000 * NS
"""UTC time of LoopClock when the clock of the event loop is 0: 2027-01-15T08:00:00Z."""


class LoopClock(Clock):
    """Both clocks of riglog, driven by the event loop. ``step_ns`` is added to UTC, as if that clock had been set."""

    step_ns = 0

    def utc_ns(self) -> int:
        return EPOCH_NS + self.step_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(anyio.current_time() * NS)


class _JumpingSelector(selectors.DefaultSelector):
    """Does not wait for timers: the waiting time is added to the time of the loop."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock starts at 0 and jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jumping.now


def virtual_backend(name: str) -> tuple[str, dict[str, Any]]:
    """Return a backend with virtual time for the ``anyio_backend`` fixture of anyio: ``asyncio`` or ``trio``."""
    if name == "asyncio":
        return name, {"loop_factory": VirtualLoop}
    from trio.testing import MockClock

    return name, {"clock": MockClock(autojump_threshold=0)}

"""Time that does not pass by itself: when every task waits, the clock jumps to the next deadline.

Only what waits on the event loop's clock is virtual; a worker thread is not waited for.
"""

import asyncio
import selectors
from typing import Any

import anyio

from riglog.model import NS, Clock

EPOCH_NS = 1_800_000_000 * NS
"""What LoopClock calls the moment at which the loop's clock shows 0: 2027-01-15T08:00:00Z."""


class LoopClock(Clock):
    """Both clocks of riglog, driven by the event loop's clock. ``step_ns`` is added to UTC: a clock that was set."""

    step_ns = 0

    def utc_ns(self) -> int:
        return EPOCH_NS + self.step_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(anyio.current_time() * NS)


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: what would be waited is added to the loop's time."""

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
    """A backend for anyio's ``anyio_backend`` fixture, ``asyncio`` or ``trio``, with virtual time."""
    if name == "asyncio":
        return name, {"loop_factory": VirtualLoop}
    from trio.testing import MockClock

    return name, {"clock": MockClock(autojump_threshold=0)}

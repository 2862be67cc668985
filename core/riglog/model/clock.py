"""The two clocks of riglog behind one interface, so that tests can provide their own."""

import time


class Clock:
    """UTC for time stamps, monotonic for order and durations. Both in nanoseconds."""

    def utc_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class _SystemClock(Clock):
    """The same without a call in between: a poll reads the clocks twenty times."""

    utc_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


SYSTEM_CLOCK = _SystemClock()

READ_TWICE_NS = 50_000_000
"""The clocks are read again if the program was held up for this long between the two readings."""
ATTEMPTS = 5


def read_both(clock: Clock) -> tuple[int, int]:
    """Read both clocks at the same moment. Return it on the monotonic clock, and by how much UTC is ahead."""
    for _ in range(ATTEMPTS):
        before, utc = clock.monotonic_ns(), clock.utc_ns()
        if clock.monotonic_ns() - before < READ_TWICE_NS:
            break
    return before, utc - before

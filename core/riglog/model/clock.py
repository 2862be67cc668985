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

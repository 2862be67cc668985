"""The two clocks of riglog behind one interface, so that tests can provide their own."""

import time


class Clock:
    """UTC for time stamps, monotonic for order and durations. Both in nanoseconds."""

    def utc_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


SYSTEM_CLOCK = Clock()

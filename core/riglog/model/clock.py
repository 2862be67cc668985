"""The two clocks of riglog, in one small seam so that tests can bring their own."""

import time


class Clock:
    """UTC for people, monotonic for order. Nanoseconds both."""

    def utc_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


SYSTEM_CLOCK = Clock()

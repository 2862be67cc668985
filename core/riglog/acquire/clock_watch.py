"""Compares the UTC clock with the monotonic clock: UTC that jumps was set, or the computer was suspended."""

from riglog.model import NS, Clock
from riglog.model.clock import read_both

STEP_NS = NS // 2
"""A smaller change of the difference between the two clocks is drift, and is followed."""


class ClockWatch:
    """Compares the two clocks.

    On Linux the monotonic clock stands still while the computer is suspended, so that UTC has run ahead afterwards.

    Attributes:
        offset_ns: UTC minus monotonic time, as last accepted.
        steady_until_ns: the monotonic time up to which UTC is known not to have stepped since the last step.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.steady_until_ns, self.offset_ns = read_both(self._clock)
        self._ahead_ns = 0  # the sum of all steps
        self._most_ahead_ns = 0
        self._before_step = self.steady_until_ns, self.offset_ns  # the last one: until when, and the offset of then

    def offset_at(self, monotonic_ns: int) -> int:
        """Return UTC minus monotonic time as it was before the last step forwards, or as it is now.

        After a step backwards everything has the time of now: otherwise later rows would be stored before earlier ones.
        A step in which nothing can have been recorded moves the slots instead.
        """
        until_ns, offset_ns = self._before_step
        return offset_ns if monotonic_ns <= until_ns else self.offset_ns

    def step_ns(self) -> int:
        """Return by how much UTC has stepped since the last call, 0 if it has not. ``accept`` takes the step over."""
        now, offset = read_both(self._clock)
        moved = offset - self.offset_ns
        if not -STEP_NS <= moved <= STEP_NS:
            return moved
        self.offset_ns = offset
        self.steady_until_ns = now
        return 0

    def unrecorded_ns(self, step_ns: int) -> int:
        """Return for how long nothing can have been recorded in a step: UTC never was so far ahead before."""
        return max(0, self._ahead_ns + step_ns - self._most_ahead_ns)

    def accept(self, step_ns: int) -> int:
        """Take over a step. Return for how long nothing can have been recorded."""
        unrecorded = self.unrecorded_ns(step_ns)
        self._before_step = (self.steady_until_ns if step_ns > 0 and not unrecorded else 0), self.offset_ns
        self.offset_ns += step_ns
        self._ahead_ns += step_ns
        self._most_ahead_ns += unrecorded
        return unrecorded

"""Rule E: the proof of a measured value by the error state of its input before and after it. Pure.

An instrument whose sensor fails may go on sending numbers. A value is proven if the check of the input before it and
the first one after it show no error, and either the two are at most ``max_time`` apart, or the second one follows the
value directly and the value can follow the last proven one. A value that jumped is read again: it can follow itself.
"""

from enum import Enum

__all__ = ["MAX_TIME", "InputHealth", "InputState"]

MAX_TIME = 0.1
"""Seconds for which an error state lasts at least: one conversion of the input."""


class InputState(Enum):
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    FAULTY = "faulty"


class InputHealth:
    """What is known about one input.

    Args:
        max_time: seconds between two checks within which no error can come and go.

    Attributes:
        state: according to the last check.
    """

    def __init__(self, max_time: float = MAX_TIME) -> None:
        self.max_time = max_time
        self.state = InputState.UNKNOWN
        self._checked_at = 0.0

    @property
    def is_to_be_checked_first(self) -> bool:
        """Whether a check is needed before the next value is read."""
        return self.state is not InputState.HEALTHY

    def note(self, is_faulty: bool, at: float) -> None:
        """Note a check."""
        self.state = InputState.FAULTY if is_faulty else InputState.HEALTHY
        self._checked_at = at

    def proves(self, checked_at: float, *, reached: bool) -> bool:
        """Return whether a check without an error, which follows a value directly, proves it. Note the check after.

        Args:
            reached: whether the value can follow the last proven one, or the one that was read just before it between
                two checks without an error.
        """
        if self.state is not InputState.HEALTHY:
            return False
        return reached or checked_at - self._checked_at <= self.max_time

    def forget(self) -> None:
        """Forget everything: after an interruption, or if it may be another instrument."""
        self.state = InputState.UNKNOWN

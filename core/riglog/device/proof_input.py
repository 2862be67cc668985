"""Rule E: the proof of a measured value by the error state of its input before and after it. Pure.

An instrument whose sensor fails may go on sending numbers. A value is proven if the check of the input before it and
the first one after it show no error, and either the two are at most ``max_time`` apart, or the second one follows the
value directly and the value can follow the last proven one. A value that jumped is read again: it can follow itself.

Who polls at a steady rate need not check after each value. A value that continues the last one can be *held* until the
check in one of the next polls, as long as that comes within ``max_time`` after the check before it. A check that is
late by no more than one exchange still proves the values that are held: an error could only have come and gone if it
began and ended within that time of the two checks, and did not move the value further than a real change.
"""

from collections import deque
from enum import Enum

from riglog.model import PendingProof

__all__ = ["HOLD_SECONDS", "MAX_TIME", "UNCHECKED", "InputHealth", "InputState"]

MAX_TIME = 0.1
"""Seconds for which an error state lasts at least: one conversion of the input."""

HOLD_SECONDS = 1.0
"""No value is held for longer, whatever the instrument does with its errors."""

LATE_PART = 0.25
"""A check can be late by this part of ``max_time``, at most."""

RECENT = 8
UNCHECKED = "not proven: no check of the controller before and after the value"
BEFORE_ERROR = "not proven: the next check of the input showed an error"


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
        pending: the next check, for which values are held; None: none are.
    """

    def __init__(self, max_time: float = MAX_TIME) -> None:
        self.max_time = max_time
        self.state = InputState.UNKNOWN
        self.pending: PendingProof | None = None
        self._checked_at = 0.0
        self._value_at = 0.0
        self._spacings: deque[float] = deque(maxlen=RECENT)  # seconds from what was read before to a value
        self._checks_took: deque[float] = deque(maxlen=RECENT)

    @property
    def is_to_be_checked_first(self) -> bool:
        """Whether a check is needed before the next value is read."""
        return self.state is not InputState.HEALTHY

    def note_value(self, at: float) -> None:
        """Note when a value was read."""
        self._spacings.append(at - max(self._value_at, self._checked_at))
        self._value_at = at

    def hold(self) -> PendingProof | None:
        """Return the check that is to prove the value just read, in one of the next polls. None: it is needed now.

        It is, if the next poll might end too late to prove this value.
        """
        if self.state is not InputState.HEALTHY or not self._checks_took:
            return None
        next_check = self._value_at + _usual(self._spacings) + _usual(self._checks_took)
        if next_check - self._checked_at > min(self.max_time, HOLD_SECONDS):
            return None
        if self.pending is None or not self.pending.is_open:
            self.pending = PendingProof("unchecked", UNCHECKED)
        return self.pending

    def settle(self, error: str | None, at: float) -> bool:
        """Decide about the values that are held, by a check. Return whether all of them are proven; note it after.

        Args:
            error: the word for the error of the input; None: it has none.
        """
        pending, self.pending = self.pending, None
        if pending is None:
            return True
        late = at - self._checked_at - self.max_time
        if error is not None:
            pending.refute(f"before_{error}", BEFORE_ERROR)
        elif late <= min(at - self._value_at, LATE_PART * self.max_time):
            pending.prove()
        else:
            pending.expire()
        return pending.is_proven

    def note(self, is_faulty: bool, at: float) -> None:
        """Note a check."""
        self.state = InputState.FAULTY if is_faulty else InputState.HEALTHY
        if self._value_at > self._checked_at:
            self._checks_took.append(at - self._value_at)
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
        self._spacings.clear()
        self._checks_took.clear()
        if self.pending is not None:
            self.pending.expire()
            self.pending = None


def _usual(seconds: deque[float]) -> float:
    """Return the longest of the last times, of many the longest but one: one of them may have been held up."""
    return sorted(seconds)[-2 if len(seconds) == RECENT else -1]

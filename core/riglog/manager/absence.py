"""A device that is configured and has not been opened yet: why, its channels, and when to try again. Pure."""

from riglog.device import MAX_REPORTED_PROBLEMS, Device
from riglog.errors import RiglogError
from riglog.model import Channel

ATTEMPT_SECONDS = 2.0
"""Between two attempts that use idle time only."""
FORCED_SECONDS = (5.0, 120.0)
"""Between two attempts that may make other devices of the port wait: at first, and at most."""


class Absence:
    """Why a device is absent.

    Attributes:
        channels, rate_hz, pace: as far as they are known without the instrument.
        error: why the last attempt failed.
        has_rows: of a device that sets its own pace: its rows were given, once.
    """

    def __init__(self, error: RiglogError, device: Device, channels: tuple[Channel, ...], now: float) -> None:
        self.error = error
        self.channels = channels
        self.rate_hz = device.rate_hz
        self.pace = device.pace
        self.has_rows = False
        self._reported = {error.message}
        self._cut = False
        self._delay = FORCED_SECONDS[0]
        self._next_attempt = now + ATTEMPT_SECONDS
        self._next_forced = now + self._delay

    @property
    def reason(self) -> str:
        """The reason in one line."""
        return self.error.message

    def note(self, error: RiglogError) -> bool:
        """Note why an attempt failed; return True if this reason is to be reported."""
        self.error, reason = error, error.message
        if reason in self._reported or len(self._reported) >= MAX_REPORTED_PROBLEMS:
            return False
        self._reported.add(reason)
        return True

    # --- when to try again

    @property
    def due_times(self) -> tuple[float, float]:
        """When an attempt in idle time is due, and when one is due that makes other devices wait."""
        return self._next_attempt, self._next_forced

    def is_due(self, now: float) -> bool:
        """Return True if an attempt in idle time is due."""
        return now >= self._next_attempt

    def is_forced(self, now: float) -> bool:
        """Return True if idle time has not been enough for too long."""
        return now >= self._next_forced

    def attempted(self, now: float, *, complete: bool, forced: bool) -> None:
        """Note the end of an attempt that failed.

        Args:
            complete: it was not cut short because the next slot was due.
            forced: other devices may have waited for it.
        """
        self._next_attempt = now + ATTEMPT_SECONDS
        was_cut, self._cut = self._cut, not forced and not complete
        if self._cut:  # there is time for the reply of most instruments
            self._delay = FORCED_SECONDS[1]
        elif forced:
            self._delay = min(2 * self._delay, FORCED_SECONDS[1])
        if not (was_cut and self._cut):
            self._next_forced = now + self._delay

"""When to suspend the polling of a device that does not respond. Pure; the time is an argument, in seconds."""

THRESHOLD = 2
"""Polls in a row without any reply after which polling is suspended."""
INITIAL_DELAY = 1.0
MAX_DELAY_DEDICATED = 2.0
MAX_DELAY_SHARED = 120.0
"""Seconds between two retries, at most: a retry on a shared port delays the other devices of the port."""
OVERDUE_FACTOR = 10.0
"""A device for whose overdue call the others of its port have waited is retried after so many times that time."""


class Breaker:
    """Closed: poll. Open: slots are skipped, and a retry is due at growing intervals."""

    def __init__(self) -> None:
        self._failures = 0
        self._delay = 0.0
        self._next_retry = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= THRESHOLD

    @property
    def failing(self) -> bool:
        """True if the last poll had no reply."""
        return self._failures > 0

    def may_poll(self, now: float) -> bool:
        """Return True if the breaker is closed, or a retry is due."""
        return not self.open or now >= self._next_retry

    def record_success(self) -> bool:
        """Note a reply; return True if that closes the breaker."""
        was_open = self.open
        self._failures = 0
        self._delay = 0.0
        return was_open

    def retry_now(self) -> None:
        """Make a retry due: the connection has changed."""
        self._delay = 0.0
        self._next_retry = 0.0

    def record_failure(self, now: float, *, shared: bool, overdue: float = 0.0) -> bool:
        """Note a poll without any reply; return True if that opens the breaker.

        Args:
            overdue: seconds after which the poll was cancelled; one such poll opens the breaker.
        """
        was_open = self.open
        self._failures += THRESHOLD if overdue else 1
        if self.open:
            max_delay = MAX_DELAY_SHARED if shared else MAX_DELAY_DEDICATED
            self._delay = min(max(INITIAL_DELAY, self._delay * 2), max_delay)
            if shared:
                self._delay = max(self._delay, OVERDUE_FACTOR * overdue)
            self._next_retry = now + self._delay
        return self.open and not was_open

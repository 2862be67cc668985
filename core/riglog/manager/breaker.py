"""When to leave a silent instrument alone. Pure; the time is an argument, in seconds."""

THRESHOLD = 2
"""Polls in a row without any reply after which an instrument counts as silent."""
FIRST = 1.0
ALONE_LONGEST = 2.0
SHARED_LONGEST = 120.0
"""Seconds between probes at most: often where nobody else waits for the line, seldom where neighbours pay for it."""


class Breaker:
    """Closed: poll. Open: the slots are skipped, and a probe is due now and then, ever more seldom."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = 0.0
        self._next_probe = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= THRESHOLD

    def may_poll(self, now: float) -> bool:
        """Closed, or open and a probe is due."""
        return not self.open or now >= self._next_probe

    def answered(self) -> bool:
        """A reply came; True if that closes the breaker."""
        was_open = self.open
        self._failures = 0
        self._pause = 0.0
        return was_open

    def probe_now(self) -> None:
        """Something has changed on the line: a probe is due."""
        self._pause = 0.0
        self._next_probe = 0.0

    def silent(self, now: float, *, shared: bool) -> bool:
        """No reply came; True if that opens the breaker."""
        self._failures += 1
        if self.open:
            longest = SHARED_LONGEST if shared else ALONE_LONGEST
            self._pause = min(max(FIRST, self._pause * 2), longest)
            self._next_probe = now + self._pause
        return self._failures == THRESHOLD

"""When to close and open again a connection over which no device responds. Pure; the time is an argument, in seconds.

A device server can keep a connection that is of no use any more: it accepts what is sent, and never responds. Only a
new connection helps, and nothing shows it but the missing replies.
"""

REOPEN_SECONDS = (20.0, 60.0, 300.0)
"""Without a response of any device, after which the connection is opened again; the last one until one responds."""
QUIET_ATTEMPTS = 5
"""To open it again, before it counts as lost: a device server may need a second for the end of the old connection."""

REOPENED = "connection closed and opened again, because no device responded"
NOT_REOPENED = "connection closed, because no device responded, and not opened again yet"
RESPONDING = "device responding since the connection was closed and opened again"


class MuteConnection:
    """Knows since when no device of a connection has responded, and how often it was opened again because of that."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._times = 0
        self._new = False  # it was opened again, and no device was polled since

    def note(self, now: float, *, responding: bool) -> bool:
        """Note whether a device responds. Return True if one does since the connection was opened again."""
        helped = responding and self._new
        self._new = False
        if responding:
            self._since, self._times = None, 0
        elif self._since is None:
            self._since = now
        return helped

    def note_reopened(self, now: float) -> None:
        """Note that the connection was opened again because no device responded."""
        self._since, self._new = now, True
        self._times += 1

    @property
    def reopen_at(self) -> float | None:
        """When the connection is to be opened again, unless a device responds; None: a device responds."""
        return None if self._since is None else self._since + REOPEN_SECONDS[min(self._times, len(REOPEN_SECONDS) - 1)]

    def must_reopen(self, now: float) -> bool:
        """Return True if no device has responded for long enough."""
        return self.reopen_at is not None and now >= self.reopen_at

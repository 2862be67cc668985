"""What the replies so far show about the way to a device: copies, changed order, usual latency. Pure.

The time is an argument, in nanoseconds.
"""

from collections import deque

from riglog.model import NS

REORDERING_REMEMBERED_NS = 600 * NS
"""For this long after a reply has been overtaken by a later one, order proves nothing on this line."""

LEAST_USUAL_NS = NS // 20
"""A reply within 50 ms is never called late."""

SAMPLES = 32


class Evidence:
    """The evidence of one line.

    Attributes:
        copies_until: until when a reply has to be confirmed, because a copy of an earlier reply has arrived.
        reordered_until: until when a resync request proves nothing, because a reply has been overtaken.
    """

    def __init__(self) -> None:
        self.copies_until = 0
        self.reordered_until = 0
        self._latencies: deque[int] = deque(maxlen=SAMPLES)
        self.note_latency = self._latencies.append
        """Only of replies while nothing is outstanding: any other may be a late one."""

    def note_copy(self, now_ns: int, limit_ns: int) -> None:
        """A reply arrived that nobody waited for, and that is not a late one."""
        self.copies_until = now_ns + limit_ns

    def note_reordering(self, now_ns: int) -> None:
        """A reply arrived after the reply to a later request."""
        self.reordered_until = now_ns + REORDERING_REMEMBERED_NS

    def usual_latency(self) -> int | None:
        """Return the longest latency that is usual; None if nothing is known.

        Twice the lower quartile: half of the replies may be held up without moving it.
        """
        if not self._latencies:
            return None
        return max(LEAST_USUAL_NS, 2 * sorted(self._latencies)[len(self._latencies) // 4])

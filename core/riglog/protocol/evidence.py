"""What the replies so far show about the way to a device: copies, changed order, usual latency. Pure.

The time is an argument, in nanoseconds.
"""

from collections import deque

from riglog.model import NS

REMEMBERED_NS = 600 * NS
"""For this long a line is known to deliver copies, or to change the order of replies."""

LEAST_USUAL_NS = NS // 20
"""A reply within 50 ms is never called late."""

SAMPLES = 32
RENEWED_AFTER = 16
RENEWED_AT = (1, 2, 4, 8)
"""The first latencies count at once: otherwise a copy of one of the first replies would shift all that follow."""
EARLY_PART = 0.7
"""A reply that takes less than this part of the lower quartile is earlier than usual: it may be a copy."""
LEAST_QUARTILE_NS = NS // 1000
"""Below one millisecond latencies say more about the computer than about the device."""


class Evidence:
    """The evidence of one line.

    Attributes:
        copies_until: until when a copy of an earlier reply may arrive: one late-reply limit after the last one.
        copies_known_until: until when the line is known to deliver copies.
        early_ns: a shorter latency is earlier than usual.
        late_until: until when the line is known to deliver replies late, instead of losing them.
        reordered_until: until when a resync request proves nothing, because a reply has been overtaken.
    """

    def __init__(self) -> None:
        self.copies_until = 0
        self.copies_known_until = 0
        self.early_ns = 0
        self.late_until = 0
        self.reordered_until = 0
        self._latencies: deque[int] = deque(maxlen=SAMPLES)
        self._unused = 0  # latencies that early_ns does not contain yet

    def note_latency(self, latency_ns: int) -> None:
        """Note a latency of a reply while nothing is outstanding: any other may be that of a late one."""
        self._latencies.append(latency_ns)
        self._unused += 1
        if self._unused == RENEWED_AFTER or len(self._latencies) in RENEWED_AT:
            self._unused = 0
            quartile = self._lower_quartile()
            self.early_ns = round(EARLY_PART * quartile) if quartile >= LEAST_QUARTILE_NS else 0

    def note_copy(self, now_ns: int, limit_ns: int) -> None:
        """A reply arrived that nobody waited for, and that is not a late one."""
        self.copies_until = now_ns + limit_ns
        self.copies_known_until = now_ns + max(limit_ns, REMEMBERED_NS)

    def note_late(self, now_ns: int, *, overtaken: bool) -> None:
        """A late reply has arrived; ``overtaken``: after the reply to a later request."""
        self.late_until = now_ns + REMEMBERED_NS
        if overtaken:
            self.reordered_until = now_ns + REMEMBERED_NS

    def usual_latency(self) -> int | None:
        """Return the longest latency that is usual; None if nothing is known.

        Twice the lower quartile: half of the replies may be held up without moving it.
        """
        if not self._latencies:
            return None
        return max(LEAST_USUAL_NS, 2 * self._lower_quartile())

    def is_learnt(self) -> bool:
        """Return True if so many latencies are known that some copies among them do not make the usual one short."""
        return len(self._latencies) >= RENEWED_AFTER

    def _lower_quartile(self) -> int:
        return sorted(self._latencies)[len(self._latencies) // 4]

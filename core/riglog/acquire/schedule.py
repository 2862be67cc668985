"""The schedule of a run: a fixed grid of slots. Pure: the time is an argument, in nanoseconds (monotonic)."""

import math

from msgspec import Struct

from riglog.model import NS


class Slot(Struct, frozen=True):
    """``tick`` is the slot to serve next, None at the end of the run; ``skipped`` are the slots skipped before it."""

    tick: int | None
    skipped: range


class Schedule:
    """Slot n is due at start + n / rate. A late slot is not caught up: slots are skipped, the grid does not drift.

    Args:
        start_ns: when slot 0 is due.
        ticks: number of slots; None: no end.
    """

    def __init__(self, start_ns: int, rate_hz: float, *, ticks: int | None = None) -> None:
        self.start_ns = start_ns
        self.rate_hz = rate_hz
        self.ticks = ticks
        self._next = 0

    def due_ns(self, tick: int) -> int:
        """Return when a slot is due. Computed from its number, so that rounding errors do not accumulate."""
        return self.start_ns + round(tick * NS / self.rate_hz)

    def latest(self, now_ns: int) -> int:
        """Return the last slot that is due at ``now_ns``; negative before the start."""
        tick = math.floor((now_ns - self.start_ns) * self.rate_hz / NS)
        while self.due_ns(tick) > now_ns:
            tick -= 1
        while self.due_ns(tick + 1) <= now_ns:
            tick += 1
        return tick

    def start_after(self, now_ns: int) -> None:
        """Start with the first slot after ``now_ns``, for a source that was added during the run.

        Earlier slots are not skipped but ignored: they may have a row of the same channel already.
        """
        self._next = max(0, self.latest(now_ns) + 1)

    def end_at(self, end_ns: int) -> None:
        """End with the last slot that is due before ``end_ns``."""
        self.ticks = max(0, self.latest(end_ns - 1) + 1)

    def move(self, by_ns: int, now_ns: int) -> None:
        """Let all slots be due earlier, and go on with the slot that is then due at ``now_ns`` or next.

        The slots up to it were due while the computer was suspended. The end of the run stays where it is.
        """
        end_ns = None if self.ticks is None else self.due_ns(self.ticks)
        self.start_ns -= by_ns
        self._next = max(self._next, self.latest(now_ns - 1) + 1)
        if end_ns is not None:
            self.end_at(end_ns)

    def is_latest(self, tick: int, now_ns: int) -> bool:
        """Return True if a slot is the last one that is due at ``now_ns``."""
        return self.due_ns(tick) <= now_ns < self.due_ns(tick + 1)

    def next(self, now_ns: int) -> Slot:
        """Return the slot to serve next. A slot is skipped if the next slot is due already."""
        first = self._next
        tick = first if now_ns < self.due_ns(first + 1) else self.latest(now_ns)
        if self.ticks is not None and tick >= self.ticks:
            return Slot(None, range(first, self.ticks))
        return Slot(tick, range(first, tick))

    def mark_served(self, tick: int) -> None:
        """Record that a slot, and all slots before it, have their row."""
        self._next = tick + 1

    def due(self, now_ns: int) -> range:
        """Return the slots that are due at ``now_ns`` and have no row."""
        end = self.latest(now_ns) + 1
        return range(self._next, end if self.ticks is None else min(end, self.ticks))

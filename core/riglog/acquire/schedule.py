"""When to poll: an absolute grid of slots. Pure; the time is an argument, in nanoseconds."""

import math

from msgspec import Struct

from riglog.model import NS


class Slot(Struct, frozen=True):
    """``tick`` is the slot to serve next, None when the run is over; ``missed`` are the slots passed over before it."""

    tick: int | None
    missed: range


class Schedule:
    """Slot n is due at start + n / rate. What is late is not caught up: passed slots are told, nothing drifts.

    Args:
        start_ns: when slot 0 is due.
        ticks: how many slots there are; None: without end.
    """

    def __init__(self, start_ns: int, rate_hz: float, *, ticks: int | None = None) -> None:
        self.start_ns = start_ns
        self.rate_hz = rate_hz
        self.ticks = ticks
        self._next = 0

    def due_ns(self, tick: int) -> int:
        """When a slot is due; computed from its number each time, so that rounding never adds up."""
        return self.start_ns + round(tick * NS / self.rate_hz)

    def latest(self, now_ns: int) -> int:
        """The last slot that is due by now; negative before the start."""
        tick = math.floor((now_ns - self.start_ns) * self.rate_hz / NS)
        while self.due_ns(tick) > now_ns:
            tick -= 1
        while self.due_ns(tick + 1) <= now_ns:
            tick += 1
        return tick

    def join(self, now_ns: int) -> None:
        """Begin with the slot that is due now or next: a source that comes later owes nothing from before.

        A slot that was due before may have a row already, of the same channel.
        """
        self._next = max(0, self.latest(now_ns - 1) + 1)

    def next(self, now_ns: int) -> Slot:
        """The slot to serve next. A slot is passed over when the one behind it is due already."""
        first = self._next
        tick = max(first, self.latest(now_ns))
        if self.ticks is not None and tick >= self.ticks:
            return Slot(None, range(first, self.ticks))
        return Slot(tick, range(first, tick))

    def done(self, tick: int) -> None:
        """A slot, and so all before it, has its row."""
        self._next = tick + 1

    def due(self, now_ns: int) -> range:
        """The slots that are due by now and have no row."""
        end = self.latest(now_ns) + 1
        return range(self._next, end if self.ticks is None else min(end, self.ticks))


def slots_in(duration: float, rate_hz: float) -> int:
    """How many slots fall into ``duration`` seconds: 60 s at 10 Hz are 600."""
    exact = duration * rate_hz
    return max(1, round(exact) if math.isclose(exact, round(exact), rel_tol=1e-9) else math.ceil(exact))

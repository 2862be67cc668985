"""How good the clock of the computer was at one moment, as it is stored."""

from msgspec import Struct

from riglog.model.event import Detail, Event, EventKind
from riglog.model.stamp import NS

MS = NS // 1000


class ClockState(Struct, frozen=True, kw_only=True):
    """What a computer states about its own clock. Nothing is estimated: what no source states is None.

    Attributes:
        synchronized: a time server, or another source of time, sets the clock.
        offset_ns: the clock minus the time of the source, as it is known; the clock is being moved by so much.
        error_ns: the most by which the clock can differ from UTC, as the source states it.
        method: where it comes from, such as ``adjtimex+chrony``; ``none``: nothing is known.
        details: the figures of each source, as JSON.
    """

    synchronized: bool | None
    offset_ns: int | None = None
    error_ns: int | None = None
    method: str = "none"
    details: str | None = None

    def __str__(self) -> str:
        error = "error not known" if self.error_ns is None else f"error at most {_milliseconds(self.error_ns)}"
        offset = "" if self.offset_ns is None else f", offset {_milliseconds(self.offset_ns, sign='+')}"
        if self.synchronized:
            return f"set by a time server, {error}{offset}"
        return "not known whether a time server sets it" if self.synchronized is None else "set by no time server"


class ClockCheck(Detail, frozen=True, kw_only=True):
    """A state of the clock, and when it was read (UTC)."""

    at_ns: int
    state: ClockState

    @property
    def event(self) -> Event:
        """Return the event that shows it among everything else that happened."""
        message = f"clock: {self.state} ({self.state.method})"
        return Event(self.at_ns, EventKind.CLOCK_CHECKED, message, detail=self)


def _milliseconds(ns: int, *, sign: str = "") -> str:
    return f"{ns / MS:{sign}.3g} ms" if abs(ns) < 1000 * MS else f"{ns / NS:{sign}.3g} s"

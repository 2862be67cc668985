"""What the page shows, as types, and what it is read from. Times are milliseconds since the epoch, as in browsers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from riglog.recordings.freshness import dead_after, old_after

EVENTS = 50
"""Events that a new page shows."""
Point = tuple[float, float | None]
"""Time and value; None: no value."""


class LiveChannel(Struct, kw_only=True):
    """The newest of one channel. ``value``, ``text`` and ``value_ms`` are of its last row with a value; ``status``,
    ``flags``, ``error`` and ``received_ms`` of its newest row.

    ``condition``: ``live``, ``old``, ``dead``, or ``ended`` with its run. ``period`` is in seconds.
    """

    id: int
    host: str | None
    device: str
    parameter: str
    instance: int
    name: str
    run: str | None
    unit: str | None
    value: float | None = None
    text: str | None = None
    shown: str = ""
    value_ms: float | None = None
    status: str = "missing"
    flags: str = ""
    error: str | None = None
    received_ms: float | None = None
    period: float = 0.0
    condition: str = "live"


class LiveRun(Struct, frozen=True, kw_only=True):
    """A run, for the choice of a time. ``ended_ms`` is its end, or its newest row if it broke off or is recorded."""

    run: str
    name: str
    host: str | None
    started_ms: float
    ended_ms: float | None
    finished: bool
    rate_hz: float | None
    rows: int | None = None


class LiveAlarm(Struct, frozen=True, kw_only=True):
    """An alarm that is raised, or was cleared and is not acknowledged."""

    name: str
    channel: str
    state: str
    acknowledged: bool
    at_ms: float | None
    text: str | None


class LiveEvent(Struct, frozen=True, kw_only=True):
    """An event; ``kind`` is the present name."""

    at_ms: float
    kind: str
    run: str
    host: str | None
    device: str | None
    port: str | None
    message: str


class Look(Struct, kw_only=True):
    """What a source has now, and what is new since the last look.

    ``state``: ``recording``, ``finished``, ``interrupted`` (no program records, and the run has no end), ``continued``
    (in another file), ``empty``, ``gone`` or ``unreadable``; of a database ``laboratory``, ``unreachable`` or
    ``unreadable``; ``message`` explains it. ``renewed``: it is not the
    recording of the last look, so nothing of before counts. ``points`` are the new values of each channel by its id.
    """

    state: str
    message: str = ""
    renewed: bool = False
    run: LiveRun | None = None
    channels: list[LiveChannel]
    points: dict[int, list[Point]]
    events: list[LiveEvent]
    alarms: list[LiveAlarm]


class Span(Struct, frozen=True, kw_only=True):
    """What a chart requests: channels, from when to when, in how many buckets, of which run (None: of all).

    ``quick``: rather fewer buckets than a long computation. ``exact``: rows with their times in nanoseconds.
    """

    channels: Sequence[int]
    start_ns: int
    end_ns: int
    buckets: int
    run: str | None = None
    quick: bool = False
    exact: bool = False


class Series(Struct, kw_only=True):
    """One channel in a span, as columns. Without ``width_ms`` they are its rows: ``t`` and ``mean``, the value (None:
    no value, so the line breaks), and ``marks``: the places of rows whose status is not ok, with the status.

    With ``width_ms``, they are buckets: ``t`` is the start of each, ``rows`` and ``count`` the numbers of all rows and
    of those with a value; a bucket without rows does not exist. ``marked`` are the first suspect and the first faulty
    row of each bucket: time, value, status. ``last_ms`` is the time of the last row.

    ``at_ns``: if wanted, the exact times of the rows, and None for each place in ``t`` that is not a row but a gap: a
    number of milliseconds has not all digits of a time.
    """

    id: int
    unit: str | None
    last_ms: float | None = None
    width_ms: float | None = None
    t: list[float] = []
    mean: list[float | None] = []
    low: list[float | None] = []
    high: list[float | None] = []
    rows: list[int] = []
    count: list[int] = []
    marks: list[tuple[int, str]] = []
    marked: list[tuple[float, float | None, str]] = []
    at_ns: list[int | None] | UnsetType = UNSET

    def add_row(self, at_ns: int, value: float | None, status: str, *, after_gap: bool) -> None:
        """Add a row, and before it a place without a value if there is a gap."""
        if after_gap:
            self._add(at_ns, None, None)
        if status != "ok":
            self.marks.append((len(self.t), status))
        self._add(at_ns, value, at_ns)

    def _add(self, at_ns: int, value: float | None, row_ns: int | None) -> None:
        self.t.append(at_ns / 1_000_000)
        self.mean.append(value)
        if self.at_ns is not UNSET:
            self.at_ns.append(row_ns)


class LiveBand(Struct, frozen=True, kw_only=True):
    """A time in which an alarm was raised; ``open``: it is, as far as the rows go, in a run that has no end."""

    name: str
    channel: str
    from_ms: float
    to_ms: float
    open: bool


class SpanReply(Struct, kw_only=True):
    """``coarse``: with ``quick``, there are fewer buckets than requested, or suspect and faulty rows are not marked."""

    from_ms: float
    to_ms: float
    coarse: bool
    series: list[Series]
    alarms: list[LiveBand] = []


class Source(ABC):
    """What a page is read from. ``look`` is called by one thread; everything else by any number of them."""

    title: str
    takes_notes = False
    worst_first = False
    """Channels in alarm, dead or old stand first on the page."""
    look_seconds = 0.5

    @abstractmethod
    def look(self, now_ns: int) -> Look:
        """Return what is there now. It raises no error: what cannot be read is a state."""

    @abstractmethod
    def span(self, wanted: Span, names: "dict[int, LiveChannel]") -> SpanReply:
        """Return channels in a span.

        Raises:
            RiglogError: it cannot be read.
        """

    @abstractmethod
    def runs(self) -> list[LiveRun]:
        """Return all runs, the latest last."""

    @abstractmethod
    def events(self, *, run: str | None, start_ns: int, end_ns: int, limit: int) -> list[LiveEvent]:
        """Return the newest events of a time, oldest first."""

    def notes(self) -> list[Any]:
        """Return the notes, oldest first."""
        return []

    def add_note(self, text: str, author: str, device: str | None) -> str:
        """Send a note to the recording; return ``stored`` or ``waiting``."""
        raise NotImplementedError

    def acknowledge(self, alarm: str, author: str) -> str:
        """Send an acknowledgement to the recording; return ``stored`` or ``waiting``."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what ``look`` has opened."""
        return None


def condition(age: float, period: float) -> str:
    """Return whether a channel with a value of this age (seconds) is ``live``, ``old`` or ``dead``."""
    if age <= old_after(period):
        return "live"
    return "old" if age <= dead_after(period) else "dead"

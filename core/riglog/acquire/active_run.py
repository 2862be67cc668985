"""A run while it is being recorded: its stream, its summary, its events, and how to stop it."""

from collections.abc import Callable, Mapping

import anyio

from riglog.acquire.buffer import BatchBuffer
from riglog.acquire.summary import AcquisitionSummary
from riglog.model import IDENTITY, NS, Clock, Event, EventKind

THROTTLE_NS = 60 * NS


class ActiveRun:
    """A run that is being recorded.

    ``stream`` iterates over batches. ``summary`` is updated with every batch. ``events`` are those not taken yet:
    ``pipe`` takes them; without ``pipe``, call ``take_events`` from time to time.
    """

    def __init__(self, rate_hz: float, summary: AcquisitionSummary, stream: BatchBuffer, clock: Clock) -> None:
        self.rate_hz = rate_hz
        self.summary = summary
        self.stream = stream
        self.clock = clock
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] | None = None
        self.stopped_ns: int | None = None  # when stop was called, on the monotonic clock
        self._stopping = anyio.Event()
        self._identities: dict[str, str] = {}
        self._identified: list[Event] = []  # not taken yet
        self._throttled_until: dict[tuple[EventKind, str], int] = {}

    def stop(self) -> None:
        """Stop after the polls that are in progress. The stream ends when all of them are complete."""
        if self.stopped_ns is None:
            self.stopped_ns = self.clock.monotonic_ns()
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def stopped(self) -> None:
        """Wait until ``stop`` is called."""
        await self._stopping.wait()

    async def sleep_until(self, due_ns: float | None) -> bool:
        """Sleep until ``due_ns`` on the monotonic clock, also if woken early; return False if the run is stopped."""
        while due_ns is None or (remaining := due_ns - self.clock.monotonic_ns()) > 0:
            with anyio.move_on_after(None if due_ns is None else remaining / NS):
                await self.stopped()
                return False
        return not self.stopping

    def add_event(self, event: Event) -> None:
        """Add an event to those that will be stored, and pass it to ``on_event``."""
        self.events.append(event)
        self.summary.port_losses += event.kind is EventKind.PORT_LOST
        if self.on_event is not None:
            self.on_event(event)

    def add_event_throttled(self, kind: EventKind, subject: str, message: str) -> None:
        """Add an event that may occur very often: at most one a minute for each kind and subject."""
        now = self.clock.monotonic_ns()
        if now >= self._throttled_until.get((kind, subject), now):
            self._throttled_until[kind, subject] = now + THROTTLE_NS
            self.add_event(Event(self.clock.utc_ns(), kind, message))

    def note_identities(self, identities: Mapping[str, str]) -> None:
        """Store the identities of devices, by name, with the run. They are facts about it, not changes of state."""
        for device, identity in identities.items():
            if self._identities.get(device) != identity:
                self._identities[device] = identity
                kind, now = EventKind.IDENTITY_EXPECTED, self.clock.utc_ns()
                self._identified.append(Event(now, kind, IDENTITY + identity, device))

    def take_events(self) -> list[Event]:
        """Remove and return the events since the last call, and the identities of devices that are new in the run."""
        taken, self.events, self._identified = self.events + self._identified, [], []
        return taken

"""A recording as whoever uses it holds it: its stream, its summary, its events, and the way to stop it."""

from collections.abc import Callable

import anyio

from riglog.acquire.buffer import BatchBuffer
from riglog.acquire.summary import AcquisitionSummary
from riglog.model import NS, Clock, Event, EventKind

SELDOM_NS = 60 * NS


class Recording:
    """A recording that runs. ``stream`` gives batches; ``summary`` is live."""

    def __init__(self, rate_hz: float, summary: AcquisitionSummary, stream: BatchBuffer, clock: Clock) -> None:
        self.rate_hz = rate_hz
        self.summary = summary
        self.stream = stream
        self.clock = clock
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] | None = None
        self.stopped_ns: int | None = None  # when stop was called, on the monotonic clock
        self._stopping = anyio.Event()
        self._told: dict[tuple[EventKind, str], int] = {}  # until when not to tell again

    def stop(self) -> None:
        """End the recording after the polls that are under way; the stream ends when all of them have."""
        if self.stopped_ns is None:
            self.stopped_ns = self.clock.monotonic_ns()
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def stopped(self) -> None:
        """Wait until somebody calls ``stop``."""
        await self._stopping.wait()

    async def sleep_until(self, due_ns: float | None) -> bool:
        """Sleep until then, tolerating early wake-ups; False if the recording is being stopped."""
        while due_ns is None or (rest := due_ns - self.clock.monotonic_ns()) > 0:
            with anyio.move_on_after(None if due_ns is None else rest / NS):
                await self.stopped()
                return False
        return not self.stopping

    def note(self, event: Event) -> None:
        """Add an event to what is stored; ``on_event`` hears of it at once."""
        self.events.append(event)
        self.summary.disconnects += event.kind is EventKind.PORT_LOST
        if self.on_event is not None:
            self.on_event(event)

    def tell_seldom(self, kind: EventKind, about: str, message: str) -> None:
        """Note what happens again and again: at most once a minute for each kind and what it is about."""
        now = self.clock.monotonic_ns()
        if now >= self._told.get((kind, about), now):
            self._told[kind, about] = now + SELDOM_NS
            self.note(Event(self.clock.utc_ns(), kind, message))

    def take_events(self) -> list[Event]:
        """The events since the last call."""
        taken, self.events = self.events, []
        return taken

"""A run while it is being recorded: its stream, its summary, its events, and how to stop it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from math import inf

from anyio.lowlevel import checkpoint

from riglog.acquire.buffer import BatchBuffer
from riglog.acquire.derivation import Derivation
from riglog.acquire.joined_slots import JoinedSlots
from riglog.acquire.sleeps import Sleeps
from riglog.acquire.summary import AcquisitionSummary
from riglog.model import (
    IDENTITY,
    NS,
    Acknowledgement,
    Batch,
    Clock,
    Event,
    EventKind,
    Message,
    Note,
    Run,
    ShownAlarm,
    checked_reason,
    new_note,
    this_actor,
)
from riglog.model.note import new_identity

THROTTLE_NS = 60 * NS
MAX_EVENTS = 10_000
"""Events that wait to be taken, or to be stored by a sink that fails; the oldest are discarded then."""


class ActiveRun:
    """A run that is being recorded.

    It iterates over its batches, each the samples of one poll of one source; so does ``stream``. ``summary`` is updated
    with every batch. ``events`` are those not taken yet: ``pipe`` takes them; without ``pipe``, call ``take_events``
    from time to time: the latest MAX_EVENTS are kept.
    """

    def __init__(self, rate_hz: float, summary: AcquisitionSummary, stream: BatchBuffer, clock: Clock) -> None:
        self.rate_hz = rate_hz
        self.summary = summary
        self.stream = stream
        self.clock = clock
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] | None = None
        self.watchers: list[Callable[[Batch], None]] = []  # called with every batch, as it is recorded; raise nothing
        self.run: Run | None = None  # as its sinks know it; set before the first slot
        self.derivation: Derivation | None = None  # of further rows; set before the first slot
        self.shown_alarms: Callable[[], Sequence[ShownAlarm]] = tuple  # raised, or not acknowledged
        self.on_acknowledgement: Callable[[Acknowledgement], None] = self._without_alarms
        self.before_end: Callable[[], Awaitable[None]] | None = None  # called before the event of the end
        self.stopped_ns: int | None = None  # when stop was called, on the monotonic clock
        self.end_polling: Callable[[], None] = stream.close  # of the recorder, see abort
        self._sleeps = Sleeps()
        self._identities: dict[str, str] = {}
        self._identified: list[Event] = []  # not taken yet
        self._delivered: set[str] = set()  # messages of other programs
        self._throttled_until: dict[tuple[EventKind, str], int] = {}

    def __aiter__(self) -> AsyncIterator[Batch]:
        """Iterate over the batches of ``stream``. What a loop does not reach stays in it."""
        return aiter(self.stream)

    async def ticks(self) -> AsyncIterator[Batch]:
        """Iterate over the slots: the samples of all ports that belong to one slot, as one sequence.

        A slot is complete when a later one begins on every port that still records, or the run ends. What a device
        sends at its own pace belongs to no slot, and comes at once.
        """
        joined = JoinedSlots()
        async for batch in self.stream:
            for tick in joined.add(batch, self.summary.sources):
                yield tick
        for tick in joined.rest():
            yield tick

    def stop(self) -> None:
        """Stop after the polls that are in progress. The stream ends when all of them are complete."""
        if self.stopped_ns is None:
            self.stopped_ns = self.clock.monotonic_ns()
        self._wake()

    def abort(self) -> None:
        """Stop now. Every slot that was due has its row in the stream; polls in progress are cancelled."""
        self.stop()
        self.end_polling()

    @property
    def stopping(self) -> bool:
        return self.stopped_ns is not None

    def reschedule(self) -> None:
        """Wake what sleeps until a slot: its time has moved."""
        self._wake()

    async def sleep_until(self, due_ns: float | None, *, or_rescheduled: bool = False) -> bool:
        """Sleep until ``due_ns`` on the monotonic clock, also if woken early; return False if the run is stopped.

        Other tasks run meanwhile, also if that time is over: a source that is always late must not hold them up.

        Args:
            or_rescheduled: return also when the schedule has moved.
        """
        remaining_ns = self._until(due_ns)
        if remaining_ns <= 0:
            await checkpoint()
        while remaining_ns > 0 and not self.stopping:
            ended_early = await self._sleeps.sleep(remaining_ns / NS)
            if ended_early and or_rescheduled:
                break
            remaining_ns = self._until(due_ns)
        return not self.stopping

    def _until(self, due_ns: float | None) -> float:
        return inf if due_ns is None else due_ns - self.clock.monotonic_ns()

    def _wake(self) -> None:
        self._sleeps.end_all()

    def put(self, batch: Batch) -> None:
        """Record a batch, with the rows that are derived from it."""
        if self.derivation is None:
            self._put(batch)
            return
        for each in self.derivation.derive(batch):
            self._put(each)

    def put_late(self) -> None:
        """Record the derived rows that have waited for long enough."""
        for batch in () if self.derivation is None else self.derivation.late():
            self._put(batch)

    def put_rest(self) -> None:
        """Record the derived rows that still wait: polling has ended."""
        for batch in () if self.derivation is None else self.derivation.rest():
            self._put(batch)

    def _put(self, batch: Batch) -> None:
        self.summary.count(self.summary.sources[batch.source], batch)
        for device, changes in self.summary.take_unit_changes().items():
            self.add_event(Event(self.clock.utc_ns(), EventKind.UNIT_CHANGED, "; ".join(changes), device))
        for watch in self.watchers:
            watch(batch)
        if not self.stream.put(batch):
            self.summary.samples_dropped = self.stream.samples_dropped
            message = f"{self.summary.samples_dropped} samples dropped so far: the sinks are slower than polling"
            self.add_event_throttled(EventKind.SAMPLES_DROPPED, "", message)

    def add_event(self, event: Event) -> None:
        """Add an event to those that will be stored, and pass it to ``on_event``."""
        self.events.append(event)
        del self.events[:-MAX_EVENTS]
        self.summary.port_losses += event.kind is EventKind.PORT_LOST
        if self.on_event is not None:
            self.on_event(event)

    def add_note(
        self,
        text: str,
        *,
        at: datetime | None = None,
        author: str | None = None,
        device: str | None = None,
        reason: str | None = None,
    ) -> Note:
        """Add words of the operator to the recording; they are stored with the next flush.

        Args:
            at: the time that they are about, UTC if it has no time zone; default: now.
            author: default: the user of the operating system.
            reason: why it is written.

        Raises:
            ConfigError: there is no text, too much of it, or ``at`` is in the future.
        """
        note = new_note(text, at=at, author=author, device=device, reason=reason, clock=self.clock)
        self.deliver(note)
        return note

    def acknowledge_alarm(self, name: str, *, author: str | None = None, reason: str | None = None) -> None:
        """Note that somebody has seen an alarm, on all of its channels. ``author``: default: the user.

        Raises:
            ConfigError: ``reason`` is empty or too long.
        """
        self.deliver(
            Acknowledgement(
                message_id=new_identity(),
                written_ns=self.clock.utc_ns(),
                alarm=name,
                author=this_actor(name=author),
                reason=checked_reason(reason),
            )
        )

    def deliver(self, message: Message) -> None:
        """Take in a message of another program, or of this one; a second time it is ignored."""
        if message.message_id in self._delivered:
            return
        self._delivered.add(message.message_id)
        if isinstance(message, Note):
            self.add_event(message.event)
        else:
            self.on_acknowledgement(message)

    def _without_alarms(self, message: Acknowledgement) -> None:
        self.add_event(message.unexpected)

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

    def take_events(self) -> Sequence[Event]:
        """Remove and return the events since the last call, and the identities of devices that are new in the run."""
        if not self.events and not self._identified:
            return ()
        taken, self.events, self._identified = self.events + self._identified, [], []
        return taken

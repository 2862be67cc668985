"""Polls sources at a steady rate, each in its own task, and hands on what they say."""

import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.schedule import Schedule, slots_in
from riglog.acquire.summary import AcquisitionSummary, SourceSummary
from riglog.device import Pace, PollSource, SourceGroup, missing
from riglog.errors import ConfigError, ConnectionLostError, RiglogError
from riglog.model import NS, SYSTEM_CLOCK, Batch, Channel, Clock, Event, EventKind, Run, Sample, Status

GRACE_SECONDS = 2.0
"""How long a poll that is under way may take to finish after ``stop``."""
PASSED_OVER = "slot passed over: the poll before it took too long"
LOST_SECONDS = 1.0
STEP_NS = NS // 2
"""A UTC clock that moves this far against the monotonic one was set."""


class Recording:
    """A recording that runs. ``stream`` gives batches; ``summary`` is live."""

    def __init__(self, rate_hz: float, summary: AcquisitionSummary, stream: BatchBuffer) -> None:
        self.rate_hz = rate_hz
        self.summary = summary
        self.stream = stream
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] | None = None
        self._stopping = anyio.Event()

    def stop(self) -> None:
        """End the recording after the polls that are under way; the stream ends when all of them have."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def stopped(self) -> None:
        """Wait until somebody calls ``stop``."""
        await self._stopping.wait()

    def note(self, event: Event) -> None:
        """Add an event to what is stored; ``on_event`` hears of it at once."""
        self.events.append(event)
        self.summary.disconnects += event.kind is EventKind.PORT_LOST
        if self.on_event is not None:
            self.on_event(event)

    def take_events(self) -> list[Event]:
        """The events since the last call."""
        taken, self.events = self.events, []
        return taken


@asynccontextmanager
async def record(
    source: PollSource | SourceGroup,
    *,
    rate_hz: float,
    duration: float | None = None,
    names: Sequence[str] | None = None,
    overflow: Overflow = Overflow.BLOCK,
    buffer_size: int = 64,
    resumed_from: Run | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[Recording]:
    """Poll a source at a steady rate and hand on what it says.

    Args:
        source: a device, or a group such as a Manager, whose sources are polled side by side.
        rate_hz: polls per second, > 0. Tick n falls at start + n / rate_hz; passed ticks are rows of status skipped.
            A source with a rate of its own keeps it.
        duration: seconds, or None until ``stop`` or the end of the block.
        names: only these devices.
        buffer_size: batches that may wait to be taken; then ``overflow`` decides.
        resumed_from: the run to go on with: slots keep their numbers and times, ``duration`` counts from its start.
    Yields:
        A Recording. ``stream`` iterates over batches: the samples of one tick of one source.
    Raises:
        ConfigError: an argument is out of range; nothing was sent.
    """
    for what, value in (("rate_hz", rate_hz), ("duration", duration), ("buffer_size", buffer_size)):
        if value is not None and not value > 0:
            raise ConfigError(f"{what} must be greater than 0, not {value}")
    summary = AcquisitionSummary(clock.utc_ns(), clock.monotonic_ns(), sources={}, channels={})
    recording = Recording(rate_hz, summary, BatchBuffer(buffer_size, overflow))
    unsubscribe = source.subscribe(recording.note) if isinstance(source, SourceGroup) else lambda: None
    gc.collect()
    gc.freeze()  # what is alive now stays alive: walking it again and again is the largest source of jitter
    start_ns = _begin(recording, resumed_from, clock)
    recorder = _Recorder(recording, duration, names, clock, start_ns, resumed_from is not None)
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorder.run, source)
            try:
                yield recording
            except Exception as error:  # goes out as it is, not as a group of one
                failure = error
                tasks.cancel_scope.cancel()
            recording.stop()
            recording.stream.close()
    finally:
        gc.unfreeze()
        unsubscribe()
    if failure is not None:
        raise failure


def _begin(recording: Recording, resumed_from: Run | None, clock: Clock) -> int:
    """When slot 0 is or was due, on the monotonic clock; tells that the recording begins."""
    now, monotonic = clock.utc_ns(), clock.monotonic_ns()
    if resumed_from is None:
        recording.note(Event(now, EventKind.RUN_STARTED, f"recording at {recording.rate_hz:g} Hz started"))
        return monotonic
    elapsed = now - resumed_from.started_ns
    message = f"resumed {elapsed / NS:.3f} s after its start; what was due meanwhile is a hole"
    recording.note(Event(now, EventKind.RUN_RESUMED, message))
    return monotonic - elapsed


class _Recorder:
    """The tasks behind one recording."""

    def __init__(
        self,
        recording: Recording,
        duration: float | None,
        names: Sequence[str] | None,
        clock: Clock,
        start_ns: int,
        resumed: bool,
    ) -> None:
        self.recording = recording
        self.summary = recording.summary
        self.buffer = recording.stream
        self.duration = duration
        self.names = names
        self.clock = clock
        self.start_ns = start_ns
        self.since_ns = clock.monotonic_ns() if resumed else start_ns
        self.running: dict[str, anyio.CancelScope] = {}

    async def run(self, source: PollSource | SourceGroup) -> None:
        try:
            async with anyio.create_task_group() as around:
                around.start_soon(self._watch_clock)
                async with anyio.create_task_group() as tasks:
                    around.start_soon(self._cut_off, tasks.cancel_scope)
                    if isinstance(source, SourceGroup):
                        around.start_soon(self._follow, source, tasks)
                        self._join(source.sources(), tasks, self.since_ns)
                    else:
                        self._join([source], tasks, self.since_ns)
                around.cancel_scope.cancel()
        finally:
            self.summary.finished_ns = self.clock.utc_ns()
            self.buffer.close()

    def _join(self, sources: Sequence[PollSource], tasks: TaskGroup, since_ns: int) -> None:
        """Start a task for every source that has none, and end those whose source is gone.

        Slots that were due before ``since_ns`` are not a new source's.
        """
        for name in self.running.keys() - {source.name for source in sources}:
            self.running.pop(name).cancel()
        for source in sources:
            if source.name not in self.running:
                self.running[source.name] = scope = anyio.CancelScope()
                tasks.start_soon(self._keep_polling, source, scope, since_ns)

    async def _follow(self, group: SourceGroup, tasks: TaskGroup) -> None:
        while True:
            await group.changed()
            if not self.recording.stopping:
                self._join(group.sources(), tasks, self.clock.monotonic_ns())

    async def _cut_off(self, scope: anyio.CancelScope) -> None:
        await self.recording.stopped()
        await anyio.sleep(GRACE_SECONDS)
        scope.cancel()

    async def _keep_polling(self, source: PollSource, scope: anyio.CancelScope, since_ns: int) -> None:
        rate = source.rate_hz or self.recording.rate_hz
        paced = source.pace is Pace.HOST
        figures = self.summary.sources.setdefault(source.name, SourceSummary(source.name, rate if paced else None))
        with scope:
            if paced:
                await self._poll_on_schedule(source, rate, figures, since_ns)
            else:
                await self._take_what_comes(source, figures)

    async def _poll_on_schedule(self, source: PollSource, rate: float, figures: SourceSummary, since_ns: int) -> None:
        clock = self.clock
        ticks = None if self.duration is None else slots_in(self.duration, rate)
        schedule = Schedule(self.start_ns, rate, ticks=ticks)
        schedule.join(since_ns)
        while not self.recording.stopping:
            slot = schedule.next(clock.monotonic_ns())
            for tick in slot.missed:
                figures.ticks_missed += 1
                samples = missing(self._channels(source), PASSED_OVER, clock, Status.SKIPPED)
                await self._hand_on(Batch(source.name, tick, samples), figures)
            if slot.tick is None or not await self._wait_until(schedule.due_ns(slot.tick)):
                return
            begun = clock.monotonic_ns()
            figures.lateness.add((begun - schedule.due_ns(slot.tick)) / NS)
            polled = await self._poll(source)
            took = (clock.monotonic_ns() - begun) / NS
            figures.poll_time.add(took)
            figures.busy_s += took
            figures.ticks += 1
            await self._hand_on(Batch(source.name, slot.tick, polled), figures)

    async def _take_what_comes(self, source: PollSource, figures: SourceSummary) -> None:
        end = None if self.duration is None else self.start_ns + self.duration * NS
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end_at, end, tasks.cancel_scope)
            while not self.recording.stopping:
                samples = await self._poll(source)
                if samples:
                    figures.ticks += 1
                    await self._hand_on(Batch(source.name, None, samples), figures)

    async def _end_at(self, end_ns: float | None, scope: anyio.CancelScope) -> None:
        await self._wait_until(end_ns)
        scope.cancel()

    async def _wait_until(self, due_ns: float | None) -> bool:
        """Sleep until then, tolerating early wake-ups; False if the recording is being stopped."""
        while due_ns is None or (rest := due_ns - self.clock.monotonic_ns()) > 0:
            with anyio.move_on_after(None if due_ns is None else rest / NS):
                await self.recording.stopped()
                return False
        return not self.recording.stopping

    async def _poll(self, source: PollSource) -> Sequence[Sample]:
        try:
            return await source.poll(self.names)
        except ConnectionLostError as error:  # a source that cannot come back by itself; a Manager's can
            await self._wait_until(self.clock.monotonic_ns() + LOST_SECONDS * NS)
            return missing(self._channels(source), str(error), self.clock, Status.SKIPPED)
        except RiglogError as error:
            return missing(self._channels(source), str(error), self.clock)

    def _channels(self, source: PollSource) -> list[Channel]:
        names = self.names
        return [channel for channel in source.channels if names is None or channel.device in names]

    async def _hand_on(self, batch: Batch, figures: SourceSummary) -> None:
        self.summary.count(figures, batch)
        if not self.buffer.put(batch):
            self.summary.samples_dropped = self.buffer.samples_dropped
        await self.buffer.space()

    async def _watch_clock(self) -> None:
        """Tell when somebody sets the UTC clock: times before and after do not compare."""
        clock = self.clock
        offset = clock.utc_ns() - clock.monotonic_ns()
        while True:
            await anyio.sleep(1.0)
            now = clock.utc_ns()
            moved = now - clock.monotonic_ns() - offset
            if abs(moved) > STEP_NS:
                offset += moved
                self.recording.note(Event(now, EventKind.CLOCK_STEP, f"the UTC clock was set by {moved / NS:+.3f} s"))

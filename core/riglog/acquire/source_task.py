"""One source of a recording: polled slot by slot, or listened to; what it says is counted and handed on.

Every slot that was due has exactly one row of each channel, however the polling ends.
"""

from collections.abc import Sequence

import anyio

from riglog.acquire.active_run import Recording
from riglog.acquire.schedule import Schedule, slots_in
from riglog.acquire.summary import SourceSummary
from riglog.device import Pace, PollSource, missing
from riglog.errors import ConnectionLostError, RiglogError
from riglog.model import NS, Batch, EventKind, Sample, Status

PASSED_OVER = "slot passed over: the poll before it took too long"
ENDED = "slot passed over: polling ended before it was served"
PAUSE_SECONDS = 1.0
"""Before a source that could not even be asked is asked again."""
BREATH_SECONDS = 0.05
"""At least between two polls without a value, of a source that is listened to: it may fail without waiting."""


class SourceTask:
    """Polls a source until the recording stops, its duration is over, or ``scope`` is cancelled.

    Args:
        start_ns: when slot 0 of the recording is due, on the monotonic clock.
        duration: of the recording, in seconds; None: without end.
    """

    def __init__(
        self,
        source: PollSource,
        recording: Recording,
        *,
        start_ns: int,
        duration: float | None,
    ) -> None:
        self.source = source
        self.recording = recording
        self.clock = recording.clock
        self.start_ns = start_ns
        self.duration = duration
        self.scope = anyio.CancelScope()
        self.rate_hz = source.rate_hz or recording.rate_hz
        told = SourceSummary(source.name, self.rate_hz if source.pace is Pace.HOST else None)
        self.figures = recording.summary.sources.setdefault(source.name, told)
        self._channels = list(source.channels)  # as of the last poll

    async def run(self, since_ns: int) -> None:
        """Slots that were due before ``since_ns`` are not this source's."""
        if self.source.pace is Pace.DEVICE:
            with self.scope:
                await self._take_what_comes()
            return
        ticks = None if self.duration is None else slots_in(self.duration, self.rate_hz)
        schedule = Schedule(self.start_ns, self.rate_hz, ticks=ticks)
        schedule.join(since_ns)
        with self.scope:
            await self._poll_on_schedule(schedule)
        now, stopped = self.clock.monotonic_ns(), self.recording.stopped_ns
        for tick in schedule.due(now if stopped is None else min(now, stopped)):
            self._pass_over(schedule, tick, ENDED)

    async def _poll_on_schedule(self, schedule: Schedule) -> None:
        clock, figures, stream = self.clock, self.figures, self.recording.stream
        while not self.recording.stopping:
            slot = schedule.next(clock.monotonic_ns())
            for tick in slot.missed:
                self._pass_over(schedule, tick, PASSED_OVER)
                await stream.space()
            if slot.tick is None or not await self.recording.sleep_until(schedule.due_ns(slot.tick)):
                return
            self._channels = list(self.source.channels)
            begun = clock.monotonic_ns()
            figures.lateness.add((begun - schedule.due_ns(slot.tick)) / NS)
            polled = await self._poll()
            took = (clock.monotonic_ns() - begun) / NS
            figures.poll_time.add(took)
            figures.busy_s += took
            figures.ticks += 1
            self._hand_on(slot.tick, polled)
            schedule.done(slot.tick)
            await stream.space()

    def _pass_over(self, schedule: Schedule, tick: int, why: str) -> None:
        self.figures.ticks_missed += 1
        absent = missing(self._channels, why, self.clock, Status.SKIPPED, due_ns=schedule.due_ns(tick))
        self._hand_on(tick, absent)
        schedule.done(tick)
        message = f"slots of {self.source.name} passed over so far: {self.figures.ticks_missed}"
        self.recording.tell_seldom(EventKind.LATE, self.source.name, message)

    async def _take_what_comes(self) -> None:
        end = None if self.duration is None else self.start_ns + self.duration * NS
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end_at, end, tasks.cancel_scope)
            while not self.recording.stopping:
                self._channels = list(self.source.channels)
                begun = self.clock.monotonic_ns()
                samples = await self._poll()
                if samples:
                    self.figures.ticks += 1
                    self._hand_on(None, samples)
                    await self.recording.stream.space()
                if all(sample.value is None for sample in samples):
                    await self.recording.sleep_until(begun + BREATH_SECONDS * NS)

    async def _end_at(self, end_ns: float | None, scope: anyio.CancelScope) -> None:
        await self.recording.sleep_until(end_ns)
        scope.cancel()

    async def _poll(self) -> Sequence[Sample]:
        try:
            return await self.source.poll()
        except RiglogError as error:
            lost = isinstance(error, ConnectionLostError)  # a source that cannot come back by itself; a Manager's can
            if lost or self.source.pace is Pace.DEVICE:
                await self.recording.sleep_until(self.clock.monotonic_ns() + PAUSE_SECONDS * NS)
            return missing(self._channels, str(error), self.clock, Status.SKIPPED if lost else Status.MISSING)

    def _hand_on(self, tick: int | None, samples: Sequence[Sample]) -> None:
        summary, buffer = self.recording.summary, self.recording.stream
        batch = Batch(self.source.name, tick, samples)
        summary.count(self.figures, batch)
        if not buffer.put(batch):
            summary.samples_dropped = buffer.samples_dropped
            message = f"samples dropped so far: {summary.samples_dropped}; storing is slower than polling"
            self.recording.tell_seldom(EventKind.DROPPED, "", message)

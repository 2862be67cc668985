"""One source of a run: polled slot by slot, or listened to; its samples are counted and put into the stream.

Every slot that was due has exactly one row of each channel, however the polling ends.
"""

from collections.abc import Sequence

import anyio

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.schedule import Schedule, slots_in
from riglog.acquire.summary import SourceSummary
from riglog.device import DRIVER_ERROR, MAX_REPORTED_PROBLEMS, MaintainedSource, Pace, PollSource, check_poll, missing
from riglog.errors import ConnectionLostError, RiglogError, describe
from riglog.model import NS, Batch, Event, EventKind, Sample, Status

OVERRUN = "slot skipped: the previous poll overran"
DELAYED = "slot skipped: polling was held up by slow sinks or a busy computer"
STOPPED = "slot skipped: polling stopped before it was served"
RETRY_SECONDS = 1.0
"""Pause after a failed poll that may have failed without waiting, such as one of a lost connection."""
MIN_POLL_INTERVAL_SECONDS = 0.05
"""Between two polls without a value of a device-paced source, which may return without waiting."""


class SourceTask:
    """Polls a source until the run stops, its duration has elapsed, or ``scope`` is cancelled.

    Args:
        start_ns: when slot 0 of the run is due, on the monotonic clock.
        duration: of the run, in seconds; None: no end.
        checked: the source checks its own samples, as a Manager does.
    """

    def __init__(
        self,
        source: PollSource,
        active_run: ActiveRun,
        *,
        start_ns: int,
        duration: float | None,
        checked: bool,
    ) -> None:
        self.source = source
        self.active_run = active_run
        self.clock = active_run.clock
        self.start_ns = start_ns
        self.duration = duration
        self.checked = checked
        self.scope = anyio.CancelScope()
        self.rate_hz = source.rate_hz or active_run.rate_hz
        summary = SourceSummary(source.name, self.rate_hz if source.pace is Pace.HOST else None)
        self.stats = active_run.summary.sources.setdefault(source.name, summary)
        self._channels = list(source.channels)  # those of the last poll
        self._next_due_ns = start_ns
        self._reported_problems: set[str] = set()

    async def run(self, since_ns: int) -> None:
        """Poll. Slots that were due before ``since_ns`` do not count for this source."""
        if self.source.pace is Pace.DEVICE:
            with self.scope:
                await self._run_device_paced()
            return
        ticks = None if self.duration is None else slots_in(self.duration, self.rate_hz)
        schedule = Schedule(self.start_ns, self.rate_hz, ticks=ticks)
        schedule.start_at(since_ns)
        with self.scope:
            async with anyio.create_task_group() as tasks:
                if isinstance(self.source, MaintainedSource):
                    tasks.start_soon(self.source.maintain, lambda: self._next_due_ns)
                await self._run_on_schedule(schedule)
                tasks.cancel_scope.cancel()
        now, stopped = self.clock.monotonic_ns(), self.active_run.stopped_ns
        for tick in schedule.due(now if stopped is None else min(now, stopped)):
            self._skip(schedule, tick, STOPPED)

    async def _run_on_schedule(self, schedule: Schedule) -> None:
        clock, stats, stream = self.clock, self.stats, self.active_run.stream
        started = ended = 0  # of the last poll
        while not self.active_run.stopping:
            slot = schedule.next(clock.monotonic_ns())
            for tick in slot.skipped:
                overrun = started < schedule.due_ns(tick + 1) <= ended
                self._skip(schedule, tick, OVERRUN if overrun else DELAYED)
                await stream.wait_for_space()
            if slot.tick is None:
                return
            self._next_due_ns = schedule.due_ns(slot.tick)
            if not await self.active_run.sleep_until(self._next_due_ns):
                return
            self._channels = list(self.source.channels)
            started = clock.monotonic_ns()
            stats.start_delay.add((started - schedule.due_ns(slot.tick)) / NS)
            samples = await self._poll()
            ended = clock.monotonic_ns()
            seconds = (ended - started) / NS
            stats.poll_time.add(seconds)
            stats.busy_s += seconds
            stats.slots_polled += 1
            self._put(slot.tick, samples)
            schedule.mark_served(slot.tick)
            await stream.wait_for_space()

    def _skip(self, schedule: Schedule, tick: int, reason: str) -> None:
        self.stats.slots_skipped += 1
        skipped = missing(self._channels, reason, self.clock, Status.SKIPPED, due_ns=schedule.due_ns(tick))
        self._put(tick, skipped)
        schedule.mark_served(tick)
        message = f"{self.source.name}: {self.stats.slots_skipped} slots skipped so far"
        self.active_run.add_event_throttled(EventKind.SLOTS_SKIPPED, self.source.name, message)

    async def _run_device_paced(self) -> None:
        end = None if self.duration is None else self.start_ns + self.duration * NS
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end_at, end, tasks.cancel_scope)
            while not self.active_run.stopping:
                self._channels = list(self.source.channels)
                started = self.clock.monotonic_ns()
                samples = await self._poll()
                if samples:
                    self.stats.slots_polled += 1
                    self._put(None, samples)
                    await self.active_run.stream.wait_for_space()
                if all(sample.value is None for sample in samples):
                    await self.active_run.sleep_until(started + MIN_POLL_INTERVAL_SECONDS * NS)

    async def _end_at(self, end_ns: float | None, scope: anyio.CancelScope) -> None:
        await self.active_run.sleep_until(end_ns)
        scope.cancel()

    async def _poll(self) -> Sequence[Sample]:
        try:
            samples = await self.source.poll()
            return samples if self.checked else self._check(samples)
        except RiglogError as error:
            lost = isinstance(error, ConnectionLostError)  # of a source that does not reconnect; a Manager's do
            if lost or self.source.pace is Pace.DEVICE:
                await self.active_run.sleep_until(self.clock.monotonic_ns() + RETRY_SECONDS * NS)
            return missing(self._channels, error.message, self.clock, Status.SKIPPED if lost else Status.MISSING)
        except Exception as error:
            if self.checked:
                raise
            problem = describe(error)
            self._report_problem(problem)
            if self.source.pace is Pace.DEVICE:
                await self.active_run.sleep_until(self.clock.monotonic_ns() + RETRY_SECONDS * NS)
            return missing(self._channels, f"{DRIVER_ERROR}: {problem}", self.clock)

    def _check(self, samples: object) -> Sequence[Sample]:
        """Check the samples of a source that no Manager has checked."""
        found = check_poll(samples, self._channels, self.source.pace, self.clock)
        if found.problems:
            self._report_problem("; ".join(found.problems))
        return found.samples

    def _report_problem(self, problem: str) -> None:
        if problem not in self._reported_problems and len(self._reported_problems) < MAX_REPORTED_PROBLEMS:
            self._reported_problems.add(problem)
            message = f"{DRIVER_ERROR}: {problem}"
            self.active_run.add_event(Event(self.clock.utc_ns(), EventKind.DRIVER_FAILED, message, self.source.name))

    def _put(self, tick: int | None, samples: Sequence[Sample]) -> None:
        summary, stream = self.active_run.summary, self.active_run.stream
        batch = Batch(self.source.name, tick, samples)
        summary.count(self.stats, batch)
        if not stream.put(batch):
            summary.samples_dropped = stream.samples_dropped
            message = f"{summary.samples_dropped} samples dropped so far: the sinks are slower than polling"
            self.active_run.add_event_throttled(EventKind.SAMPLES_DROPPED, "", message)

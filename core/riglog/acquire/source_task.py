"""One source of a run: polled slot by slot, or listened to; its samples are counted and put into the stream.

Theory of operation. Every slot that was due has exactly one row of each channel that was present when it was due, in
the order of the slots, however the polling ends. A slot is open from its due time until the next slot is due, or as
long as its poll is in progress. Its row is written

- when its poll returns; or
- as ``skipped`` when the next slot is due and it was not polled; or
- as ``missing`` while its poll is in progress, if the poll is not expected to return (it hangs), if the run ends or the
  source is removed, or if the UTC clock steps. What the poll returns later is not recorded: its slot has a row.

The proof of a sample may come with one of the next polls of its source: then the rows of its slot wait for it, and so
do all that follow. At the end of the run, and after HOLD_NS, they are written as they are proven by then.

Rows are written by the task itself, and by ``check_hang``, ``before_step`` and ``finish``, which are synchronous: they
work while the poll hangs and while the task is being cancelled.
"""

from collections import deque
from collections.abc import Callable, Sequence

import anyio

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.clock_watch import ClockWatch
from riglog.acquire.held_batches import HeldBatches
from riglog.acquire.presence import Presence
from riglog.acquire.schedule import Schedule
from riglog.acquire.summary import SourceSummary
from riglog.device import (
    DRIVER_ERROR,
    MAX_REPORTED_PROBLEMS,
    Began,
    MaintainedSource,
    Pace,
    PollSource,
    SteadySource,
    check_poll,
    is_plugin_fault,
    missing,
)
from riglog.errors import ConnectionLostError, RiglogError, describe
from riglog.model import NS, Batch, Channel, Event, EventKind, Sample, Stamp, Status, missing_sample

OVERRUN = "slot skipped: the previous poll overran"
HANGING = "slot skipped: the previous poll has not returned"
SLOW_SINKS = "slot skipped: the sinks are slower than polling"
BUSY = "slot skipped: the computer was busy or stopped"
STOPPED = "slot skipped: polling stopped before it was served"
STEPPED_BEFORE = "slot skipped: the system clock (UTC) stepped before it was polled"
NOT_RETURNED = "no value: the poll has not returned"
CANCELLED = "no value: the poll was cancelled when polling stopped"
STEPPED = "no value: the system clock (UTC) stepped during the poll"
REMOVED = "no value: the device was removed before its poll returned"
RETRY_SECONDS = 1.0
"""Pause after a failed poll that may have failed without waiting, such as one of a lost connection."""
MIN_POLL_INTERVAL_SECONDS = 0.05
"""Between two polls without a value of a device-paced source, which may return without waiting."""
HANG_SECONDS = 10.0
"""A poll hangs if it takes longer than this, longer than HANG_FACTOR times the last polls, and longer than its slot."""
HANG_FACTOR = 3
RECENT_POLLS = 10
IDLE_WHILE_WAITING_NS = 10 * NS
"""While nothing is polled because the sinks are slow, the line counts as idle for so long: identities are checked."""


class SourceTask:
    """Polls a source until the run stops, its duration has elapsed, or ``finish`` is called.

    Args:
        start_ns: when slot 0 of the run is or was due, on the monotonic clock.
        since_ns: slots that were due by then do not count for this source.
        end_ns: when the run ends; None: no end.
        check_clock: called before and after each poll; returns True if the schedule has moved.
        checked: the source checks its own samples, as a Manager does.
    """

    def __init__(
        self,
        source: PollSource,
        active_run: ActiveRun,
        watch: ClockWatch,
        *,
        start_ns: int,
        since_ns: int,
        end_ns: int | None,
        check_clock: Callable[[], bool],
        checked: bool,
    ) -> None:
        self.source = source
        self.active_run = active_run
        self.clock = active_run.clock
        self.checked = checked
        self.end_ns = end_ns
        self.scope = anyio.CancelScope()
        rate_hz = source.rate_hz or active_run.rate_hz
        self.schedule = Schedule(start_ns, rate_hz)
        self.schedule.start_after(since_ns)
        if end_ns is not None:
            self.schedule.end_at(end_ns)
        summary = SourceSummary(source.name, rate_hz if source.pace is Pace.HOST else None)
        self.stats = active_run.summary.sources.setdefault(source.name, summary)
        self.stats.ended = False  # one that was removed may come back
        self._watch = watch
        self._check_clock = check_clock
        self._presence = Presence(source.channels)
        self._open: int | None = None  # the slot whose poll is in progress and that has no row yet
        self._poll = _Interval()  # the last one
        self._wait = _Interval()  # for space in the stream, the last one
        self._hanging = False
        self._recent_ns: deque[int] = deque(maxlen=RECENT_POLLS)
        self._finished = False
        self._next_due_ns = start_ns
        self._reported_problems: set[str] = set()
        self._held = HeldBatches()
        is_steady = source.pace is Pace.HOST and isinstance(source, SteadySource)
        self._poll_source = source.poll_steadily if is_steady and isinstance(source, SteadySource) else source.poll

    async def run(self) -> None:
        """Poll, and leave no slot without a row."""
        try:
            with self.scope:
                await (self._listen() if self.source.pace is Pace.DEVICE else self._poll_and_maintain())
                if self._held and isinstance(self.source, SteadySource):
                    await self.source.settle()
        finally:
            self.finish()

    def finish(self, *, removed: bool = False) -> None:
        """Write the rows of all slots that were due, and cancel the poll in progress."""
        self.scope.cancel()
        if self._finished:
            return
        self._finished = self.stats.ended = True
        if self.source.pace is Pace.HOST:
            self._settle(self._now(), REMOVED if removed else CANCELLED, over_only=False)
        self._store(self._held.release_all())

    def channels_changed(self) -> None:
        """Take over the channels of the source after a device was added or removed."""
        self._presence.change(self.clock.monotonic_ns(), self.source.channels)

    def check_hang(self) -> None:
        """While a poll hangs, write the rows of the slots that pass, so that a reader of the recording sees them."""
        now = self._now()
        if self._open is not None and now >= self._hangs_at(self._open) and not self.active_run.stream.full:
            self._hanging = True
            seconds = self._poll.seconds(now)
            message = (
                f"{self.source.name}: a poll has not returned for {seconds:.0f} s; slots are skipped until it returns"
            )
            self._report(EventKind.SLOTS_SKIPPED, message)
        if self._hanging and not self.active_run.stream.full:
            self._settle(now, NOT_RETURNED, over_only=True)
        self._store(self._held.released(self.clock.monotonic_ns()))

    def before_step(self, unrecorded_ns: int) -> None:
        """Write the rows of the slots that were due before UTC stepped, with the times of then.

        A slot that was waiting to be polled has its row too if it is over when the schedule has moved.
        """
        if self.source.pace is not Pace.HOST or self._finished:
            return
        now = self._now()
        self._settle(now, STEPPED, over_only=True)
        for tick in self.schedule.due(min(now, self._watch.steady_until_ns)):
            if self.schedule.due_ns(tick + 1) - unrecorded_ns < now:
                self._skip(tick, now, self._reason_at(now) or STEPPED_BEFORE)

    def after_step(self, unrecorded_ns: int) -> None:
        """Move the schedule by a time that the monotonic clock has not counted."""
        self.schedule.move(unrecorded_ns, self.clock.monotonic_ns())

    # --- slots

    async def _poll_and_maintain(self) -> None:
        """Poll on schedule; between the slots the source may use its connection."""
        if not isinstance(self.source, MaintainedSource):
            await self._run_on_schedule()
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.source.maintain, self._next_poll_ns)
            await self._run_on_schedule()
            tasks.cancel_scope.cancel()

    def _next_poll_ns(self) -> int:
        """Return when the next poll is due. While the sinks are too slow there is none, and the line is idle."""
        return self.clock.monotonic_ns() + IDLE_WHILE_WAITING_NS if self._wait.in_progress else self._next_due_ns

    async def _run_on_schedule(self) -> None:
        schedule, stream = self.schedule, self.active_run.stream
        self._check_clock()
        while not self.active_run.stopping:
            if stream.full:
                self._wait.begin(self.clock.monotonic_ns())
                await stream.wait_for_space()
                self._wait.end(self.clock.monotonic_ns())
                self._check_clock()
                continue  # the run may have stopped
            now = self.clock.monotonic_ns()
            slot = schedule.next(now)
            for tick in slot.skipped:
                self._skip(tick, now)
            if slot.tick is None:
                return
            self._next_due_ns = schedule.due_ns(slot.tick)
            if not await self.active_run.sleep_until(self._next_due_ns, or_rescheduled=True):
                return
            if self._check_clock() or not schedule.is_latest(slot.tick, self.clock.monotonic_ns()):
                continue  # the schedule has moved, or the slot is over
            await self._poll_slot(slot.tick)

    async def _poll_slot(self, tick: int) -> None:
        channels = list(self.source.channels)
        if not channels and not self._presence.current:  # its devices are absent: no row, and no poll
            self.schedule.mark_served(tick)
            return
        due, stats = self.schedule.due_ns(tick), self.stats
        if not self.checked:  # no group reports a change
            self._presence.change(due - 1, channels)
        started = self.clock.monotonic_ns()
        self._poll.begin(started)
        self._open = tick
        samples = await self._take(channels)
        ended = self.clock.monotonic_ns()
        self._check_clock()
        self._poll.end(ended)
        self._recent_ns.append(ended - started)
        if self._open is None:
            self._returned_late(ended)
            return
        self._open = None
        stats.start_delay.add((started - due) / NS)
        stats.poll_time.add((ended - started) / NS)
        stats.busy_s += (ended - started) / NS
        stats.slots_polled += 1
        if self._presence.changed_since(due) or channels != self._presence.current:
            samples = self._of_slot(tick, samples)
        self._put(tick, samples)
        self.schedule.mark_served(tick)

    def _of_slot(self, tick: int, samples: Sequence[Sample]) -> list[Sample]:
        """Return one sample of each channel that was present when the slot was due; devices came or went since then."""
        taken = {sample.channel: sample for sample in samples}
        rows = self._without_value(tick, Status.MISSING, REMOVED)
        return [taken.get(row.channel, row) for row in rows]

    def _returned_late(self, now: int) -> None:
        if self._hanging:
            self._hanging = False
            message = (
                f"{self.source.name}: the poll returned after {self._poll.seconds(now):.0f} s;"
                " its values are not recorded, because its slot is over"
            )
            self._report(EventKind.SLOTS_SKIPPED, message)

    def _hangs_at(self, tick: int) -> float:
        """Return when a poll in progress counts as hanging."""
        limit = max(HANG_SECONDS * NS, HANG_FACTOR * max(self._recent_ns, default=0))
        return max(self._poll.began_ns + limit, self.schedule.due_ns(tick + 1))

    def _settle(self, until_ns: int, reason: str, *, over_only: bool) -> None:
        """Write the rows of the slots that were due, that of the poll in progress with ``reason``.

        Args:
            over_only: leave a slot that can still be polled.
        """
        for tick in self.schedule.due(until_ns):
            if tick == self._open:
                self._open = None
                self.stats.slots_polled += 1
                self._put(tick, self._without_value(tick, Status.MISSING, reason))
                self.schedule.mark_served(tick)
            elif not over_only or self.schedule.due_ns(tick + 1) <= until_ns:
                self._skip(tick, until_ns)

    def _skip(self, tick: int, now_ns: int, reason: str | None = None) -> None:
        reason = reason or self._reason(tick, now_ns)
        rows = self._without_value(tick, Status.SKIPPED, reason)
        self.schedule.mark_served(tick)
        if not rows:
            return
        self.stats.slots_skipped += 1
        self._put(tick, rows)
        if reason != STOPPED:
            message = f"{self.source.name}: slots skipped so far: {self.stats.slots_skipped}"
            self.active_run.add_event_throttled(EventKind.SLOTS_SKIPPED, self.source.name, message)

    def _reason(self, tick: int, now_ns: int) -> str:
        """Return why a slot was not polled: what happened when it was over."""
        over_ns = self.schedule.due_ns(tick + 1)
        return STOPPED if over_ns > now_ns else self._reason_at(over_ns) or BUSY

    def _reason_at(self, ns: int) -> str | None:
        """Return what kept slots from being polled at a time; None: nothing did."""
        if self._poll.covers(ns):
            return HANGING if self._hanging else OVERRUN
        return SLOW_SINKS if self._wait.covers(ns) else None

    def _without_value(self, tick: int, status: Status, reason: str) -> list[Sample]:
        due = self.schedule.due_ns(tick)
        stamp = Stamp(due + self._watch.offset_at(due), None, due)
        return [missing_sample(channel, stamp, status, reason, responded=None) for channel in self._presence.at(due)]

    def _now(self) -> int:
        """Return the time until which slots need rows."""
        now, stopped = self.clock.monotonic_ns(), self.active_run.stopped_ns
        return now if stopped is None else min(now, stopped)

    # --- polls

    async def _listen(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end, tasks.cancel_scope)
            while not self.active_run.stopping:
                started = self.clock.monotonic_ns()
                samples = await self._take(list(self.source.channels))
                if samples and not self._finished:
                    self.stats.slots_polled += 1
                    self._put(None, samples)
                    await self.active_run.stream.wait_for_space()
                if all(sample.value is None for sample in samples):
                    await self.active_run.sleep_until(started + MIN_POLL_INTERVAL_SECONDS * NS)

    async def _end(self, scope: anyio.CancelScope) -> None:
        await self.active_run.sleep_until(self.end_ns)
        scope.cancel()

    async def _take(self, channels: list[Channel]) -> Sequence[Sample]:
        """Poll the source; whatever fails is a row."""
        try:
            if self.checked:
                return await self._poll_source()
            began = Began.now(self.clock)
            return self._check(await self._poll_source(), channels, began)
        except RiglogError as error:
            lost = isinstance(error, ConnectionLostError)  # of a source that does not reconnect; a Manager's do
            if lost or self.source.pace is Pace.DEVICE:
                await self.active_run.sleep_until(self.clock.monotonic_ns() + RETRY_SECONDS * NS)
            return missing(channels, error.message, self.clock, Status.SKIPPED if lost else Status.MISSING)
        except BaseException as error:
            if self.checked or not is_plugin_fault(error):
                raise
            problem = describe(error)
            self._report_problem(problem)
            if self.source.pace is Pace.DEVICE:
                await self.active_run.sleep_until(self.clock.monotonic_ns() + RETRY_SECONDS * NS)
            return missing(channels, f"{DRIVER_ERROR}: {problem}", self.clock)

    def _check(self, samples: object, channels: list[Channel], began: Began) -> Sequence[Sample]:
        """Check the samples of a source that no Manager has checked."""
        found = check_poll(samples, channels, self.source.pace, self.clock, began=began)
        if found.problems:
            self._report_problem("; ".join(found.problems))
        return found.samples

    def _report_problem(self, problem: str) -> None:
        if problem not in self._reported_problems and len(self._reported_problems) < MAX_REPORTED_PROBLEMS:
            self._reported_problems.add(problem)
            self._report(EventKind.DRIVER_FAILED, f"{DRIVER_ERROR}: {problem}", self.source.name)

    def _report(self, kind: EventKind, message: str, device: str | None = None) -> None:
        self.active_run.add_event(Event(self.clock.utc_ns(), kind, message, device))

    def _put(self, tick: int | None, samples: Sequence[Sample]) -> None:
        if samples:
            self._store(self._held.add(Batch(self.source.name, tick, samples), self.clock.monotonic_ns()))

    def _store(self, batches: Sequence[Batch]) -> None:
        """Put batches into the stream."""
        for batch in batches:
            self.active_run.put(batch)


class _Interval:
    """The last time something took; it may still be in progress."""

    def __init__(self) -> None:
        self.began_ns = 0
        self._ended_ns: int | None = 0

    def begin(self, now_ns: int) -> None:
        self.began_ns, self._ended_ns = now_ns, None

    def end(self, now_ns: int) -> None:
        self._ended_ns = now_ns

    @property
    def in_progress(self) -> bool:
        return self._ended_ns is None

    def covers(self, ns: int) -> bool:
        """Return True if a time that is over lies in it."""
        return self.began_ns < ns and (self._ended_ns is None or ns <= self._ended_ns)

    def seconds(self, now_ns: int) -> float:
        return (now_ns - self.began_ns) / NS

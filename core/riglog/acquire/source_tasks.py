"""The tasks of an active run: one for each source that is present, and what watches over them."""

from collections.abc import Sequence

import anyio
from anyio.abc import TaskGroup

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.clock_watch import STEP_NS, ClockWatch
from riglog.acquire.source_task import SourceTask
from riglog.device import AwaitingGroup, IdentifiedGroup, MaintainedSource, PollSource, SourceGroup
from riglog.model import NS, Event, EventKind, Run, this_actor

GRACE_SECONDS = 2.0
"""How long a poll that is in progress may take after the end of the run; then it is cancelled."""
WATCH_SECONDS = 1.0


class SourceTasks:
    """Polls the sources of a run until its end.

    Args:
        duration: seconds from now; None: no end.
        resumed_from: the run that is continued, whose slot 0 was due at ``slot_zero_ns`` (UTC).
        follows: for the event of the start: the run that this one follows, and why.
        reason: why it is recorded.
    """

    def __init__(
        self,
        active_run: ActiveRun,
        *,
        duration: float | None,
        names: Sequence[str] | None,
        resumed_from: Run | None,
        slot_zero_ns: int | None,
        follows: str | None,
        checked: bool,
        reason: str | None = None,
    ) -> None:
        self.active_run = active_run
        self.duration = duration
        self.names = names
        self.resumed_from = resumed_from
        self.slot_zero_ns = slot_zero_ns
        self.follows = follows
        self.checked = checked
        self.reason = reason
        self.actor = this_actor()  # takes some time: before the clock of the run starts
        self.clock = active_run.clock
        self.running: dict[PollSource, SourceTask] = {}
        self.watch = ClockWatch(self.clock)
        self.start_ns = 0
        self.end_ns: int | None = None

    async def run(self, source: PollSource | SourceGroup) -> None:
        """Start the clock of the run, and poll until its end."""
        try:
            if self.active_run.stopping:
                return
            since_ns = self._start()
            async with anyio.create_task_group() as watchers:
                async with anyio.create_task_group() as tasks:
                    watchers.start_soon(self._watch)
                    watchers.start_soon(self._finish_after_grace)
                    if isinstance(source, SourceGroup):
                        await self._follow(source, tasks, since_ns)
                    else:
                        self._update([source], tasks, since_ns)
                watchers.cancel_scope.cancel()
        finally:
            self.finish()
            self.active_run.summary.finished_ns = self.clock.utc_ns()

    def finish(self) -> None:
        """End all polling: every slot that was due has its row, and the stream is closed."""
        for task in self.running.values():
            task.finish()
        self.active_run.put_rest()
        self.active_run.stream.close()

    def check_clock(self) -> bool:
        """Report a step of the UTC clock. Return True if the schedule has moved.

        While the computer is suspended, the monotonic clock may stand still. Slots keep their times: those that were
        due meanwhile have no row, as between the end of a run and its resumption.
        """
        step_ns = self.watch.step_ns()
        if not step_ns:
            return False
        for task in self.running.values() if step_ns > 0 else ():
            task.before_step(self.watch.unrecorded_ns(step_ns))
        unrecorded_ns = self.watch.accept(step_ns)
        if unrecorded_ns:
            self.start_ns -= unrecorded_ns
            for task in self.running.values():
                task.after_step(unrecorded_ns)
            self.active_run.reschedule()
            self.active_run.summary.add_unrecorded(unrecorded_ns)
        message = f"system clock (UTC) stepped by {step_ns / NS:+.3f} s"
        if unrecorded_ns:
            message += ": the computer was suspended, or its clock was set; slots in between have no rows"
        self.active_run.add_event(Event(self.clock.utc_ns(), EventKind.CLOCK_STEP, message))
        return unrecorded_ns > 0

    def _start(self) -> int:
        """Start the clock. Return the time on the monotonic clock up to which slots do not count for this recording."""
        now, monotonic = self.clock.utc_ns(), self.clock.monotonic_ns()
        summary = self.active_run.summary
        summary.started_ns, summary.anchor_ns = now, monotonic
        self.start_ns = monotonic
        if self.duration is not None:
            self.end_ns = monotonic + round(self.duration * NS)
        if self.resumed_from is None:
            message = f"run started at {self.active_run.rate_hz:g} Hz"
            if self.follows is not None:
                message += f"; {self.follows}"
            self.active_run.add_event(self._begun(now, EventKind.RUN_STARTED, message))
            self._compare_with_run(now)
        else:
            elapsed = now - (self.resumed_from.started_ns if self.slot_zero_ns is None else self.slot_zero_ns)
            self.start_ns -= elapsed
            message = f"run resumed {elapsed / NS:.3f} s after its start; samples due in between are missing"
            self.active_run.add_event(self._begun(now, EventKind.RUN_RESUMED, message))
        return monotonic - 1

    def _compare_with_run(self, now_ns: int) -> None:
        """Report a step since the run was made known to its sinks, which take a while to open. It moves no slot."""
        run, before_ns = self.active_run.run, self.watch.offset_ns
        self.watch = ClockWatch(self.clock)
        if run is not None:
            before_ns = run.started_ns - run.anchor_ns
        step_ns = self.watch.offset_ns - before_ns
        if abs(step_ns) > STEP_NS:
            message = f"system clock (UTC) stepped by {step_ns / NS:+.3f} s before the first slot"
            self.active_run.add_event(Event(now_ns, EventKind.CLOCK_STEP, message))

    def _begun(self, at_ns: int, kind: EventKind, message: str) -> Event:
        return Event(at_ns, kind, message, actor=self.actor, reason=self.reason)

    def _update(self, sources: Sequence[PollSource], tasks: TaskGroup, since_ns: int) -> None:
        """Start a task for every new source, and finish those of removed sources.

        Slots that were due up to ``since_ns`` do not count for a new source.
        """
        wanted = [source for source in sources if source.channels or isinstance(source, MaintainedSource)]
        for removed in self.running.keys() - set(wanted):
            self.running.pop(removed).finish(removed=True)
        for source in wanted:
            if source in self.running:
                self.running[source].channels_changed()
                continue
            self.running[source] = task = SourceTask(
                source,
                self.active_run,
                self.watch,
                start_ns=self.start_ns,
                since_ns=since_ns,
                end_ns=self.end_ns,
                check_clock=self.check_clock,
                checked=self.checked,
            )
            tasks.start_soon(task.run)

    async def _follow(self, group: SourceGroup, tasks: TaskGroup, since_ns: int) -> None:
        """Update the tasks whenever the group changes, until the run ends; with an empty group, wait for a change."""
        async with anyio.create_task_group() as timer:
            timer.start_soon(self._end, timer.cancel_scope)
            if isinstance(group, AwaitingGroup):
                group.report_absences()
            while not group.closed:
                if isinstance(group, IdentifiedGroup):
                    self.active_run.note_identities(group.identities)
                self._update(group.sources(self.names), tasks, since_ns)
                await group.changed()
                since_ns = self.clock.monotonic_ns()
            self._update((), tasks, since_ns)
            timer.cancel_scope.cancel()

    async def _end(self, scope: anyio.CancelScope) -> None:
        await self.active_run.sleep_until(self.end_ns)
        scope.cancel()

    async def _finish_after_grace(self) -> None:
        await self.active_run.sleep_until(self.end_ns)
        await anyio.sleep(GRACE_SECONDS)
        self.finish()

    async def _watch(self) -> None:
        """Look at what no poll reports: a clock that steps, and polls that hang."""
        while True:
            await anyio.sleep(WATCH_SECONDS)
            self.check_clock()
            for task in self.running.values():
                task.check_hang()
            self.active_run.put_late()

"""Records a run: polls every source in a task of its own, at a steady rate, and puts the batches into one stream."""

import gc
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager

import anyio
from anyio.abc import TaskGroup

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.source_task import SourceTask
from riglog.acquire.summary import AcquisitionSummary
from riglog.device import IdentifiedGroup, PollSource, SourceGroup
from riglog.errors import ConfigError
from riglog.model import NS, SYSTEM_CLOCK, Clock, Event, EventKind, Run

GRACE_SECONDS = 2.0
"""How long a poll that is in progress may take after ``stop``; then it is cancelled."""
STEP_NS = NS // 2
"""A difference between the UTC clock and the monotonic clock of this size means that the UTC clock was set."""

_frozen_runs = 0  # number of active runs of this process


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
) -> AsyncIterator[ActiveRun]:
    """Poll a source at a steady rate; its samples are in the ``stream`` of the active run.

    Args:
        source: a device, or a group such as a Manager, whose sources are polled concurrently.
        rate_hz: polls per second, > 0. Slot n is due at start + n / rate_hz; skipped slots are rows with status
            skipped. A source with a rate of its own keeps it.
        duration: seconds; None: until ``stop`` or the end of the block.
        names: record only these devices.
        buffer_size: number of batches that the stream holds; then ``overflow`` decides.
        resumed_from: the run to resume: slots keep their numbers and times, ``duration`` counts from its start.
    Yields:
        An ActiveRun. ``stream`` iterates over batches: the samples of one poll of one source.
    Raises:
        ConfigError: an argument is out of range; nothing was sent.
    """
    for what, value in (("rate_hz", rate_hz), ("duration", duration), ("buffer_size", buffer_size)):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{what}: {value} must be greater than 0")
    if resumed_from is not None and resumed_from.rate_hz not in (None, rate_hz):
        raise ConfigError(
            f"cannot resume at {rate_hz:g} Hz: the run was recorded at {resumed_from.rate_hz:g} Hz",
            hint="Use the rate of the run, or start a new run",
        )
    failure: Exception | None = None
    with ExitStack() as stack:
        stack.enter_context(_frozen_heap())  # takes long in a large process: before the clock of the run starts
        summary = AcquisitionSummary(clock.utc_ns(), clock.monotonic_ns(), sources={}, channels={})
        active_run = ActiveRun(rate_hz, summary, BatchBuffer(buffer_size, overflow), clock)
        checked = isinstance(source, SourceGroup)
        if isinstance(source, SourceGroup):
            stack.callback(source.subscribe(active_run.add_event))
        start_ns = _start(active_run, resumed_from, clock)
        source_tasks = SourceTasks(active_run, duration, names, start_ns, resumed_from is not None, checked)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(source_tasks.run, source)
            try:
                yield active_run
            except Exception as error:  # raised as it is, not as a group of one
                failure = error
                tasks.cancel_scope.cancel()
            active_run.stop()
            active_run.stream.close()
    if failure is not None:
        raise failure


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Exclude the objects that exist now from garbage collection: traversing them is the largest source of jitter.

    If several runs are active in one process, the last one to end releases them.
    """
    global _frozen_runs
    gc.collect()
    gc.freeze()
    _frozen_runs += 1
    try:
        yield
    finally:
        _frozen_runs -= 1
        if not _frozen_runs:
            gc.unfreeze()


def _start(active_run: ActiveRun, resumed_from: Run | None, clock: Clock) -> int:
    """Add the event of the start; return when slot 0 is or was due, on the monotonic clock."""
    now, monotonic = clock.utc_ns(), clock.monotonic_ns()
    if resumed_from is None:
        active_run.add_event(Event(now, EventKind.RUN_STARTED, f"run started at {active_run.rate_hz:g} Hz"))
        return monotonic
    elapsed = now - resumed_from.started_ns
    message = f"run resumed {elapsed / NS:.3f} s after its start; samples due in between are missing"
    active_run.add_event(Event(now, EventKind.RUN_RESUMED, message))
    return monotonic - elapsed


class SourceTasks:
    """The tasks of an active run: one for each source that is present."""

    def __init__(
        self,
        active_run: ActiveRun,
        duration: float | None,
        names: Sequence[str] | None,
        start_ns: int,
        resumed: bool,
        checked: bool,
    ) -> None:
        self.active_run = active_run
        self.duration = duration
        self.names = names
        self.checked = checked
        self.clock = active_run.clock
        self.start_ns = start_ns
        self.since_ns = self.clock.monotonic_ns() if resumed else start_ns
        self.running: dict[PollSource, SourceTask] = {}

    async def run(self, source: PollSource | SourceGroup) -> None:
        try:
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(self._watch_clock)
                async with anyio.create_task_group() as tasks:
                    watchers.start_soon(self._cancel_after_grace)
                    if isinstance(source, SourceGroup):
                        await self._follow(source, tasks)
                    else:
                        self._update([source], tasks, self.since_ns)
                watchers.cancel_scope.cancel()
        finally:
            self.active_run.summary.finished_ns = self.clock.utc_ns()
            self.active_run.stream.close()

    def _update(self, sources: Sequence[PollSource], tasks: TaskGroup, since_ns: int) -> None:
        """Start a task for every new source, and cancel those of removed sources.

        Slots that were due before ``since_ns`` do not count for a new source.
        """
        wanted = [source for source in sources if source.channels]
        for removed in self.running.keys() - set(wanted):
            self.running.pop(removed).scope.cancel()
        for source in wanted:
            if source not in self.running:
                self.running[source] = task = SourceTask(
                    source,
                    self.active_run,
                    start_ns=self.start_ns,
                    duration=self.duration,
                    checked=self.checked,
                )
                tasks.start_soon(task.run, since_ns)

    async def _follow(self, group: SourceGroup, tasks: TaskGroup) -> None:
        """Update the tasks whenever the group changes, until the run ends; with an empty group, wait for a change."""
        end_ns = None if self.duration is None else self.start_ns + self.duration * NS
        since_ns = self.since_ns
        async with anyio.create_task_group() as timer:
            timer.start_soon(self._end_at, end_ns, timer.cancel_scope)
            while not group.closed:
                if isinstance(group, IdentifiedGroup):
                    self.active_run.note_identities(group.identities)
                self._update(group.sources(self.names), tasks, since_ns)
                await group.changed()
                since_ns = self.clock.monotonic_ns()
            self._update((), tasks, since_ns)
            timer.cancel_scope.cancel()

    async def _end_at(self, end_ns: float | None, scope: anyio.CancelScope) -> None:
        await self.active_run.sleep_until(end_ns)
        scope.cancel()

    async def _cancel_after_grace(self) -> None:
        await self.active_run.stopped()
        await anyio.sleep(GRACE_SECONDS)
        for task in self.running.values():
            task.scope.cancel()

    async def _watch_clock(self) -> None:
        """Add an event when the UTC clock is set: times before and after it cannot be compared."""
        clock = self.clock
        offset = clock.utc_ns() - clock.monotonic_ns()
        while True:
            await anyio.sleep(1.0)
            now = clock.utc_ns()
            moved = now - clock.monotonic_ns() - offset
            if abs(moved) > STEP_NS:
                offset += moved
                message = f"system clock (UTC) stepped by {moved / NS:+.3f} s"
                self.active_run.add_event(Event(now, EventKind.CLOCK_STEP, message))

"""Polls sources at a steady rate, each in its own task, and hands on what they say."""

import gc
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.abc import TaskGroup

from riglog.acquire.active_run import Recording
from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.source_task import SourceTask
from riglog.acquire.summary import AcquisitionSummary
from riglog.device import PollSource, SourceGroup
from riglog.errors import ConfigError
from riglog.model import NS, SYSTEM_CLOCK, Clock, Event, EventKind, Run

GRACE_SECONDS = 2.0
"""How long a poll that is under way may take to finish after ``stop``."""
STEP_NS = NS // 2
"""A UTC clock that moves this far against the monotonic one was set."""

_freezing = 0  # recordings that run in this process


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
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{what} must be greater than 0, not {value}")
    if resumed_from is not None and resumed_from.rate_hz not in (None, rate_hz):
        raise ConfigError(
            f"the run was recorded at {resumed_from.rate_hz:g} Hz; at {rate_hz:g} Hz its slots have other numbers",
            hint="resume it at its own rate, or begin a new run",
        )
    summary = AcquisitionSummary(clock.utc_ns(), clock.monotonic_ns(), sources={}, channels={})
    recording = Recording(rate_hz, summary, BatchBuffer(buffer_size, overflow), clock)
    unsubscribe = source.subscribe(recording.note) if isinstance(source, SourceGroup) else lambda: None
    start_ns = _begin(recording, resumed_from, clock)
    recorder = _Recorder(recording, duration, names, start_ns, resumed_from is not None)
    failure: Exception | None = None
    try:
        with _frozen_heap():
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
        unsubscribe()
    if failure is not None:
        raise failure


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """What is alive now stays alive: walking it again and again is the largest source of jitter.

    Of several recordings in one process, the last to end lets go.
    """
    global _freezing
    gc.collect()
    gc.freeze()
    _freezing += 1
    try:
        yield
    finally:
        _freezing -= 1
        if not _freezing:
            gc.unfreeze()


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
    """The tasks behind one recording: one for each source, as long as it is there."""

    def __init__(
        self,
        recording: Recording,
        duration: float | None,
        names: Sequence[str] | None,
        start_ns: int,
        resumed: bool,
    ) -> None:
        self.recording = recording
        self.duration = duration
        self.names = names
        self.clock = recording.clock
        self.start_ns = start_ns
        self.since_ns = self.clock.monotonic_ns() if resumed else start_ns
        self.running: dict[PollSource, SourceTask] = {}

    async def run(self, source: PollSource | SourceGroup) -> None:
        try:
            async with anyio.create_task_group() as around:
                around.start_soon(self._watch_clock)
                async with anyio.create_task_group() as tasks:
                    around.start_soon(self._cut_off)
                    if isinstance(source, SourceGroup):
                        await self._follow(source, tasks)
                    else:
                        self._join([source], tasks, self.since_ns)
                around.cancel_scope.cancel()
        finally:
            self.recording.summary.finished_ns = self.clock.utc_ns()
            self.recording.stream.close()

    def _join(self, sources: Sequence[PollSource], tasks: TaskGroup, since_ns: int) -> None:
        """Start a task for every source that has none, and end those whose source is gone.

        Slots that were due before ``since_ns`` are not a new source's.
        """
        wanted = [source for source in sources if source.channels]
        for gone in self.running.keys() - set(wanted):
            self.running.pop(gone).scope.cancel()
        for source in wanted:
            if source not in self.running:
                self.running[source] = polling = SourceTask(
                    source, self.recording, start_ns=self.start_ns, duration=self.duration
                )
                tasks.start_soon(polling.run, since_ns)

    async def _follow(self, group: SourceGroup, tasks: TaskGroup) -> None:
        """Start and end tasks as sources come and go, until the recording is over; without any it waits for some."""
        end_ns = None if self.duration is None else self.start_ns + self.duration * NS
        since_ns = self.since_ns
        async with anyio.create_task_group() as until:
            until.start_soon(self._end_at, end_ns, until.cancel_scope)
            while not group.closed:
                self._join(group.sources(self.names), tasks, since_ns)
                await group.changed()
                since_ns = self.clock.monotonic_ns()
            self._join((), tasks, since_ns)
            until.cancel_scope.cancel()

    async def _end_at(self, end_ns: float | None, scope: anyio.CancelScope) -> None:
        await self.recording.sleep_until(end_ns)
        scope.cancel()

    async def _cut_off(self) -> None:
        await self.recording.stopped()
        await anyio.sleep(GRACE_SECONDS)
        for polling in self.running.values():
            polling.scope.cancel()

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

"""Records a run: polls every source in a task of its own, at a steady rate, and puts the batches into one stream."""

import gc
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager

import anyio

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.buffer import BatchBuffer, Overflow
from riglog.acquire.plain_source import Pollable, with_channels
from riglog.acquire.selected import selected
from riglog.acquire.source_tasks import SourceTasks
from riglog.acquire.summary import AcquisitionSummary
from riglog.device import PollSource, SourceGroup
from riglog.errors import ConfigError
from riglog.model import SYSTEM_CLOCK, Clock, Run, checked_reason

_frozen_runs = 0  # number of active runs of this process


@asynccontextmanager
async def record(
    source: PollSource | SourceGroup | Pollable,
    *,
    rate_hz: float,
    duration: float | None = None,
    names: Sequence[str] | None = None,
    parameters: Sequence[str] | None = None,
    instances: Sequence[int] | None = None,
    overflow: Overflow = Overflow.BLOCK,
    buffer_size: int = 64,
    resumed_from: Run | None = None,
    slot_zero_ns: int | None = None,
    follows: str | None = None,
    reason: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[ActiveRun]:
    """Poll a source at a steady rate; its samples are in the ``stream`` of the active run.

    Args:
        source: a device, or a group such as a Manager, whose sources are polled concurrently. An object that has only
            ``poll`` is polled once to learn its channels.
        rate_hz: polls per second, > 0. Slot n is due at start + n / rate_hz; skipped slots are rows with status
            skipped. A source with a rate of its own keeps it.
        duration: seconds from now; None: until ``stop`` or the end of the block.
        names: record only these devices.
        parameters, instances: record only the channels with these names (``level``, ``level[2]``) and instance numbers.
        buffer_size: number of batches that the stream holds; then ``overflow`` decides.
        resumed_from: the run to resume: slots keep their numbers and times.
        slot_zero_ns: when slot 0 of that run was due (UTC); None: at its ``started_ns``.
        follows: for the event of the start, if this run follows another one that cannot be resumed: which, and why.
        reason: why it is recorded; it is stored with the start, with the user, the program and the computer.
    Yields:
        An ActiveRun. ``async for batch in active_run`` iterates over batches: the samples of one poll of one source.
    Raises:
        ConfigError: an argument is out of range, no channel has a given name, the run cannot be resumed, or
            ``reason`` is empty or too long; nothing was sent.
    """
    for what, value in (("rate_hz", rate_hz), ("duration", duration), ("buffer_size", buffer_size)):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{what}: {value} must be greater than 0")
    if resumed_from is not None and resumed_from.rate_hz not in (None, rate_hz):
        raise ConfigError(
            f"cannot resume at {rate_hz:g} Hz: the run was recorded at {resumed_from.rate_hz:g} Hz",
            hint="Use the rate of the run, or start a new run",
        )
    if resumed_from is not None and clock.utc_ns() < (slot_zero_ns or resumed_from.started_ns):
        raise ConfigError(
            "cannot resume: the system clock (UTC) is behind the start of the run",
            hint="Set the clock, or start a new run",
        )
    source = selected(await with_channels(source), parameters, instances)
    failure: Exception | None = None
    with ExitStack() as stack:
        stack.enter_context(_frozen_heap())  # takes long in a large process: before the clock of the run starts
        summary = AcquisitionSummary(clock.utc_ns(), clock.monotonic_ns(), sources={}, channels={})
        active_run = ActiveRun(rate_hz, summary, BatchBuffer(buffer_size, overflow), clock)
        checked = isinstance(source, SourceGroup)
        if isinstance(source, SourceGroup):
            stack.callback(source.subscribe(active_run.add_event))
        source_tasks = SourceTasks(
            active_run,
            duration=duration,
            names=names,
            resumed_from=resumed_from,
            slot_zero_ns=slot_zero_ns,
            follows=follows,
            reason=checked_reason(reason),
            checked=checked,
        )
        active_run.end_polling = source_tasks.finish
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(source_tasks.run, source)  # the clock starts when the block waits for the first time
                try:
                    yield active_run
                except Exception as error:  # raised as it is, not as a group of one
                    failure = error
                    tasks.cancel_scope.cancel()
                active_run.stop()
                active_run.stream.close()
        except anyio.get_cancelled_exc_class():
            if failure is None:
                raise
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

"""Connects an active run to its sinks.

Each sink has a task of its own, and is written to when enough samples are buffered or the flush interval has elapsed. A
failing sink does not affect the others.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.sink_writer import SamplesLostError, SinkResult, SinkWriter
from riglog.model import SYSTEM_CLOCK, Batch, Clock, Event, EventKind, Run, Sink

CLOSE_TIMEOUT_SECONDS = 5.0
MAX_DELIVERY_SECONDS = 1.0
"""What other programs send to the recording is looked for with every flush, and at least so often."""
MOST_ROUNDS = 10
"""Each round stores the events about the round before. A sink that fails in every second write would never end it."""
UNAVAILABLE_HINT = "Free disk space or repair the storage, then resume the run (`riglog record … --resume`)"
REJECTED_HINT = "Correct the driver: its samples have values that cannot be stored. All other samples are stored"


class OpenSinks:
    """Sinks that are open, until a pipe takes them over: it closes them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._sinks: list[Sink] = []

    async def open(self, sink: Sink) -> None:
        await sink.open(self.run)
        self._sinks.append(sink)

    def take(self) -> list[Sink]:
        taken, self._sinks = self._sinks, []
        return taken


@asynccontextmanager
async def open_sinks(*sinks: Sink, run: Run) -> AsyncIterator[OpenSinks]:
    """Open sinks for ``store``; those that it does not take over are closed at the end of the block.

    Raises:
        StorageError: a sink could not be opened; nothing was stored.
    """
    opened = OpenSinks(run)
    try:
        for sink in sinks:
            await opened.open(sink)
        yield opened
    finally:
        with anyio.CancelScope(shield=True):
            for sink in opened.take():
                with suppress(Exception):  # nothing was written to it
                    await sink.aclose()


async def pipe(
    active_run: ActiveRun,
    *sinks: Sink,
    run: Run,
    batch_size: int = 512,
    flush_interval: float = 1.0,
    buffer_size: int = 100_000,
    close_timeout: float = CLOSE_TIMEOUT_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> list[SinkResult]:
    """Open the sinks, and store the samples and events of a run until its stream ends.

    If cancelled, stop polling, store what was received, then propagate the cancellation.

    Args:
        batch_size: number of buffered samples at which a sink is written to immediately.
        flush_interval: seconds after which buffered samples are written; the most that a power failure can cost.
        buffer_size: number of samples buffered for a failing sink; further samples are lost to this sink and counted.
        close_timeout: seconds during which a failing sink is retried at the end of the run.
    Returns:
        One result per sink.
    Raises:
        StorageError: a sink could not be opened; nothing was stored.
        SamplesLostError: a sink did not store all samples, also if cancelled. The other sinks have all of them.
    """
    async with open_sinks(*sinks, run=run) as opened:
        return await store(
            active_run,
            opened,
            batch_size=batch_size,
            flush_interval=flush_interval,
            buffer_size=buffer_size,
            close_timeout=close_timeout,
            clock=clock,
        )


async def store(
    active_run: ActiveRun,
    sinks: OpenSinks,
    *,
    batch_size: int = 512,
    flush_interval: float = 1.0,
    buffer_size: int = 100_000,
    close_timeout: float = CLOSE_TIMEOUT_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> list[SinkResult]:
    """Do what ``pipe`` does, with sinks that are open: opening them takes no time from the first slots."""
    writers = [
        SinkWriter(
            sink,
            add_event=active_run.add_event,
            batch_size=batch_size,
            flush_interval=flush_interval,
            buffer_size=buffer_size,
            close_timeout=close_timeout,
            clock=clock,
        )
        for sink in sinks.take()
    ]
    try:
        async with anyio.create_task_group() as tasks:
            for writer in writers:
                tasks.start_soon(writer.run)
            tasks.start_soon(_deliver_steadily, active_run, writers, min(flush_interval, MAX_DELIVERY_SECONDS))
            try:
                await _feed(active_run, writers)
            finally:
                active_run.stream.pass_on = None
                active_run.abort()  # before a write in progress is finished: nothing is polled after a cancellation
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _deliver(active_run, writers)
            if active_run.before_end is not None:
                await active_run.before_end()
            active_run.add_event(Event(clock.utc_ns(), EventKind.RUN_FINISHED, _run_finished_message(active_run)))
            _enqueue(active_run, active_run.stream.drain(), writers)
            await _close(active_run, writers)
        results = [writer.result for writer in writers]
        _raise_if_incomplete(results)  # also when cancelled
    return results


async def _close(active_run: ActiveRun, writers: Sequence[SinkWriter]) -> None:
    """Write the rest and close: failing sinks first, so that the others have the events about them."""
    await _write_rest(active_run, writers)
    while failing := [writer for writer in writers if writer.failing]:
        await _side_by_side([writer.close for writer in failing])
        writers = [writer for writer in writers if writer not in failing]
        await _write_rest(active_run, writers)
    await _side_by_side([writer.close for writer in writers])


async def _write_rest(active_run: ActiveRun, writers: Sequence[SinkWriter]) -> None:
    """Write what is buffered, and the events about that, such as that a sink is writing again."""
    for _ in range(MOST_ROUNDS):
        await _side_by_side([writer.write_rest for writer in writers])
        events = active_run.take_events()
        if not events:
            break
        for writer in writers:
            writer.enqueue((), events)


async def _side_by_side(calls: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> None:
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(call)


def _raise_if_incomplete(results: list[SinkResult]) -> None:
    incomplete = [result for result in results if result.lost or not result.closed]
    if not incomplete:
        return
    rejected = all(result.closed and result.lost == result.samples_set_aside for result in incomplete)
    hint = REJECTED_HINT if rejected else UNAVAILABLE_HINT
    problems = "; ".join(map(_problem, incomplete))
    raise SamplesLostError(f"not all samples were stored: {problems}", hint=hint, results=results)


async def _feed(active_run: ActiveRun, writers: Sequence[SinkWriter]) -> None:
    """Pass every batch to every writer until the stream ends, or all buffers are full and no sink can store."""

    def pass_on(batch: Batch) -> bool:
        for writer in writers:
            if not writer.idle:
                return False  # a source that never waits must let the sinks write
        _enqueue(active_run, (batch,), writers)
        return True

    active_run.stream.pass_on = pass_on if writers else None
    while batches := await active_run.stream.next_batches():
        _enqueue(active_run, batches, writers)
        for writer in writers:
            await writer.wait_for_space()
        if writers and all(writer.overflowed for writer in writers):
            active_run.stop()


async def _deliver_steadily(active_run: ActiveRun, writers: Sequence[SinkWriter], interval: float) -> None:
    while True:
        await anyio.sleep(interval)
        await _deliver(active_run, writers)


async def _deliver(active_run: ActiveRun, writers: Sequence[SinkWriter]) -> None:
    """Take in what other programs have sent to the recording; it is stored with the next flush."""
    for writer in writers:
        for message in await writer.incoming():
            active_run.deliver(message)
    _enqueue(active_run, (), writers)


def _enqueue(active_run: ActiveRun, batches: Sequence[Batch], writers: Sequence[SinkWriter]) -> None:
    events = active_run.take_events()
    for writer in writers:
        writer.enqueue(batches, events)


def _run_finished_message(active_run: ActiveRun) -> str:
    summary = active_run.summary
    return (
        f"run finished: {summary.samples} samples, {summary.samples_missing_or_skipped} missing or skipped,"
        f" {summary.slots_skipped} slots skipped"
    )


def _problem(result: SinkResult) -> str:
    rejected = "".join(f", {each.samples} of them rejected from {each.device}" for each in result.set_aside)
    if not result.lost:
        return f"{result.name}: all samples were written, but the end of the recording is not safe: {result.error}"
    return f"{result.name}: {result.lost} samples lost{rejected}, last error: {result.error or result.warning}"

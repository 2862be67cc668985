"""Connects an active run to its sinks.

Each sink has a task of its own, and is written to when enough samples are buffered or the flush interval has elapsed. A
failing sink does not affect the others.
"""

from collections.abc import Sequence

import anyio

from riglog.acquire.active_run import ActiveRun
from riglog.acquire.sink_writer import SinkResult, SinkWriter
from riglog.errors import StorageError
from riglog.model import SYSTEM_CLOCK, Batch, Clock, Event, EventKind, Run, Sink

CLOSE_TIMEOUT_SECONDS = 5.0
UNAVAILABLE_HINT = "Free disk space or repair the storage, then resume the run (`riglog record … --resume`)"
REJECTED_HINT = "Correct the driver: its samples have values that cannot be stored. All other samples are stored"


async def pipe(
    active_run: ActiveRun,
    *sinks: Sink,
    run: Run,
    batch_size: int = 64,
    flush_interval: float = 1.0,
    buffer_size: int = 100_000,
    close_timeout: float = CLOSE_TIMEOUT_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> list[SinkResult]:
    """Store the samples and events of a run until its stream ends.

    If cancelled, store what was received, then propagate the cancellation.

    Args:
        batch_size: number of buffered samples at which a sink is written to immediately.
        flush_interval: seconds after which buffered samples are written; the most that a power failure can cost.
        buffer_size: number of samples buffered for a failing sink; further samples are lost to this sink and counted.
        close_timeout: seconds during which a failing sink is retried at the end of the run.
    Returns:
        One result per sink.
    Raises:
        StorageError: a sink could not be opened (nothing was stored), or samples were not stored by a sink (the other
            sinks have all of them).
    """
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
        for sink in sinks
    ]
    opened: list[SinkWriter] = []
    try:
        for writer in writers:
            await writer.sink.open(run)
            opened.append(writer)
        async with anyio.create_task_group() as tasks:
            for writer in writers:
                tasks.start_soon(writer.run)
            await _feed(active_run, writers)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            active_run.add_event(Event(clock.utc_ns(), EventKind.RUN_FINISHED, _run_finished_message(active_run)))
            _enqueue(active_run, active_run.stream.drain(), opened)
            async with anyio.create_task_group() as closing:
                for writer in opened:
                    closing.start_soon(writer.close)
    results = [writer.result for writer in writers]
    if incomplete := [result for result in results if result.lost or not result.closed]:
        rejected = all(result.closed and result.lost == result.samples_set_aside for result in incomplete)
        hint = REJECTED_HINT if rejected else UNAVAILABLE_HINT
        raise StorageError(f"not all samples were stored: {'; '.join(map(_problem, incomplete))}", hint=hint)
    return results


async def _feed(active_run: ActiveRun, writers: Sequence[SinkWriter]) -> None:
    """Pass every batch to every writer until the stream ends, or all buffers are full and no sink can store."""
    while batches := await active_run.stream.next_batches():
        _enqueue(active_run, batches, writers)
        for writer in writers:
            await writer.wait_for_space()
        if writers and all(writer.overflowed for writer in writers):
            active_run.stop()


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
    return f"{result.name}: {result.lost} samples lost{rejected}, last error: {result.error}"

"""From a recording into sinks: flushed by size and by a timer, each sink in its own task and with its own trouble."""

from collections.abc import Sequence

import anyio

from riglog.acquire.active_run import Recording
from riglog.acquire.sink_writer import SinkResult, Writer
from riglog.errors import StorageError
from riglog.model import SYSTEM_CLOCK, Batch, Clock, Event, EventKind, Run, Sink

PATIENCE = 5.0
"""Seconds a sink that cannot store gets at the end of a recording before its samples are given up."""


async def pipe(
    recording: Recording,
    *sinks: Sink,
    run: Run,
    batch_size: int = 64,
    flush_interval: float = 1.0,
    buffer_size: int = 100_000,
    patience: float = PATIENCE,
    clock: Clock = SYSTEM_CLOCK,
) -> list[SinkResult]:
    """Store everything a recording says, until its stream ends. A cancel stores what was taken, then goes on.

    Args:
        batch_size: samples after which a sink writes at once.
        flush_interval: seconds after which it writes whatever there is; what a power cut can cost.
        buffer_size: samples a sink that cannot store may have waiting; then new ones are lost to it, and counted.
        patience: seconds it may go on trying when the recording is over.
    Returns:
        One result per sink.
    Raises:
        StorageError: a sink could not be opened (nothing was stored), or lost samples (the others have all of them).
    """
    writers = [Writer(sink, batch_size, flush_interval, buffer_size, patience, recording.note, clock) for sink in sinks]
    opened: list[Writer] = []
    try:
        for writer in writers:
            await writer.sink.open(run)
            opened.append(writer)
        async with anyio.create_task_group() as tasks:
            for writer in writers:
                tasks.start_soon(writer.run)
            await _feed(recording, writers)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            recording.note(Event(clock.utc_ns(), EventKind.RUN_FINISHED, _last_words(recording)))
            _offer(recording, recording.stream.drain(), opened)
            async with anyio.create_task_group() as closing:
                for writer in opened:
                    closing.start_soon(writer.close)
    results = [writer.result for writer in writers]
    if lost := [result for result in results if result.lost or not result.closed]:
        told = "; ".join(f"{result.name}: {result.lost} samples lost ({result.error})" for result in lost)
        raise StorageError(
            f"not everything could be stored: {told}", hint="free the disk or mend the store, then resume"
        )
    return results


async def _feed(recording: Recording, writers: Sequence[Writer]) -> None:
    """Hand every batch to every writer until the stream ends or nobody can store any more."""
    while batches := await recording.stream.take():
        _offer(recording, batches, writers)
        for writer in writers:
            await writer.space()
        if writers and all(writer.result.lost for writer in writers):
            recording.stop()


def _offer(recording: Recording, batches: Sequence[Batch], writers: Sequence[Writer]) -> None:
    events = recording.take_events()
    for writer in writers:
        writer.offer(batches, events)


def _last_words(recording: Recording) -> str:
    told = recording.summary
    return f"{told.samples} samples, {told.samples_missing} missing, {told.ticks_missed} slots passed over"

"""One flush of a sink's buffer. If the sink rejects the data, the rejected samples are found by bisection.

An error about the storage or the computer (StorageError, OSError, no memory, no more threads) ends the flush: the sink
is unavailable, and what is not stored is written again later. Any other error is about the data: the buffer is then
written in halves, the halves in quarters, and so on, down to single samples. What fails alone while other samples are
stored is rejected: it would fail for ever.
If nothing can be stored, it is undecided whether the data or the sink is at fault, and all is written again later.
"""

from collections.abc import Iterator, Sequence

from riglog.errors import RiglogError, is_without_threads
from riglog.model import Batch, Event, Sink

MAX_FAILED_WRITES = 500
"""Failed writes after which a flush that has stored nothing ends: otherwise each retry would try every sample."""


class Flush:
    """The outcome of one flush: what was written, what was rejected and why, and what is left because of ``error``."""

    def __init__(self, sink: Sink) -> None:
        self.samples_written = 0
        self.batches_rejected: list[tuple[Batch, Exception]] = []
        self.events_rejected: list[tuple[Event, Exception]] = []
        self.batches_left: list[Batch] = []
        self.events_left: list[Event] = []
        self.error: Exception | None = None
        self.undecided = False
        self._sink = sink
        self._events_written = 0
        self._failed_writes = 0

    async def run(self, batches: Sequence[Batch], events: Sequence[Event], *, final: bool = False) -> None:
        """Write batches and events. Errors of the sink are not raised.

        Args:
            final: it is the last attempt: what fails alone is rejected although nothing else can be stored.
        """
        await self._write(batches, events)
        if final:
            return
        if self.batches_rejected and not self.samples_written:  # that events were stored proves little: sinks may
            self.error = self.error or self.batches_rejected[0][1]  # ignore them
            self.batches_left, self.batches_rejected = list(batches), []
            self.undecided = True
        if self.events_rejected and not (self.samples_written or self._events_written):
            self.error = self.error or self.events_rejected[0][1]
            self.events_left, self.events_rejected = list(events), []
            self.undecided = True

    async def _write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        if self.error is None:
            try:
                await self._sink.write(batches, events)
            except Exception as error:
                if not _makes_unavailable(error):
                    await self._write_parts(batches, events, error)
                    return
                self.error = error
            else:
                self.samples_written += sum(len(batch.samples) for batch in batches)
                self._events_written += len(events)
                return
        self.batches_left += batches
        self.events_left += events

    async def _write_parts(self, batches: Sequence[Batch], events: Sequence[Event], error: Exception) -> None:
        self._failed_writes += 1
        if self._failed_writes > MAX_FAILED_WRITES and not self.samples_written:
            self.error = error
        parts = list(_halves(batches, events))
        for part in parts:
            await self._write(*part)
        if not parts:
            self.batches_rejected += [(batch, error) for batch in batches if batch.samples]
            self.events_rejected += [(event, error) for event in events]


def _makes_unavailable(error: Exception) -> bool:
    if isinstance(error, RuntimeError):
        return is_without_threads(error)
    return isinstance(error, RiglogError | OSError | MemoryError)


def _halves(batches: Sequence[Batch], events: Sequence[Event]) -> Iterator[tuple[Sequence[Batch], Sequence[Event]]]:
    """Split what was written together; nothing for a single sample or event."""
    if batches and events:
        yield (), events
        yield batches, ()
    elif len(events) > 1:
        yield (), events[: len(events) // 2]
        yield (), events[len(events) // 2 :]
    elif len(batches) > 1:
        yield batches[: len(batches) // 2], ()
        yield batches[len(batches) // 2 :], ()
    elif batches and len(samples := batches[0].samples) > 1:
        for part in (samples[: len(samples) // 2], samples[len(samples) // 2 :]):
            yield [Batch(batches[0].source, batches[0].tick, part)], ()

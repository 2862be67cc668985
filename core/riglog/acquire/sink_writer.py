"""One sink at work: what waits for it, when it writes, and what happens when it cannot."""

from collections.abc import Callable, Sequence

import anyio
from msgspec import Struct

from riglog.errors import RiglogError, StorageError
from riglog.model import Batch, Clock, Event, EventKind, Sink

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)


class SinkResult(Struct):
    """What became of the samples of one sink. ``error`` is the last trouble it had, also if it got over it."""

    name: str
    written: int = 0
    lost: int = 0
    error: Exception | None = None
    closed: bool = False
    remark: str | None = None


class Writer:
    """Collects batches for a sink and writes them when there are enough of them or time is up.

    What waits is bounded: while the sink is merely slow, whoever offers is asked to wait (``space``); while it fails,
    nobody waits for it, and what does not fit is lost to it and counted.
    """

    def __init__(
        self,
        sink: Sink,
        batch_size: int,
        flush_interval: float,
        buffer_size: int,
        patience: float,
        note: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self.sink = sink
        self.result = SinkResult(sink.name)
        self._batch_size = batch_size
        self._flush_interval = flush_interval
        self._buffer_size = buffer_size
        self._patience = patience
        self._note = note
        self._clock = clock
        self._batches: list[Batch] = []
        self._events: list[Event] = []
        self._waiting = 0  # samples in _batches
        self._failures = 0  # in a row
        self._changed = anyio.Event()

    def offer(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        """Take batches and events; what does not fit while the sink fails is lost to it."""
        self._events += events
        for batch in batches:
            if self._failures and self._waiting + len(batch.samples) > self._buffer_size:
                self.result.lost += len(batch.samples)
                continue
            self._batches.append(batch)
            self._waiting += len(batch.samples)
        self._wake()

    async def space(self) -> None:
        """Wait while the sink is slow and too much is waiting already."""
        while self._waiting > self._buffer_size and not self._failures:
            await self._changed.wait()

    async def run(self) -> None:
        """Write whenever there is enough, or old enough, until cancelled. A write that has begun is finished."""
        while True:
            with anyio.move_on_after(self._flush_interval):
                while self._waiting < self._batch_size:
                    await self._changed.wait()
            if not await self._flush():
                await anyio.sleep(RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1])

    async def close(self) -> None:
        """Write what is left, trying for as long as patience lasts, and close the sink."""
        deadline = anyio.current_time() + self._patience
        while not await self._flush() and anyio.current_time() < deadline:
            await anyio.sleep(RETRY_SECONDS[0])
        self.result.lost += self._waiting
        try:
            await self.sink.aclose()
            self.result.closed = True
            self.result.remark = self.sink.remark
        except Exception as error:
            self.result.error = error

    async def _flush(self) -> bool:
        """Write all that waits; False if the sink could not."""
        if not self._batches and not self._events:
            return True
        batches, events, samples = list(self._batches), list(self._events), self._waiting
        try:
            with anyio.CancelScope(shield=True):
                await self.sink.write(batches, events)
        except Exception as error:
            self._failed(error)
            return False
        del self._batches[: len(batches)], self._events[: len(events)]
        self._waiting -= samples
        self.result.written += samples
        if self._failures:
            self._failures = 0
            self._tell(EventKind.SINK_BACK, f"sink {self.sink.name} stores again; nothing that waited was lost")
        self._wake()
        return True

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, RiglogError):
            error = StorageError(f"sink {self.sink.name} failed: {type(error).__name__}: {error}")
        self.result.error = error
        self._failures += 1
        if self._failures == 1:
            self._tell(EventKind.SINK_FAILED, f"sink {self.sink.name}: {error}; samples wait in memory")
        self._wake()

    def _tell(self, kind: EventKind, message: str) -> None:
        self._note(Event(self._clock.utc_ns(), kind, message))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

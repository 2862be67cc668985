"""The writer of one sink: buffers batches, flushes them, retries after errors, sets aside what the sink rejects."""

from collections.abc import Callable, Sequence

import anyio
from msgspec import Struct, field

from riglog.acquire.active_run import MAX_EVENTS
from riglog.acquire.flush import Flush
from riglog.errors import MEMORY_HINT, RiglogError, StorageError, describe
from riglog.log import get_logger
from riglog.model import Batch, Clock, Event, EventKind, Message, Sink, storable

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
log = get_logger("riglog.acquire")


class SetAside(Struct):
    """Samples of one device that a sink rejects; they are not written again. ``error`` is the newest reason."""

    device: str
    samples: int
    error: str


class SinkResult(Struct):
    """What a sink has stored.

    Attributes:
        written: number of samples stored.
        lost: number of samples not stored: those that did not fit into the buffer while the sink failed, those left at
            the end, those set aside, and those that were deleted together with the file.
        set_aside: the part of ``lost`` that the sink rejected, one entry per device.
        error: the last error, also if the sink has recovered from it.
        closed: the sink was closed without an error.
        warning: what the user should know although no sample was lost.
        head: the newest seal of what was stored, hexadecimal; None: the sink has no seals.
    """

    name: str
    written: int = 0
    lost: int = 0
    set_aside: list[SetAside] = field(default_factory=list)
    error: Exception | None = None
    closed: bool = False
    warning: str | None = None
    head: str | None = None

    @property
    def samples_set_aside(self) -> int:
        return sum(each.samples for each in self.set_aside)


class SamplesLostError(StorageError):
    """At least one sink did not store all samples. ``results`` has one result per sink."""

    def __init__(self, message: str, /, *, results: list[SinkResult], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.results = results


class SinkWriter:
    """Buffers batches for a sink and writes them when the batch size or the flush interval is reached.

    The buffer is bounded. A slow sink delays the producer (``wait_for_space``). A failing sink delays nothing: samples
    that do not fit into its buffer are lost to this sink, and counted. Samples that the sink rejects while it stores
    others are set aside, and counted by device.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        add_event: Callable[[Event], None],
        batch_size: int,
        flush_interval: float,
        buffer_size: int,
        close_timeout: float,
        clock: Clock,
    ) -> None:
        self.sink = sink
        self.result = SinkResult(sink.name)
        self.overflowed = False
        """Samples were lost because the buffer was full, and the sink has not recovered since."""
        self._add_event = add_event
        self._batch_size = min(batch_size, buffer_size)  # a full buffer is written, not waited for
        self._flush_interval = flush_interval
        self._buffer_size = buffer_size
        self._close_timeout = close_timeout
        self._clock = clock
        self._batches: list[Batch] = []
        self._events: list[Event] = []
        self._buffered = 0  # samples in _batches
        self._failures = 0  # consecutive
        self._warning = sink.warning  # reported already
        self._undecided = False  # whether the sink rejects all that is buffered, or is unavailable
        self._retried_until: float | None = None  # at the end of the run
        self._changed = anyio.Event()
        self._inbox_problems: set[str] = set()  # reported already

    @property
    def failing(self) -> bool:
        """True if the last write failed."""
        return self._failures > 0

    def enqueue(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        """Add batches and events to the buffer. While the sink fails, samples that do not fit are lost."""
        self._events += events
        for batch in batches:
            if self._failures and self._buffered + len(batch.samples) > self._buffer_size:
                self.result.lost += len(batch.samples)
                self.overflowed = True
                continue
            self._batches.append(batch)
            self._buffered += len(batch.samples)
        if self._buffered >= self._batch_size:  # waking the writer costs more than all that is done here
            self._notify()

    @property
    def idle(self) -> bool:
        """True if there is too little to write, and nothing that failed."""
        return self._buffered < self._batch_size and not self._failures

    async def incoming(self) -> Sequence[Message]:
        """Return what other programs have sent to the recording; none if that cannot be read now."""
        try:
            return await self.sink.incoming()
        except Exception as error:
            problem = describe(error)
            if problem not in self._inbox_problems:
                self._inbox_problems.add(problem)
                log.warning("sink %s: messages of other programs cannot be read: %s", self.sink.name, problem)
            return ()

    async def wait_for_space(self) -> None:
        """Wait while the sink is slow and its buffer is full."""
        while self._buffered > self._buffer_size and not self._failures:
            await self._changed.wait()

    async def run(self) -> None:
        """Flush at the batch size and at the flush interval, until cancelled. A write in progress is finished."""
        while True:
            with anyio.move_on_after(self._flush_interval):
                while self._buffered < self._batch_size:
                    await self._changed.wait()
            if not await self.flush():
                await anyio.sleep(RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1])

    async def write_rest(self) -> None:
        """Write what is buffered, retrying until the close timeout has passed since the first call."""
        if self._retried_until is None:
            self._retried_until = anyio.current_time() + self._close_timeout
        while not await self.flush() and anyio.current_time() < self._retried_until:
            await anyio.sleep(RETRY_SECONDS[0])

    async def close(self) -> None:
        """Write the rest, retrying until the close timeout, and close the sink."""
        await self.write_rest()
        if self._undecided:
            await self.flush(final=True)
        self.result.lost += self._buffered
        if self._buffered:
            lost = self.result.lost - self.result.samples_set_aside
            message = f"sink {self.sink.name}: {lost} samples lost, last error: {self.result.error}"
            self._report(EventKind.SINK_FAILED, message)
        try:
            await self.sink.aclose()
            self.result.closed = True
            self.result.warning = self.sink.warning
            self.result.head = self.sink.newest_seal
        except Exception as error:
            self.result.error = error
        self.result.written -= self.sink.samples_deleted
        self.result.lost += self.sink.samples_deleted

    async def flush(self, *, final: bool = False) -> bool:
        """Write everything buffered. Return False if something has to be written again."""
        if not self._batches and not self._events:
            return True
        batches, events = list(self._batches), list(self._events)
        flush = Flush(self.sink)
        with anyio.CancelScope(shield=True):
            await flush.run(batches, events, final=final)
        self._batches[: len(batches)], self._events[: len(events)] = flush.batches_left, flush.events_left
        if len(self._events) > MAX_EVENTS:
            log.warning("sink %s: %d events lost", self.sink.name, len(self._events) - MAX_EVENTS)
            del self._events[:-MAX_EVENTS]
        self._buffered = sum(len(batch.samples) for batch in self._batches)
        self._undecided = flush.undecided
        self.result.written += flush.samples_written
        self._set_aside(flush)
        if flush.error is not None:
            self._failed(flush.error)
        elif self._failures:
            self._recovered()
        if self.sink.warning != self._warning:
            self._warning = self.sink.warning
            self._report(self.sink.warning_kind, f"sink {self.sink.name}: {self._warning}")
        self._notify()
        return flush.error is None

    def _set_aside(self, flush: Flush) -> None:
        """Count what the sink rejects. One event and one line in the log for each device."""
        for batch, error in flush.batches_rejected:
            device, reason = batch.samples[0].device, describe(error)
            self.result.lost += len(batch.samples)
            self.result.error = StorageError(f"samples rejected: {reason}", device=device)
            known = next((each for each in self.result.set_aside if each.device == device), None)
            if known is None:
                self.result.set_aside.append(SetAside(device, len(batch.samples), reason))
                message = f"sink {self.sink.name}: cannot store samples of {batch.samples[0].channel}: {reason}"
                self._report(EventKind.SINK_FAILED, f"{message}; they are set aside, the others are stored", device)
            else:
                known.samples += len(batch.samples)
                known.error = reason
        for event, error in flush.events_rejected:
            log.warning("sink %s: cannot store an event (%s): %s", self.sink.name, event.kind, error)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, MemoryError):
            error = StorageError("out of memory", hint=MEMORY_HINT)
        if not isinstance(error, (RiglogError, OSError)):
            error = StorageError(f"unexpected {describe(error)}")
        self.result.error = error
        self._failures += 1
        if self._failures == 1:
            message = f"sink {self.sink.name}: write failed: {error}; samples are buffered in memory"
            self._report(EventKind.SINK_FAILED, message)

    def _recovered(self) -> None:
        self._failures, self.overflowed = 0, False
        message = f"sink {self.sink.name}: writing again; all buffered samples stored, {self.result.lost} lost"
        self._report(EventKind.SINK_RECOVERED, message)

    def _report(self, kind: EventKind, message: str, device: str | None = None) -> None:
        message = storable(message)
        report = log.info if kind is EventKind.SINK_RECOVERED else log.warning
        report("%s", message)
        self._add_event(Event(self._clock.utc_ns(), kind, message, None if device is None else storable(device)))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

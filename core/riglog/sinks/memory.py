"""Keeps everything in memory: for tests and short runs."""

from collections.abc import Sequence

from riglog.model import Batch, Event, Run, Sample, Sink
from riglog.sinks.base import SinkConfig, SinkType
from riglog.sinks.rows import Row, rows


class MemorySink(Sink):
    """``samples``, ``rows`` and ``events`` hold everything that was recorded."""

    name = "memory"

    def __init__(self) -> None:
        self.run: Run | None = None
        self.batches: list[Batch] = []
        self.events: list[Event] = []
        self.closed = False

    @property
    def samples(self) -> list[Sample]:
        return [sample for batch in self.batches for sample in batch.samples]

    @property
    def rows(self) -> list[Row]:
        return list(rows(self.run.id if self.run else None, self.batches))

    async def open(self, run: Run) -> None:
        self.run = run

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        self.batches += batches
        self.events += events

    async def aclose(self) -> None:
        self.closed = True


MEMORY = SinkType("memory", "stores nothing on disk; for test runs", SinkConfig, lambda _: MemorySink())

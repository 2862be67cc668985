"""The derived channels of a run: each batch is given the rows that are complete with it, before it is recorded."""

from collections.abc import Callable, Sequence

from riglog.derived.definition import Derived
from riglog.derived.slots import DerivedSlots, TickedSample
from riglog.model import Batch, Channel, Clock, Sample

Rows = list[tuple[int | None, Sample]]
Close = Callable[[DerivedSlots], Rows]


class Deriver:
    """Makes the rows of derived channels.

    Args:
        derived: each after those that it needs.
    """

    def __init__(self, derived: Sequence[Derived], clock: Clock) -> None:
        self._clock = clock
        self._slots = [DerivedSlots(each) for each in derived]
        self._inputs = frozenset(name for slots in self._slots for name in slots.inputs)
        self._names: dict[Channel, str | None] = {}  # of the inputs; None: nothing needs the channel

    def derive(self, batch: Batch) -> Sequence[Batch]:
        """Return a batch with the derived rows of its slot, and before it those of earlier slots."""
        samples = [found for sample in batch.samples if (found := self._ticked(batch.tick, sample)) is not None]
        if not samples:
            return (batch,)
        now_ns, rows = self._clock.monotonic_ns(), Rows()
        for slots in self._slots:
            taken = [sample for sample in samples if sample[1] in slots.inputs]
            self._pass_on(slots.take(batch.source, taken, now_ns) if taken else [], rows, samples)
        own = [sample for tick, sample in rows if tick == batch.tick]
        earlier = [Batch(batch.source, tick, [sample]) for tick, sample in rows if tick != batch.tick]
        return [*earlier, Batch(batch.source, batch.tick, [*batch.samples, *own]) if own else batch]

    def late(self) -> Sequence[Batch]:
        """Return the rows of slots for which an input has had no row for too long."""
        now_ns = self._clock.monotonic_ns()
        return self._closed(now_ns, lambda slots: slots.late(now_ns))

    def rest(self) -> Sequence[Batch]:
        """Return the rows of all slots that are waiting: polling has ended."""
        return self._closed(self._clock.monotonic_ns(), DerivedSlots.rest)

    def _closed(self, now_ns: int, close: Close) -> Sequence[Batch]:
        rows, batches, samples, source = Rows(), list[Batch](), list[TickedSample](), ""
        for slots in self._slots:
            taken = [sample for sample in samples if sample[1] in slots.inputs]
            before = len(rows)
            self._pass_on(slots.take(source, taken, now_ns) if taken else [], rows, samples)
            self._pass_on(close(slots), rows, samples)
            source = slots.source or source
            batches += [Batch(slots.source, tick, [sample]) for tick, sample in rows[before:]]
        return batches

    def _pass_on(self, made: Rows, rows: Rows, samples: list[TickedSample]) -> None:
        """Add rows that were made, and let them be inputs of others."""
        rows += made
        samples += [found for tick, sample in made if (found := self._ticked(tick, sample)) is not None]

    def _ticked(self, tick: int | None, sample: Sample) -> TickedSample | None:
        channel = sample.channel
        if channel not in self._names:
            name = str(channel)
            self._names[channel] = name if name in self._inputs else None
        known = self._names[channel]
        return None if known is None else (tick, known, sample)

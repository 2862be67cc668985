"""Joins the batches of several ports that belong to the same slot. Pure."""

from collections.abc import Iterator, Mapping

from riglog.acquire.summary import SourceSummary
from riglog.model import Batch, Sample

Rate = float | None


class JoinedSlots:
    """Batches that wait until their slot is complete: until every source of the same rate has come so far, or ended."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Rate, int], list[Batch]] = {}
        self._reached: dict[str, int] = {}  # the last slot of each source

    def add(self, batch: Batch, sources: Mapping[str, SourceSummary]) -> Iterator[Batch]:
        """Add a batch, and yield the slots that are complete now, in their order."""
        if batch.tick is None:
            yield batch
            return
        rate = sources[batch.source].rate_hz
        self._waiting.setdefault((rate, batch.tick), []).append(batch)
        self._reached[batch.source] = max(batch.tick, self._reached.get(batch.source, -1))  # derived rows can be late
        reached = min(
            self._reached.get(name, -1)
            for name, source in sources.items()
            if source.rate_hz == rate and (name == batch.source or not source.ended)
        )
        for key in sorted(key for key in self._waiting if key[0] == rate and key[1] <= reached):
            yield _joined(self._waiting.pop(key))

    def rest(self) -> Iterator[Batch]:
        """Yield what is still waiting at the end of the run."""
        for key in sorted(self._waiting, key=lambda key: (key[0] or 0.0, key[1])):
            yield _joined(self._waiting.pop(key))


def _joined(batches: list[Batch]) -> Batch:
    samples: list[Sample] = [sample for batch in batches for sample in batch.samples]
    return Batch(", ".join(dict.fromkeys(batch.source for batch in batches)), batches[0].tick, samples)

"""Batches with samples whose proof is still to come. Pure; the time is an argument, in nanoseconds (monotonic).

Rows leave in the order of their slots: what follows a held batch waits for it.
"""

from collections import deque
from collections.abc import Sequence

from riglog.model import NS, Batch, Sample, settled

HOLD_NS = 2 * NS
"""For longer no proof is waited for: a source proves a sample within a second, or it does not poll any more."""


class HeldBatches:
    """The batches of one source that wait."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Batch, int]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, batch: Batch, now_ns: int) -> Sequence[Batch]:
        """Add a batch, and return those that wait no longer, in their order."""
        if not self._waiting and not _has_proofs(batch.samples):  # what nearly always happens
            return (batch,)
        self._waiting.append((batch, now_ns))
        return self.released(now_ns)

    def released(self, now_ns: int) -> Sequence[Batch]:
        """Remove and return those that wait no longer."""
        released = []
        while self._waiting and (not _is_held(self._waiting[0][0].samples) or self._waiting[0][1] + HOLD_NS <= now_ns):
            released.append(self._take())
        return released

    def release_all(self) -> Sequence[Batch]:
        """Remove and return all; what is not proven by now is not."""
        return [self._take() for _ in range(len(self._waiting))]

    def _take(self) -> Batch:
        batch, _ = self._waiting.popleft()
        for sample in batch.samples:
            if sample.proof is not None:
                sample.proof.expire()  # without effect on a check that was made
        return _settled(batch)


def _has_proofs(samples: Sequence[Sample]) -> bool:
    for sample in samples:  # noqa: SIM110 - done for every row, and any() takes three times as long
        if sample.proof is not None:
            return True
    return False


def _is_held(samples: Sequence[Sample]) -> bool:
    return any(sample.proof is not None and sample.proof.is_open for sample in samples)


def _settled(batch: Batch) -> Batch:
    """Return a batch as the proofs of its samples leave it."""
    for sample in batch.samples:
        if sample.proof is not None and not sample.proof.is_proven:
            return Batch(batch.source, batch.tick, [settled(sample) for sample in batch.samples])
    return batch

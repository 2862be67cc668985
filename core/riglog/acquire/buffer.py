"""The buffer between polling and storing. Bounded; a batch that was put in is not lost by a cancellation."""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Self

import anyio

from riglog.model import Batch


class Overflow(Enum):
    """What happens when batches are put in faster than they are taken out."""

    BLOCK = "block"  # polling waits; slots that are due meanwhile are skipped, and counted
    DROP_NEWEST = "drop_newest"
    DROP_OLDEST = "drop_oldest"


class BatchBuffer:
    """A bounded queue of batches. ``put`` is synchronous: a batch is in the buffer, or it is counted as dropped."""

    def __init__(self, size: int, overflow: Overflow) -> None:
        self.size = size
        self.overflow = overflow
        self.samples_dropped = 0
        self.pass_on: Callable[[Batch], bool] | None = None
        """Takes a batch at once, or returns False: then it waits here. Waking a task for it costs ten times as much."""
        self._batches: deque[Batch] = deque()
        self._closed = False
        self._filled = anyio.Event()
        self._emptied = anyio.Event()

    def __len__(self) -> int:
        """Return the number of batches in the buffer."""
        return len(self._batches)

    def put(self, batch: Batch) -> bool:
        """Add a batch. Return False if it, or an older one, was dropped."""
        if self.pass_on is not None and not self._batches and self.pass_on(batch):
            return True
        full = len(self._batches) >= self.size
        if full and self.overflow is Overflow.DROP_NEWEST:
            self.samples_dropped += len(batch.samples)
            return False
        dropped = full and self.overflow is Overflow.DROP_OLDEST
        if dropped:
            self.samples_dropped += len(self._batches.popleft().samples)
        self._batches.append(batch)
        self._filled.set()
        return not dropped

    @property
    def full(self) -> bool:
        """True if polling has to wait: with BLOCK, the buffer is over its size."""
        return self.overflow is Overflow.BLOCK and len(self._batches) > self.size and not self._closed

    async def wait_for_space(self) -> None:
        """Wait until the buffer is no longer full."""
        while self.full:
            await self._emptied.wait()

    async def next_batches(self) -> list[Batch]:
        """Remove and return all batches; wait if there are none. Empty only if the buffer is closed and empty."""
        while not self._batches and not self._closed:
            self._filled = anyio.Event()
            await self._filled.wait()
        return self.drain()

    def drain(self) -> list[Batch]:
        """Remove and return all batches without waiting."""
        batches = list(self._batches)
        self._batches.clear()
        self._notify_emptied()
        return batches

    def close(self) -> None:
        """Mark the end: no batch will be put in any more. Those in the buffer can still be taken."""
        self._closed = True
        self._filled.set()
        self._emptied.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        """Return the next batch. Batches that a loop does not reach stay in the buffer."""
        while not self._batches:
            if self._closed:
                raise StopAsyncIteration
            self._filled = anyio.Event()
            await self._filled.wait()
        batch = self._batches.popleft()
        self._notify_emptied()
        return batch

    def _notify_emptied(self) -> None:
        self._emptied.set()
        self._emptied = anyio.Event()

"""Between those who take samples and those who store them: bounded, and what was put in is never lost by a cancel."""

from collections import deque
from enum import Enum
from typing import Self

import anyio

from riglog.model import Batch


class Overflow(Enum):
    """What happens when batches come faster than they are taken away."""

    BLOCK = "block"  # whoever polls waits; slots are missed, and counted as such
    DROP_NEWEST = "drop_newest"
    DROP_OLDEST = "drop_oldest"


class BatchBuffer:
    """A queue of batches. ``put`` is synchronous: a batch is either in the buffer or counted as dropped."""

    def __init__(self, size: int, overflow: Overflow) -> None:
        self.size = size
        self.overflow = overflow
        self.samples_dropped = 0
        self._batches: deque[Batch] = deque()
        self._closed = False
        self._filled = anyio.Event()
        self._emptied = anyio.Event()

    def put(self, batch: Batch) -> bool:
        """Add a batch; False if one was dropped for it, or it was dropped itself."""
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

    async def space(self) -> None:
        """With BLOCK, wait until the buffer is no longer over its size."""
        while self.overflow is Overflow.BLOCK and len(self._batches) > self.size and not self._closed:
            await self._emptied.wait()

    async def take(self) -> list[Batch]:
        """All batches there are, waiting for the first; empty only when the buffer is closed and drained."""
        while not self._batches and not self._closed:
            self._filled = anyio.Event()
            await self._filled.wait()
        return self.drain()

    def drain(self) -> list[Batch]:
        """All batches there are now."""
        batches = list(self._batches)
        self._batches.clear()
        self._tell_emptied()
        return batches

    def close(self) -> None:
        """Nothing more will be put in; what is there can still be taken."""
        self._closed = True
        self._filled.set()
        self._emptied.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        """The next batch. What a loop does not reach stays in the buffer."""
        while not self._batches:
            if self._closed:
                raise StopAsyncIteration
            self._filled = anyio.Event()
            await self._filled.wait()
        batch = self._batches.popleft()
        self._tell_emptied()
        return batch

    def _tell_emptied(self) -> None:
        self._emptied.set()
        self._emptied = anyio.Event()

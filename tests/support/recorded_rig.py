"""A manager that is recorded in the background while a test does something to its ports and devices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from riglog.acquire import ActiveRun, record
from riglog.errors import PortNotFoundError
from riglog.manager import Manager
from riglog.model import Batch, EventKind, Status
from riglog.simulation import SimulatedTransport
from riglog.testing import LoopClock
from riglog.transport import Transport


@asynccontextmanager
async def recorded(
    manager: Manager, duration: float, rate_hz: float = 10
) -> AsyncIterator[tuple[ActiveRun, list[Batch]]]:
    """Record in the background while the block runs, to the end."""
    batches: list[Batch] = []

    async def take() -> None:
        async for batch in recording.stream:
            batches.append(batch)

    async with record(manager, rate_hz=rate_hz, duration=duration, clock=LoopClock()) as recording:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            yield recording, batches


class Plug:
    """The cable of a simulated port: pulled, and put back."""

    def __init__(self, manager: Manager, key: str) -> None:
        self.port = manager.port(key)
        self._opener = self.port.opener
        self.port.opener = self._open
        self.out = False
        self.attempts: list[float] = []

    async def _open(self) -> Transport:
        self.attempts.append(anyio.current_time())
        if self.out or self._opener is None:
            raise PortNotFoundError("no such port")
        return await self._opener()

    def pull(self) -> None:
        self.out = True
        assert isinstance(self.port.transport.inner, SimulatedTransport)
        self.port.transport.inner.cut()

    def put_back(self) -> None:
        self.out = False


def kinds(recording: ActiveRun) -> list[EventKind]:
    """What happened to ports and devices, in order."""
    return [event.kind for event in recording.events[1:] if event.kind is not EventKind.SLOTS_SKIPPED]


def rows(batches: list[Batch], device: str, status: Status) -> list[int | None]:
    return [
        batch.tick
        for batch in batches
        if any(sample.device == device and sample.status is status for sample in batch.samples)
    ]

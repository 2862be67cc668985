"""The buffer between polling and storing: bounded, and exact about what was dropped."""

import anyio
import pytest

from riglog.acquire import BatchBuffer, Overflow
from riglog.model import Batch, Channel, Sample, Stamp

SAMPLE = Sample(
    channel=Channel(device="d", driver="toy", protocol="toy", address=1, parameter="p"),
    stamp=Stamp(0, None, 0),
    value=1.0,
    unit=None,
)


def batch(tick: int) -> Batch:
    return Batch("source", tick, [SAMPLE, SAMPLE])


def ticks(batches: list[Batch]) -> list[int | None]:
    return [batch.tick for batch in batches]


@pytest.mark.parametrize(
    ("overflow", "kept", "dropped"),
    [(Overflow.DROP_NEWEST, [0, 1], 4), (Overflow.DROP_OLDEST, [2, 3], 4), (Overflow.BLOCK, [0, 1, 2, 3], 0)],
)
def test_what_does_not_fit_is_dropped_by_policy_and_counted_in_samples(
    overflow: Overflow, kept: list[int], dropped: int
) -> None:
    buffer = BatchBuffer(2, overflow)
    for tick in range(4):
        buffer.put(batch(tick))
    assert ticks(buffer.drain()) == kept
    assert buffer.samples_dropped == dropped


async def test_block_makes_the_producer_wait_until_batches_are_taken() -> None:
    buffer = BatchBuffer(1, Overflow.BLOCK)
    done = []

    async def produce() -> None:
        for tick in range(3):
            buffer.put(batch(tick))
            await buffer.wait_for_space()
            done.append(tick)
        buffer.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(produce)
        await anyio.wait_all_tasks_blocked()
        assert done == [0]
        assert ticks(await buffer.next_batches()) == [0, 1]
        await anyio.wait_all_tasks_blocked()
        assert done == [0, 1, 2]
        assert ticks(await buffer.next_batches()) == [2]
        assert await buffer.next_batches() == []


async def test_what_a_loop_over_the_stream_did_not_reach_is_still_there() -> None:
    buffer = BatchBuffer(8, Overflow.BLOCK)
    for tick in range(3):
        buffer.put(batch(tick))
    async for first in buffer:
        assert first.tick == 0
        break
    assert ticks(buffer.drain()) == [1, 2]

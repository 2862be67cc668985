"""Virtual time: the clock jumps when every task waits."""

import time

import anyio

from riglog.model import NS
from riglog.testing import LoopClock
from riglog.testing.virtual_time import EPOCH_NS


async def test_an_hour_passes_at_once_and_both_clocks_agree() -> None:
    clock, started = LoopClock(), time.monotonic()
    monotonic, utc = clock.monotonic_ns(), clock.utc_ns()
    await anyio.sleep(3600)
    assert clock.monotonic_ns() - monotonic == 3600 * NS
    assert clock.utc_ns() - utc == 3600 * NS
    assert utc - monotonic == EPOCH_NS
    assert time.monotonic() - started < 60


async def test_a_step_of_the_utc_clock_does_not_move_the_monotonic_clock() -> None:
    clock = LoopClock()
    before = clock.monotonic_ns()
    clock.step_ns = -5 * NS
    assert clock.monotonic_ns() == before
    assert clock.utc_ns() == EPOCH_NS + before - 5 * NS


async def test_tasks_wake_in_the_order_of_their_deadlines() -> None:
    order: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        order.append(seconds)

    async with anyio.create_task_group() as tasks:
        for seconds in (3.0, 1.0, 2.0):
            tasks.start_soon(sleep, seconds)
    assert order == [1.0, 2.0, 3.0]

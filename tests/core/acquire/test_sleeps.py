"""Sleeps that can be ended early, on the event loop of asyncio and on that of trio."""

from math import inf

import anyio

from riglog.acquire.sleeps import Sleeps


async def test_a_sleep_ends_by_itself_or_early() -> None:
    sleeps, ended_early = Sleeps(), []

    async def sleep(seconds: float) -> None:
        ended_early.append((seconds, await sleeps.sleep(seconds)))

    async with anyio.create_task_group() as tasks:
        for seconds in (1.0, 3.0, inf):
            tasks.start_soon(sleep, seconds)
        await anyio.sleep(2)
        assert ended_early == [(1.0, False)]
        sleeps.end_all()
    assert sorted(ended_early) == [(1.0, False), (3.0, True), (inf, True)]


async def test_a_cancelled_sleep_leaves_nothing_behind() -> None:
    sleeps = Sleeps()
    with anyio.move_on_after(1) as scope:
        await sleeps.sleep(inf)
    assert scope.cancelled_caught
    sleeps.end_all()  # of a sleep that is over already: without effect
    began = anyio.current_time()
    assert await sleeps.sleep(1) is False
    assert anyio.current_time() - began >= 1

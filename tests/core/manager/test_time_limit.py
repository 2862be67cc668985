"""The time limit of the polls of one device: one timer for all of them; only what is overdue is cancelled."""

import asyncio
import contextlib
import gc
import weakref

import anyio
import pytest

from riglog.manager.time_limit import OverdueError, TimeLimit
from riglog.transport.event_loop import asyncio_loop


async def test_a_call_that_is_overdue_is_cancelled_and_the_task_goes_on() -> None:
    limit = TimeLimit()
    with pytest.raises(OverdueError, match=r"poll\(\) did not return within 2 s"):
        await limit.within(2.0, anyio.sleep_forever(), "poll()")
    assert anyio.current_time() == pytest.approx(2.0)
    await anyio.sleep(1)


async def test_the_limit_of_an_earlier_call_is_not_that_of_a_later_one() -> None:
    limit = TimeLimit()
    for seconds in (1.5, 1.9, 0.1, 1.9):
        await limit.within(2.0, anyio.sleep(seconds), "poll()")
    with pytest.raises(OverdueError):
        await limit.within(0.5, anyio.sleep(0.6), "poll()")
    assert anyio.current_time() == pytest.approx(5.9)


async def test_a_call_that_goes_on_after_it_was_cancelled_is_cancelled_again() -> None:
    async def stubborn() -> None:
        for _ in range(3):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                continue
        await anyio.sleep_forever()

    with pytest.raises(OverdueError):
        await TimeLimit().within(2.0, stubborn(), "poll()")
    assert anyio.current_time() < 3.0


async def test_a_call_that_returns_although_it_was_cancelled_has_its_result() -> None:
    async def late() -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "late"

    limit = TimeLimit()
    assert await limit.within(2.0, late(), "poll()") == "late"
    await anyio.sleep(1)
    assert await limit.within(2.0, late(), "poll()") == "late"


async def test_the_cancellation_of_the_caller_is_no_overdue_call() -> None:
    limit = TimeLimit()
    for seconds in (1.0, 2.0):  # before the call is overdue, and at the same moment
        with anyio.move_on_after(seconds) as scope:
            await limit.within(2.0, anyio.sleep_forever(), "poll()")
            pytest.fail("not cancelled")
        assert scope.cancelled_caught
        await anyio.sleep(5)


async def test_an_error_of_the_call_is_its_error() -> None:
    async def fail() -> None:
        await anyio.sleep(1)
        raise ValueError("of the plugin")

    limit = TimeLimit()
    with pytest.raises(ValueError, match="of the plugin"):
        await limit.within(2.0, fail(), "poll()")
    await anyio.sleep(5)


async def test_an_overdue_call_is_recognised_in_a_program_that_ignored_a_cancellation() -> None:
    if (loop := asyncio_loop()) is not None:
        task = asyncio.current_task(loop)
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    with pytest.raises(OverdueError):
        await TimeLimit().within(2.0, anyio.sleep_forever(), "poll()")


async def test_no_timer_is_left_when_the_device_is_closed() -> None:
    limit = TimeLimit()
    await limit.within(2.0, anyio.sleep(1), "poll()")
    limit.close()
    gone = weakref.ref(limit)
    del limit
    gc.collect()
    assert gone() is None
    limit = TimeLimit()
    await limit.within(2.0, anyio.sleep(1), "poll()")
    limit.close()
    with pytest.raises(OverdueError):
        await limit.within(2.0, anyio.sleep_forever(), "poll()")

"""Blocking calls run beside the event loop, one at a time for each device, with a time limit."""

import threading
import time

import anyio
import anyio.lowlevel
import pytest

from riglog.device.threads import BlockingCalls, in_thread
from riglog.errors import ReplyTimeoutError

pytestmark = pytest.mark.real_time


async def test_the_result_of_a_blocking_call_is_returned() -> None:
    assert await in_thread(lambda: 7, timeout=5) == 7


async def test_an_error_of_the_call_is_raised_as_it_is() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await in_thread(fail, timeout=5)


async def test_a_timeout_of_the_library_itself_is_its_own_error() -> None:
    def fail() -> None:
        raise TimeoutError("of the library")

    with pytest.raises(TimeoutError, match="of the library"):
        await in_thread(fail, timeout=5)


async def test_the_event_loop_goes_on_while_a_call_blocks() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.01)
            ticks += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await in_thread(lambda: time.sleep(0.3), timeout=5)
        tasks.cancel_scope.cancel()
    assert ticks > 5


async def test_a_call_that_hangs_holds_one_thread_and_further_calls_fail_at_once() -> None:
    calls, released = BlockingCalls(), threading.Event()
    before = threading.active_count()
    with pytest.raises(ReplyTimeoutError, match=r"no result within 0\.05 s"):
        await calls.run(lambda: released.wait(10), timeout=0.05)
    began = anyio.current_time()
    for _ in range(5):
        with pytest.raises(ReplyTimeoutError, match="an earlier call has not returned yet"):
            await calls.run(lambda: True, timeout=5)
    assert anyio.current_time() - began < 1
    assert threading.active_count() <= before + 1
    released.set()
    with anyio.fail_after(5):
        while True:
            try:
                assert await calls.run(lambda: 3, timeout=1) == 3
                break
            except ReplyTimeoutError:
                await anyio.sleep(0.01)


async def test_a_call_that_was_cancelled_before_it_began_blocks_no_later_one() -> None:
    calls = BlockingCalls()
    began: list[int] = []
    for checkpoints in range(4):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: calls.run(lambda: began.append(0), timeout=5))
            for _ in range(checkpoints):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await anyio.sleep(0.05)
        assert await calls.run(lambda: 2, timeout=5) == 2

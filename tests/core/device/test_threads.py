"""Blocking calls run beside the event loop, one at a time for each device, with a time limit."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from processes import running

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


def threads_of_blocking_calls() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "riglog-blocking-calls"}


async def test_a_call_that_hangs_holds_one_thread_and_further_calls_fail_at_once() -> None:
    calls, released = BlockingCalls(), threading.Event()
    before = threads_of_blocking_calls()
    with pytest.raises(ReplyTimeoutError, match=r"no result within 0\.05 s"):
        await calls.run(lambda: released.wait(10), timeout=0.05)
    began = anyio.current_time()
    for _ in range(5):
        with pytest.raises(ReplyTimeoutError, match="an earlier call has not returned yet"):
            await calls.run(lambda: True, timeout=5)
    assert anyio.current_time() - began < 1
    assert len(threads_of_blocking_calls() - before) == 1  # those of earlier tests may end meanwhile
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


async def test_hanging_calls_of_many_devices_keep_no_other_device_from_its_calls() -> None:
    released, hanging = threading.Event(), [BlockingCalls() for _ in range(50)]

    async def hang(calls: BlockingCalls) -> None:
        with pytest.raises(ReplyTimeoutError):
            await calls.run(lambda: released.wait(20), timeout=0.2)

    async with anyio.create_task_group() as tasks:
        for calls in hanging:
            tasks.start_soon(hang, calls)
    with anyio.fail_after(5):
        assert await BlockingCalls().run(lambda: 5, timeout=4) == 5
        assert await anyio.to_thread.run_sync(lambda: 6) == 6  # the threads of the event loop are free
    released.set()


async def test_the_calls_of_one_device_are_made_in_one_thread_which_ends_with_the_device() -> None:
    calls = BlockingCalls()
    first = await calls.run(threading.current_thread, timeout=5)
    assert await calls.run(threading.current_thread, timeout=5) is first
    assert first.daemon
    del calls
    gc.collect()
    with anyio.fail_after(5):
        while first.is_alive():
            await anyio.sleep(0.01)


@pytest.mark.parametrize("ending", ["cancelled", "interrupted", "exit"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_the_process_ends_while_a_call_hangs(backend: str, ending: str) -> None:
    program = f"""
import time, anyio
from riglog.device.threads import in_thread
async def main():
    print("hanging", flush=True)
    with anyio.move_on_after(60 if {ending!r} == "interrupted" else 0.2):
        await in_thread(lambda: time.sleep(60), timeout=0.1 if {ending!r} == "exit" else 60)
anyio.run(main, backend={backend!r})
"""
    command = [sys.executable, "-c", program]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        if ending == "interrupted":
            time.sleep(0.3)  # until the call is made
            process.send_signal(signal.SIGINT)
        process.wait(timeout=10)


async def test_a_result_that_comes_after_the_event_loop_has_ended_is_discarded() -> None:
    released = threading.Event()
    threads: list[threading.Thread] = []

    def hang() -> None:
        threads.append(threading.current_thread())
        released.wait(10)

    async def abandon() -> None:
        with pytest.raises(ReplyTimeoutError):
            await in_thread(hang, timeout=0.2)

    await anyio.to_thread.run_sync(lambda: anyio.run(abandon))
    released.set()
    with anyio.fail_after(5):
        while threads[0].is_alive():
            await anyio.sleep(0.01)

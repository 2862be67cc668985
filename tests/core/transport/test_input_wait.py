"""Waiting for the input of a descriptor: nothing is lost if a task is cancelled, and each wait has its own timeout."""

import asyncio
import os
from collections.abc import Iterator
from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from riglog.transport.input_wait import InputWait, RegisteredInputWait, input_wait

pytestmark = pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="needs descriptors that do not block")


class Pipe:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe()
        os.set_blocking(self.out, False)
        self.open = True

    def wait(self) -> InputWait:
        return input_wait(self.out, partial(os.read, self.out, 4096))

    def write(self, data: bytes) -> None:
        os.write(self.into, data)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.into)
    if made.open:
        os.close(made.out)


async def test_input_is_returned_when_it_is_there(pipe: Pipe) -> None:
    waiting = pipe.wait()
    for number in range(3):
        pipe.write(bytes([number]))
        assert await waiting.receive(1.0) == bytes([number])
    waiting.notify_closing()


async def test_each_wait_has_its_own_timeout(pipe: Pipe) -> None:
    """Also a shorter one after a longer one, and one that ends after the timer of an earlier wait."""
    waiting = pipe.wait()
    for seconds in (5.0, 0.5, 2.0, 0.25):
        pipe.write(b"x")
        assert await waiting.receive(3.0) == b"x"
        began = anyio.current_time()
        assert await waiting.receive(seconds) == b""
        assert anyio.current_time() - began == pytest.approx(seconds, abs=0.01)
    waiting.notify_closing()


async def test_what_arrives_while_nobody_waits_is_kept_by_the_operating_system(pipe: Pipe) -> None:
    waiting = pipe.wait()
    assert await waiting.receive(0.1) == b""
    pipe.write(b"later")
    for _ in range(5):
        await checkpoint()
    assert waiting.take_kept() == b""
    assert os.read(pipe.out, 100) == b"later"
    pipe.write(b"again")
    assert await waiting.receive(None) == b"again"
    waiting.notify_closing()


async def test_input_that_comes_with_a_cancellation_is_not_lost(pipe: Pipe) -> None:
    """Whether the input is read before the cancellation or after it."""
    for steps in range(4):
        waiting = pipe.wait()
        received = []

        async def receive(waiting: InputWait = waiting, received: list[bytes] = received) -> None:
            received.append(await waiting.receive(10.0))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await checkpoint()
            await checkpoint()
            pipe.write(b"reply")
            for _ in range(steps):
                await checkpoint()
            tasks.cancel_scope.cancel()
        kept = waiting.take_kept()
        assert b"".join(received) + (kept or b"") in (b"reply", b"")
        if not received and not kept:
            assert await waiting.receive(1.0) == b"reply"
        waiting.notify_closing()


async def test_a_wait_ends_when_the_descriptor_is_closed(pipe: Pipe) -> None:
    waiting = pipe.wait()

    async def close() -> None:
        await checkpoint()
        await checkpoint()
        waiting.notify_closing()
        os.close(pipe.out)
        pipe.open = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        with pytest.raises(anyio.ClosedResourceError):
            await waiting.receive(10.0)


async def test_a_descriptor_that_is_always_readable_without_input_is_looked_at_with_pauses(pipe: Pipe) -> None:
    """As of a driver that is broken: it must take no whole processor, and its input is received when it comes."""
    pipe.write(b"x")
    looks = 0
    refused = 1000

    def read() -> bytes:
        nonlocal looks
        looks += 1
        if looks < refused:
            raise BlockingIOError
        return os.read(pipe.out, 100)

    waiting = input_wait(pipe.out, read)
    began = anyio.current_time()
    assert await waiting.receive(2.0) == b""
    assert anyio.current_time() - began == pytest.approx(2.0, abs=0.02)
    assert looks < 250
    refused = looks + 5
    assert await waiting.receive(2.0) == b"x"
    waiting.notify_closing()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_input_that_was_read_for_a_cancelled_task_is_kept(pipe: Pipe) -> None:
    """anyio cancels no task whose input is there; a program of asyncio can."""
    waiting = pipe.wait()
    assert isinstance(waiting, RegisteredInputWait)
    task = asyncio.ensure_future(waiting.receive(10.0))
    await asyncio.sleep(0)
    pipe.write(b"reply")
    waiting._readable()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiting.take_kept() == b"reply"
    waiting.notify_closing()

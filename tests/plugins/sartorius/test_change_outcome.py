"""What is reported of a change whose outcome is unknown, and of one that was never sent."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog_sartorius.base import MAY_HAVE_BEEN_EXECUTED

BOTH = pytest.mark.parametrize("protocol", ["xbpi", "sbi"])


async def opened(new_bench: Callable[..., Any], **config: Any) -> tuple[Any, list[str]]:
    bench = new_bench(**config)
    await bench.balance.open()
    written: list[str] = []
    bench.balance.on_write = written.append
    return bench, written


async def test_a_change_that_the_busy_line_kept_from_being_sent_is_no_change(new_bench: Callable[..., Any]) -> None:
    bench, written = await opened(new_bench, protocol="xbpi")
    bench.wire.plugged = False
    with pytest.raises(ReplyTimeoutError):
        await bench.balance.read_net()
    bench.wire.plugged = True
    for number in range(400):
        bench.wire.inject(b"*", at=anyio.current_time() + 0.1 * number)
    bench.wire.requests.clear()
    with pytest.raises(ReplyTimeoutError) as caught:
        await bench.balance.tare(confirm=True)
    assert caught.value.reason == "line_busy"
    assert bench.wire.requests == []
    assert written == []
    assert caught.value.hint != MAY_HAVE_BEEN_EXECUTED


@BOTH
async def test_a_connection_that_is_lost_after_the_command_leaves_the_outcome_unknown(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench, written = await opened(new_bench, protocol=protocol)
    bench.simulator.latency = bench.log.latency = 0.5
    async with anyio.create_task_group() as tasks:

        async def cut() -> None:
            await anyio.sleep(0.2)
            bench.transport.cut()

        tasks.start_soon(cut)
        with pytest.raises(ConnectionLostError) as caught:
            await bench.balance.tare(confirm=True)
    assert caught.value.hint == MAY_HAVE_BEEN_EXECUTED
    assert written == ["tare (not acknowledged)"]


async def test_a_cancelled_change_leaves_the_outcome_unknown(new_bench: Callable[..., Any]) -> None:
    bench, written = await opened(new_bench, protocol="xbpi")
    bench.wire.plugged = False
    with anyio.move_on_after(0.5):
        await bench.balance.tare(confirm=True)
    assert written == ["tare (not acknowledged)"]


async def test_a_change_that_was_cancelled_while_it_waited_for_the_port_is_no_change(
    new_bench: Callable[..., Any],
) -> None:
    bench, written = await opened(new_bench, protocol="xbpi")

    async def tare() -> None:
        with anyio.move_on_after(0.5):
            await bench.balance.tare(confirm=True)

    async with anyio.create_task_group() as tasks, bench.client.hold():
        tasks.start_soon(tare)
        await anyio.sleep(1)
    assert written == []

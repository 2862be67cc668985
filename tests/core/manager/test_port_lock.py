"""Taking turns on a line: a poll is not interrupted; a line opened again, or a device that left it, leaves nothing."""

import anyio
import pytest
from toy import Ask, Toy, ToyDriver

from riglog.manager import Manager
from riglog.model import Status
from riglog.plugin import Registry
from riglog.simulation import SimulatedTransport
from riglog.testing import LoopClock


async def test_a_poll_of_a_port_is_not_interleaved_with_any_other_request(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    send = SimulatedTransport.send

    async def listened(transport: SimulatedTransport, data: bytes) -> None:
        said.append(data)
        await send(transport, data)

    async with Manager(registry=registry, clock=LoopClock()) as manager:
        one = await manager.add("one", "sim:bus", driver="toy", address=1)
        await manager.add("two", "sim:bus", driver="toy", address=2)
        assert isinstance(one, Toy)
        monkeypatch.setattr(SimulatedTransport, "send", listened)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(manager.poll)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(one.client.transact, Ask(1, "who"))
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(manager.poll)
    poll = [b"?1 level\n", b"?1 flow\n", b"?2 level\n", b"?2 flow\n"]
    assert said == [*poll, b"?1 who\n", *poll]


async def test_what_was_owed_when_a_line_was_lost_is_flushed_out_when_it_is_back(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        one = await manager.add("one", "sim:bus", driver="toy", address=1)
        assert isinstance(one, Toy)
        port = manager.port("sim:bus")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(manager.poll)
            await anyio.sleep(0.001)  # it has asked, and no answer has come
            assert isinstance(port.transport.inner, SimulatedTransport)
            port.transport.inner.cut()
        await anyio.sleep(5)
        asked = one.client.counters.requests
        assert [sample.status for sample in await manager.poll()] == [Status.OK, Status.OK]
        assert (
            one.client.counters.requests - asked == 3
        )  # the late reply came in time: who it is now, and its two channels


async def test_a_device_that_is_gone_does_not_answer_for_the_next_one_at_its_address(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("first", "sim:bus", driver="toy", address=1)
        await manager.add("neighbour", "sim:bus", driver="toy", address=2)
        await manager.remove("first")
        heard = toy.simulators["first"].count
        await manager.add("second", "sim:bus", driver="toy", address=1)
        assert {sample.status for sample in await manager.poll()} == {Status.OK}
        assert toy.simulators["first"].count == heard
        assert toy.simulators["second"].count > 0

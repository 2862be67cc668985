"""Who holds a port never waits for itself, nor does a task it has started; everyone else takes turns."""

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from toy import Ask, ToyClient, ToyCodec, ToySimulator

from riglog.protocol import Connection, ProtocolClient
from riglog.protocol.port_lock import DEADLOCK_SECONDS
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.testing import LoopClock
from riglog.transport import Link

REFUSED = "the port is held by this task or by its parent task: use the held line"
LEVEL = Ask(1, "level")


@pytest.fixture
def client() -> ToyClient:
    return made()


def made() -> ToyClient:
    transport = SimulatedTransport(FaultyWire(ToySimulator(1)))
    return ProtocolClient(Connection(transport, Link(protocol="toy"), LoopClock()), ToyCodec())


async def hold_again(client: ToyClient) -> None:
    async with client.hold():
        pass


async def transact(client: ToyClient) -> None:
    await client.transact(LEVEL)


@pytest.mark.parametrize("use", [transact, hold_again])
@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_a_task_inside_a_hold_is_refused(client: ToyClient, use: object, depth: int) -> None:
    async def descend(depth: int) -> None:
        if depth:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(descend, depth - 1)
            return
        with pytest.raises(RuntimeError, match=REFUSED):
            await use(client)  # type: ignore[operator]

    with anyio.fail_after(DEADLOCK_SECONDS + 1 if depth else 0.1):
        async with client.hold() as line:
            await descend(depth)
            assert (await line.transact(LEVEL)).reply
    assert (await client.transact(LEVEL)).reply


async def test_a_thread_that_was_started_inside_a_hold_is_refused(client: ToyClient) -> None:
    async with client.hold():
        with pytest.raises(RuntimeError, match=REFUSED):
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(client.transact, LEVEL))


async def test_inside_holds_of_two_ports_each_of_them_is_refused(client: ToyClient) -> None:
    other = made()
    async with client.hold():
        async with other.hold():
            for held in (client, other):
                with pytest.raises(RuntimeError, match=REFUSED):
                    await held.transact(LEVEL)
        assert (await other.transact(LEVEL)).reply
        with pytest.raises(RuntimeError, match=REFUSED):
            await client.transact(LEVEL)


async def test_a_task_of_somebody_else_waits_for_its_turn(client: ToyClient) -> None:
    order: list[str] = []

    async def wait() -> None:
        await client.transact(LEVEL)
        order.append("waited")

    async with anyio.create_task_group() as tasks:
        async with client.hold():
            pass
        tasks.start_soon(hold_for, client, order)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait)
    assert order == ["held", "waited"]


async def hold_for(client: ToyClient, order: list[str]) -> None:
    async with client.hold():
        await anyio.sleep(1)
        order.append("held")


async def test_a_task_that_was_started_in_an_earlier_hold_waits_for_its_turn(client: ToyClient) -> None:
    order: list[str] = []
    begin = anyio.Event()

    async def wait() -> None:
        await begin.wait()
        await client.transact(LEVEL)
        order.append("waited")

    async with anyio.create_task_group() as tasks:
        async with client.hold():
            tasks.start_soon(wait)
        tasks.start_soon(hold_for, client, order)
        await anyio.wait_all_tasks_blocked()
        begin.set()
    assert order == ["held", "waited"]

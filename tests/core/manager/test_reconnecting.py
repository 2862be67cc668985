"""A port that comes back is opened at once, not at its next slot: by one path for polling and for listening."""

import anyio
import pytest
from recorded_rig import Plug, kinds, recorded, rows
from toy import ToyDriver

from riglog.manager import Manager
from riglog.model import EventKind, Status
from riglog.plugin import Registry
from riglog.testing import LoopClock
from riglog.transport import Transport


async def test_a_cable_that_is_out_between_two_slots_costs_no_slot(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        async with recorded(manager, 1500, rate_hz=1 / 300) as (recording, batches):
            await anyio.sleep(105)
            plug.pull()
            await anyio.sleep(0.06)
            plug.put_back()
    assert rows(batches, "one", Status.OK) == [0, 1, 2, 3, 4]
    assert kinds(recording) == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]
    lost, restored = (event.at_ns / 1e9 for event in recording.events[1:])
    assert restored - lost == pytest.approx(0.1, abs=0.01)


async def test_a_loss_that_a_poll_notices_costs_that_slot_only(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        async with recorded(manager, 20, rate_hz=0.5) as (_, batches):
            await anyio.sleep(5.9)
            plug.pull()
            await anyio.sleep(0.2)
            plug.put_back()
    assert rows(batches, "one", Status.SKIPPED) == [3]
    assert rows(batches, "one", Status.OK) == [0, 1, 2, *range(4, 10)]


async def test_a_port_that_is_open_again_before_the_lost_one_is_closed_costs_that_slot_only(registry: Registry) -> None:
    """Closing it took longer than the wait before it is opened again: the recording ended with a traceback."""
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        inner = plug.port.transport.inner
        assert inner is not None
        close = inner.aclose

        async def close_slowly() -> None:
            await anyio.sleep(0.5)
            await close()

        inner.aclose = close_slowly  # type: ignore[method-assign]
        async with recorded(manager, 20, rate_hz=0.5) as (recording, batches):
            await anyio.sleep(5.99)
            plug.pull()
            plug.put_back()
    assert kinds(recording) == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]
    assert rows(batches, "one", Status.SKIPPED) == [3]
    assert rows(batches, "one", Status.OK) == [0, 1, 2, *range(4, 10)]


async def test_each_of_several_losses_is_noticed_between_the_slots(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity_check=0)
        plug = Plug(manager, "sim:1")
        async with recorded(manager, 1500, rate_hz=1 / 300) as (recording, batches):
            for _ in range(3):
                await anyio.sleep(305)
                plug.pull()
                await anyio.sleep(0.06)
                plug.put_back()
    assert rows(batches, "one", Status.OK) == [0, 1, 2, 3, 4]
    assert kinds(recording) == 3 * [EventKind.PORT_LOST, EventKind.PORT_RESTORED]


async def test_a_port_that_is_opened_slowly_makes_no_slot_late(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        opener = plug.port.opener

        async def open_slowly() -> Transport:
            await anyio.sleep(3)  # such as a TCP connection to a device server that starts
            return await opener()

        plug.port.opener = open_slowly
        async with recorded(manager, 10) as (recording, batches):
            await anyio.sleep(2.05)
            plug.pull()
            await anyio.sleep(0.2)
            plug.put_back()
    assert [batch.tick for batch in batches] == list(range(100))
    assert {len(batch.samples) for batch in batches} == {2}
    assert recording.summary.slots_skipped == 0  # each slot was served: lost connection, not overrun
    assert recording.summary.sources["sim:1"].start_delay.maximum < 0.001
    assert rows(batches, "one", Status.OK)[-1] == 99
    assert kinds(recording) == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]


async def test_a_suspended_device_is_polled_in_the_next_slot_after_its_port_was_opened(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in (1, 2):
            await manager.add(f"d{number}", "sim:bus", driver="toy", address=number)
        plug = Plug(manager, "sim:bus")
        async with recorded(manager, 800, rate_hz=0.05) as (_, batches):
            toy.simulators["d1"].silent = True
            await anyio.sleep(601)
            plug.pull()
            toy.simulators["d1"].silent = False
            await anyio.sleep(1)
            plug.put_back()
    assert rows(batches, "d1", Status.OK) == list(range(31, 40))
    assert rows(batches, "d2", Status.OK) == list(range(40))


async def test_input_that_arrived_meanwhile_is_kept_when_a_loss_is_looked_for(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        transport = manager.port("sim:1").transport
        await transport.send(b"?1 who\n")
        await anyio.sleep(1)
        transport.look_for_loss()
        transport.look_for_loss()
        assert await transport.receive() == b"1 who toy\n"
        await transport.send(b"?1 who\n?1 who\n")
        await anyio.sleep(1)
        transport.look_for_loss()
        assert transport.receive_nowait() == b"1 who toy\n" * 2


async def test_a_port_that_is_closed_while_it_is_opened_again_stays_closed(registry: Registry) -> None:
    opened: list[Transport] = []
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        opener, members = plug.port.opener, list(plug.port.devices.values())

        async def open_slowly() -> Transport:
            await anyio.sleep(1)
            opened.append(await opener())
            return opened[0]

        plug.port.opener = open_slowly
        plug.pull()
        await manager.poll()
        plug.put_back()
        await anyio.sleep(0.5)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plug.port.poll, members)
            await anyio.sleep(0.5)
            await manager.remove("one")
    assert plug.port.transport.inner is None
    (transport,) = opened
    with pytest.raises(anyio.ClosedResourceError):
        await transport.receive()

"""Devices that come, go and fail while somebody polls or records them: nobody waits for ever, nothing is left open."""

import anyio
import pytest
from toy import Toy, ToyClient, ToyCodec, ToyConfig, ToyDriver, ToySimulator

from riglog.acquire import ActiveRun, record
from riglog.device import DeviceContext, Pace
from riglog.errors import MalformedReplyError
from riglog.manager import Manager
from riglog.model import Batch, Event, EventKind, Sample, Status
from riglog.plugin import Registry
from riglog.protocol import Connection, ProtocolClient
from riglog.simulation import FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link, Transport


class Talker(ToySimulator):
    """Says something of itself every second."""

    said = 0

    def idle(self, now: float) -> bytes:
        whole, self.said = int(now) - self.said, int(now)
        return b"*" * whole

    def next_due(self, now: float) -> float | None:
        return int(now) + 1.0


class Listener(Toy):
    pace = Pace.DEVICE

    async def poll(self, line: object = None) -> list[Sample]:
        await self.client.transport.receive()
        from riglog.model import Stamp

        clock = self.client.clock
        return [
            Sample(channel=one, stamp=Stamp(clock.utc_ns(), None, clock.monotonic_ns()), value=1.0, unit=one.unit)
            for one in self.channels
        ]


class Damaged(Listener):
    """Sends a frame each second. For a while each of them is damaged, as on a port that is flooded."""

    polls = 0

    async def poll(self, line: object = None) -> list[Sample]:
        samples = await super().poll(line)
        self.polls += 1
        if self.polls == 3 or 10 <= self.polls < 30:
            raise MalformedReplyError("broadcast frame discarded: frame_error")
        return samples


class DamagedDriver(ToyDriver):
    name = "damaged"

    def device(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        return Damaged(config, client, context)

    def simulator(self, config: ToyConfig) -> Simulator:
        return Talker(1)

    def address(self, config: ToyConfig) -> None:
        return None


class TalkingDriver(ToyDriver):
    name = "talking"

    def device(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        return Listener(config, client, context)

    def simulator(self, config: ToyConfig) -> Simulator:
        return Talker(1)

    def address(self, config: ToyConfig) -> None:
        return None


@pytest.fixture
def talking(registry: Registry) -> Registry:
    registry.drivers["talking"] = TalkingDriver()
    return registry


async def taken(recording: ActiveRun, into: list[Batch]) -> None:
    async for batch in recording.stream:
        into.append(batch)


def kinds(recording: ActiveRun) -> list[EventKind]:
    return [event.kind for event in recording.events[1:]]


async def test_only_damaged_frames_are_one_event_and_one_more_when_a_value_arrives(registry: Registry) -> None:
    registry.drivers["damaged"] = DamagedDriver()
    batches: list[Batch] = []
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("talks", "sim:2", driver="damaged")
        async with record(manager, rate_hz=1, duration=60, clock=LoopClock()) as recording:
            await taken(recording, batches)
    told = [(event.kind, event.message) for event in recording.events if event.device == "talks"]
    assert told == [
        (EventKind.DEVICE_NOT_RESPONDING, "device not responding: broadcast frame discarded: frame_error"),
        (EventKind.DEVICE_RESPONDING, "device responding again"),
    ]
    assert sum(batch.samples[0].status is Status.MISSING for batch in batches) == 21


async def test_a_listened_to_device_can_be_removed(talking: Registry) -> None:
    batches: list[Batch] = []
    async with Manager(registry=talking, clock=LoopClock()) as manager:
        await manager.add("asked", "sim:1", driver="toy")
        await manager.add("talks", "sim:2", driver="talking")
        async with record(manager, rate_hz=1, duration=10, clock=LoopClock()) as recording:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
                await anyio.sleep(4.5)
                await manager.remove("talks")
    talked = [batch for batch in batches if batch.samples[0].device == "talks"]
    assert [batch.samples[0].status for batch in talked][:4] == [Status.OK] * 4
    assert {batch.samples[0].status for batch in talked[4:]} <= {Status.SKIPPED}
    assert kinds(recording) == []


async def test_names_leave_a_listened_to_device_out(talking: Registry) -> None:
    async with Manager(registry=talking, clock=LoopClock()) as manager:
        await manager.add("asked", "sim:1", driver="toy")
        await manager.add("talks", "sim:2", driver="talking")
        async with record(manager, rate_hz=1, duration=5, names=["asked"], clock=LoopClock()) as recording:
            batches = [batch async for batch in recording.stream]
    assert {sample.device for batch in batches for sample in batch.samples} == {"asked"}
    assert [len(batch.samples) for batch in batches] == [2] * 5


async def test_a_rig_that_is_cancelled_closes_its_ports(registry: Registry) -> None:
    with anyio.CancelScope() as scope:
        async with Manager(registry=registry, clock=LoopClock()) as manager:
            await manager.add("one", "sim:1", driver="toy")
            opened = manager.port("sim:1").transport.inner
            scope.cancel()
            await anyio.sleep(1)
    assert opened is not None
    with pytest.raises(anyio.ClosedResourceError):
        await opened.receive()


async def test_a_device_is_removed_while_it_is_polled_without_an_alarm(registry: Registry, toy: ToyDriver) -> None:
    batches: list[Batch] = []
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        await manager.add("two", "sim:2", driver="toy")
        toy.simulators["one"].silent = True
        async with record(manager, rate_hz=1, duration=5, clock=LoopClock()) as recording:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
                await anyio.sleep(0.1)
                await manager.remove("one")
    assert kinds(recording) == []
    assert [batch.tick for batch in batches if batch.samples[0].device == "one"] == [0]
    assert [batch.tick for batch in batches if batch.samples[0].device == "two"] == [0, 1, 2, 3, 4]


async def test_the_only_device_is_replaced_while_a_recording_runs(registry: Registry) -> None:
    batches: list[Batch] = []
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        async with record(manager, rate_hz=10, duration=5, clock=LoopClock()) as recording:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
                await anyio.sleep(1.05)
                await manager.remove("one")
                await manager.add("one", "sim:1", driver="toy", parameters=["flow"])
    ticks = [batch.tick for batch in batches]
    assert ticks == list(range(50))
    assert len(batches[-1].samples) == 1


async def test_a_recording_ends_with_its_rig(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        async with record(manager, rate_hz=10, clock=LoopClock()) as recording:
            await anyio.sleep(1)
            await manager.close()
            with anyio.fail_after(5):
                async for _ in recording.stream:
                    pass


async def test_two_transports_of_one_name_are_two_sources(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for name in ("one", "two"):
            await manager.add(name, SimulatedTransport(FaultyWire(ToySimulator(1)), port="same"), driver="toy")
        async with record(manager, rate_hz=1, duration=3, clock=LoopClock()) as recording:
            batches = [batch async for batch in recording.stream]
    assert sorted(batch.samples[0].device for batch in batches) == ["one"] * 3 + ["two"] * 3


@pytest.mark.parametrize("paced", [True, False])
async def test_a_transport_that_was_handed_in_and_lost_stays_lost(talking: Registry, paced: bool) -> None:
    transport = SimulatedTransport(FaultyWire(ToySimulator(1) if paced else Talker(1)))
    async with Manager(registry=talking, clock=LoopClock()) as manager:
        await manager.add("one", transport, driver="toy" if paced else "talking")
        batches: list[Batch] = []
        async with record(manager, rate_hz=10, duration=5, clock=LoopClock()) as recording:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
                await anyio.sleep(1.01)
                transport.cut()
    lost = [batch for batch in batches if batch.samples[0].status is Status.SKIPPED]
    assert len(lost) == (39 if paced else 1)
    assert kinds(recording) == [EventKind.PORT_LOST]


async def test_a_ready_device_whose_port_is_lost_is_rows_and_comes_back_when_its_owner_mends_it(
    registry: Registry,
) -> None:
    from riglog.manager.reconnectable import ReconnectableTransport

    port = ReconnectableTransport("mine", SimulatedTransport(FaultyWire(ToySimulator(1))))
    device = Toy(
        ToyConfig(name="mine", driver="toy", port="-"),
        ProtocolClient(Connection(port, Link(protocol="toy"), LoopClock()), ToyCodec()),
        DeviceContext(device="mine", driver="toy", protocol="toy", address=1, clock=LoopClock()),
    )
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        events: list[Event] = []
        manager.subscribe(events.append)
        await manager.add("mine", device)
        port.inner = None
        for _ in range(2):
            assert [sample.status for sample in await manager.poll()] == [Status.SKIPPED] * 2
        port.inner = SimulatedTransport(FaultyWire(ToySimulator(1)))
        assert [sample.status for sample in await manager.poll()] == [Status.OK] * 2
    assert [event.kind for event in events] == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]


class BadlyClosing(SimulatedTransport):
    async def aclose(self) -> None:
        await super().aclose()
        raise OSError("bad file descriptor")


async def test_whatever_goes_wrong_in_closing_and_opening_a_lost_port_costs_only_its_own_slots(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        port = manager.port("sim:1")
        assert isinstance(port.transport.inner, SimulatedTransport)
        cut = BadlyClosing(port.transport.inner.peer)
        port.transport.inner = cut
        opener, attempts = port.opener, []
        assert opener is not None

        async def open_badly() -> Transport:
            attempts.append(1)
            if len(attempts) < 4:
                raise OSError("the list of ports changed while it was read")
            return await opener()

        port.opener = open_badly
        async with record(manager, rate_hz=10, duration=10, clock=LoopClock()) as recording:
            batches: list[Batch] = []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
                await anyio.sleep(1.01)
                cut.cut()
    assert [batch.tick for batch in batches] == list(range(100))
    assert batches[-1].samples[0].status is Status.OK
    assert kinds(recording) == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]


async def test_a_bug_in_asking_who_it_is_stops_nobody(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        one = await manager.add("one", "sim:1", driver="toy")

        async def identity(line: object = None) -> str | None:
            raise ValueError("who am I")

        one.identity = identity  # type: ignore[method-assign]
        async with record(manager, rate_hz=10, duration=5, clock=LoopClock()) as recording:
            batches: list[Batch] = []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
                await anyio.sleep(1.01)
                inner = manager.port("sim:1").transport.inner
                assert isinstance(inner, SimulatedTransport)
                inner.cut()
    assert [batch.tick for batch in batches] == list(range(50))
    assert batches[-1].samples[0].status is Status.SKIPPED
    assert kinds(recording) == [EventKind.PORT_LOST, EventKind.PORT_RESTORED, EventKind.DRIVER_FAILED]


async def test_a_removed_port_is_not_opened_again_by_a_poll_that_was_waiting(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        port = manager.port("sim:1")
        members = list(port.devices.values())
        assert isinstance(port.transport.inner, SimulatedTransport)
        port.transport.inner.cut()
        await manager.poll()
        await manager.remove("one")
        await anyio.sleep(5)
        await port.poll(members)
        assert port.transport.inner is None


async def test_a_listened_to_device_that_fails_at_once_does_not_flood(talking: Registry) -> None:
    async with Manager(registry=talking, clock=LoopClock()) as manager:
        device = await manager.add("talks", "sim:2", driver="talking")

        async def poll(line: object = None) -> list[Sample]:
            raise ZeroDivisionError

        device.poll = poll  # type: ignore[method-assign, assignment]
        async with record(manager, rate_hz=1, duration=10, clock=LoopClock()) as recording:
            batches: list[Batch] = []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(taken, recording, batches)
    assert 5 <= len(batches) <= 40

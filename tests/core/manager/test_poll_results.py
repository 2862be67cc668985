"""What the core applies and checks for every driver: its mistakes cost no other device a row."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from toy import Ask, Toy, ToyClient, ToyCodec, ToyConfig, ToyDriver

from riglog.acquire import record
from riglog.device import DeviceContext
from riglog.errors import ConfigError, LinkConflictError, ReplyTimeoutError
from riglog.manager import Manager
from riglog.model import Event, EventKind, Sample, Stamp, Status
from riglog.plugin import Registry
from riglog.protocol import Connection, HeldLine, ProtocolClient
from riglog.simulation import Fault, FaultyWire, SimulatedTransport
from riglog.testing import LoopClock


class Careless(Toy):
    """Ignores its configuration, and returns what ``mistake`` makes of its samples."""

    mistake: Callable[[list[Sample]], Any] = staticmethod(lambda samples: samples)

    async def poll(self, line: HeldLine[Ask, str] | None = None) -> list[Sample]:
        samples: list[Sample] = await super().poll(line)
        return type(self).mistake(samples) if self.name == "sick" else samples  # type: ignore[no-any-return]


class CarelessDriver(ToyDriver):
    name = "careless"
    selects_parameters = False

    def device(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        everything = ToyConfig(name="x", driver="careless", port="-", address=config.address)
        return Careless(everything, client, context)


@pytest.fixture
def careless(registry: Registry) -> Registry:
    registry.drivers["careless"] = CarelessDriver()
    return registry


def changed(sample: Sample, **more: Any) -> Sample:
    fields = {name: getattr(sample, name) for name in sample.__struct_fields__}
    return Sample(**(fields | more))


MISTAKES: dict[str, Callable[[list[Sample]], Any]] = {
    "None": lambda samples: None,
    "too few": lambda samples: samples[:1],
    "too many": lambda samples: samples * 3,
    "a list as value": lambda samples: [changed(samples[0], value=[1.0, 2.0]), samples[1]],
    "a number": lambda samples: 7,
    "no stamp": lambda samples: [changed(samples[0], stamp=None), samples[1]],
    "a text as status": lambda samples: [changed(samples[0], status="ok"), samples[1]],
    "no value and ok": lambda samples: [changed(sample, value=None) for sample in samples],
    "received in 31 years": lambda samples: [changed(samples[0], stamp=Stamp(2**61, 1000, 1)), samples[1]],
    "foreign": lambda samples: [changed(s, channel=changed_channel(s)) for s in samples],
}


def changed_channel(sample: Sample) -> Any:
    return DeviceContext(device="neighbour", driver="toy", protocol="toy").channel(sample.parameter)


async def recorded_beside_a_neighbour(careless: Registry, duration: float) -> tuple[list[Sample], list[Event]]:
    """Record ``sick`` and ``neighbour``, which share a port, at 10 Hz."""
    events: list[Event] = []
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        manager.subscribe(events.append)
        await manager.add("sick", "sim:bus", driver="careless", address=1)
        await manager.add("neighbour", "sim:bus", driver="careless", address=2)
        async with record(manager, rate_hz=10, duration=duration, clock=LoopClock()) as active:
            batches = [batch async for batch in active.stream]
    rows = [sample for batch in batches for sample in batch.samples]
    return rows, events


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_of_one_driver_is_one_event_and_costs_its_neighbour_no_row(
    careless: Registry, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Careless, "mistake", staticmethod(MISTAKES[mistake]))
    rows, events = await recorded_beside_a_neighbour(careless, duration=3)
    assert [sample.status for sample in rows if sample.device == "neighbour"] == [Status.OK] * 60
    assert len([sample for sample in rows if sample.device == "sick"]) == 60
    assert any(sample.status is Status.MISSING for sample in rows if sample.device == "sick")
    assert [(event.kind, event.device) for event in events] == [(EventKind.DRIVER_FAILED, "sick")]


async def test_infinity_from_a_parser_is_out_of_range_and_no_fault_of_the_driver(
    careless: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Careless, "mistake", staticmethod(lambda samples: [changed(sample, value=math.inf) for sample in samples])
    )
    events: list[Event] = []
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        manager.subscribe(events.append)
        await manager.add("sick", "sim:bus", driver="careless")
        samples = await manager.poll()
    assert [(sample.value, sample.status) for sample in samples] == [(None, Status.OUT_OF_RANGE)] * 2
    assert events == []


async def test_rate_parameters_and_name_are_applied_by_the_core(careless: Registry) -> None:
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        device = await manager.add("sick", "sim:bus", driver="careless", rate_hz=20.0, parameters=["flow"])
        assert (device.name, device.rate_hz) == ("sick", 20.0)
        assert [str(channel) for channel in device.channels] == ["sick.flow"]
        assert [sample.parameter for sample in await manager.poll()] == ["flow"]
        assert [source.rate_hz for source in manager.sources()] == [20.0]
        with pytest.raises(ConfigError, match="parameters: unknown parameter 'mass'"):
            await manager.add("second", "sim:other", driver="careless", parameters=["mass"])


async def test_a_driver_that_reads_the_selected_channels_only_makes_no_mistake(careless: Registry) -> None:
    """Its ``channels`` are the selected ones after it was opened."""
    events: list[Event] = []
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        manager.subscribe(events.append)
        for parameter in ("level", "flow"):
            await manager.add("sick", "sim:bus", driver="careless", parameters=[parameter])
            assert [(s.parameter, s.status) for s in await manager.poll()] == [(parameter, Status.OK)]
            await manager.remove("sick")
    assert EventKind.DRIVER_FAILED not in [event.kind for event in events]


class LibraryPanic(BaseException):
    """What a compiled library raises that aborts."""


@pytest.mark.parametrize(
    "error",
    [
        SystemExit("of a library"),
        LibraryPanic("of a library"),
        asyncio.CancelledError("of a library's future"),
        BaseExceptionGroup("of a library", [asyncio.CancelledError(), ValueError(), SystemExit()]),
    ],
)
async def test_an_exception_that_would_end_the_task_is_a_mistake_of_the_driver(
    careless: Registry, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(samples: list[Sample]) -> Any:
        raise error

    monkeypatch.setattr(Careless, "mistake", staticmethod(fail))
    rows, events = await recorded_beside_a_neighbour(careless, duration=1)
    assert [sample.status for sample in rows if sample.device == "neighbour"] == [Status.OK] * 20
    assert [sample.status for sample in rows if sample.device == "sick"] == [Status.MISSING] * 20
    assert [(event.kind, event.device) for event in events] == [(EventKind.DRIVER_FAILED, "sick")]


async def test_a_cancelled_poll_is_cancelled(careless: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(device: Careless, line: HeldLine[Ask, str] | None = None) -> list[Sample]:
        await anyio.sleep(100)
        return []

    monkeypatch.setattr(Careless, "poll", sleep)
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        await manager.add("sick", "sim:bus", driver="careless")
        with anyio.move_on_after(1) as scope:
            await manager.poll()
        assert scope.cancelled_caught


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [UnprintableError(), ValueError("a\0b\udc80")])
async def test_the_text_of_a_foreign_error_can_be_stored(
    careless: Registry, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(samples: list[Sample]) -> Any:
        raise error

    monkeypatch.setattr(Careless, "mistake", staticmethod(fail))
    events: list[Event] = []
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        manager.subscribe(events.append)
        await manager.add("sick", "sim:bus", driver="careless")
        samples = await manager.poll()
    texts = [sample.error or "" for sample in samples] + [event.message for event in events]
    assert len(texts) >= 3
    assert all(type(error).__name__ in text and "\0" not in text for text in texts)
    assert "".join(texts).encode()


@pytest.mark.parametrize("timeout", [0.5, 8.0])
async def test_the_timeout_of_a_device_is_applied_by_the_core(careless: Registry, timeout: float) -> None:
    driver = careless.drivers["careless"]
    wire = FaultyWire(ToyDriver().simulator(ToyConfig(name="x", driver="toy", port="-")))
    async with Manager(registry=careless, clock=LoopClock()) as manager:
        await manager.add("sick", SimulatedTransport(wire), driver=driver.name, timeout=timeout)
        wire.plugged = False
        began = anyio.current_time()
        await manager.poll()
        assert anyio.current_time() - began == pytest.approx(timeout, abs=0.2)


async def test_the_clock_of_the_rig_stamps_every_row_also_the_missing_ones(careless: Registry) -> None:
    clock = LoopClock()
    clock.step_ns = 10**18
    wire = FaultyWire(ToyDriver().simulator(ToyConfig(name="x", driver="toy", port="-")))
    async with Manager(registry=careless, clock=clock) as manager:
        await manager.add("sick", SimulatedTransport(wire), driver="careless")
        good = await manager.poll()
        wire.plugged = False
        missing = await manager.poll()
        assert {sample.status for sample in good + missing} == {Status.OK, Status.MISSING}
        assert all(abs(sample.stamp.received_ns - clock.utc_ns()) < 10**12 for sample in good + missing)


async def test_an_echo_is_removed_although_the_driver_does_not_know_of_it(registry: Registry) -> None:
    class Echoing(SimulatedTransport):
        async def send(self, data: bytes) -> None:
            self.echoed = data
            await super().send(data)

        async def receive(self) -> bytes:
            echoed, self.echoed = self.echoed, b""
            return echoed or await super().receive()

    simulator = ToyDriver().simulator(ToyConfig(name="x", driver="toy", port="-"))
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", Echoing(FaultyWire(simulator)), driver="toy", echo=True)
        assert [sample.status for sample in await manager.poll()] == [Status.OK] * 2


async def test_two_plugins_with_one_protocol_name_never_share_a_client(registry: Registry) -> None:
    """Both call their protocol ``toy``; a port belongs to whichever came first."""
    registry.drivers["stranger"] = type("Stranger", (ToyDriver,), {"name": "stranger"})()
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:bus", driver="toy", address=1)
        with pytest.raises(LinkConflictError, match="protocol 'toy' of driver stranger is not the protocol of one"):
            await manager.add("two", "sim:bus", driver="stranger", address=2)
        assert manager.names == ["one"]
        await manager.add("two", "sim:other", driver="stranger", address=2)


async def test_drivers_with_the_same_client_factory_share_a_port(registry: Registry) -> None:
    def connect(connection: Connection) -> ToyClient:
        return ProtocolClient(connection, ToyCodec(), timeout=0.3)

    shared = {"client_factory": lambda self, link: connect}
    for name in ("first", "second"):
        registry.drivers[name] = type(name, (ToyDriver,), {"name": name, **shared})()
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        one = await manager.add("one", "sim:bus", driver="first", address=1)
        two = await manager.add("two", "sim:bus", driver="second", address=2)
        assert isinstance(one, Toy)
        assert isinstance(two, Toy)
        assert one.client is two.client


async def test_a_lost_transport_is_closed_at_once_and_the_line_knows_that_it_was_opened_again(
    registry: Registry, toy: ToyDriver
) -> None:
    """Otherwise each loss would leak a descriptor, and half a frame from before would stay in the buffer."""
    closed: list[SimulatedTransport] = []

    class Watched(SimulatedTransport):
        async def aclose(self) -> None:
            closed.append(self)
            await super().aclose()

    async with Manager(registry=registry, clock=LoopClock()) as manager:
        one = await manager.add("one", "sim:1", driver="toy")
        assert isinstance(one, Toy)
        port = manager.port("sim:1")
        assert isinstance(port.transport.inner, SimulatedTransport)
        watched = Watched(port.transport.inner.peer)
        port.transport.inner = watched
        toy.simulators["one"].silent = True
        with pytest.raises(ReplyTimeoutError):
            await one.client.transact(Ask(1, "level"))
        watched.cut()
        assert {sample.status for sample in await manager.poll()} == {Status.SKIPPED}
        assert closed == [watched]
        toy.simulators["one"].silent = False
        await anyio.sleep(1)
        reopened = anyio.current_time()
        assert {sample.status for sample in await manager.poll()} == {Status.OK}
        # A line that is told of the reopening holds off for 0.25 s at most, whatever the failure before it demanded.
        assert anyio.current_time() - reopened < 0.35


async def test_faults_on_a_port_of_careless_devices_never_become_values(careless: Registry) -> None:
    for fault in Fault:
        wire = FaultyWire(ToyDriver().simulator(ToyConfig(name="x", driver="toy", port="-")))
        async with Manager(registry=careless, clock=LoopClock()) as manager:
            await manager.add("sick", SimulatedTransport(wire), driver="careless")
            wire.set_rates({fault: 0.3})
            for _ in range(20):
                with anyio.fail_after(60):
                    assert len(await manager.poll()) == 2

"""A plugin that waits for ever costs its own rows only: its call is cancelled after a limit, and the port is free."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from toy import Ask, Toy, ToyClient, ToyCodec, ToyConfig, ToyDriver

from riglog.acquire import record
from riglog.device import DRIVER_ERROR, Device, DeviceContext, Pace
from riglog.errors import DeviceError
from riglog.manager import Manager
from riglog.manager.breaker import OVERDUE_FACTOR
from riglog.manager.time_limit import CLOSE_SECONDS, OPEN_SECONDS, POLL_SECONDS, poll_seconds
from riglog.model import Batch, Event, EventKind, Sample, Status
from riglog.plugin import DirectConfig, DirectDriver, Registry
from riglog.protocol import Connection, HeldLine, ProtocolClient
from riglog.simulation import SimulatedTransport
from riglog.testing import LoopClock

Hook = Callable[[], Awaitable[Any]]


async def hang() -> None:
    await anyio.sleep_forever()


class Hanging(Toy):
    """``hooks`` replaces methods of the device that has the name ``sick``."""

    def __init__(self, config: ToyConfig, client: ToyClient, context: DeviceContext, hooks: dict[str, Hook]) -> None:
        super().__init__(config, client, context)
        self.hooks = hooks if context.device == "sick" else {}
        self.closed = False

    async def open(self) -> None:
        await self.hooks.get("open", super().open)()

    async def identity(self, line: HeldLine[Ask, str] | None = None) -> str | None:
        if "identity" in self.hooks:
            await self.hooks["identity"]()
        return await super().identity(line)

    async def reconnected(self, line: HeldLine[Ask, str] | None = None) -> None:
        await self.hooks.get("reconnected", anyio.lowlevel.checkpoint)()

    async def poll(self, line: HeldLine[Ask, str] | None = None) -> list[Sample]:
        if "poll" in self.hooks:
            await self.hooks["poll"]()
        return await super().poll(line)

    async def aclose(self) -> None:
        await self.hooks.get("aclose", anyio.lowlevel.checkpoint)()
        self.closed = True


class HangingDriver(ToyDriver):
    name = "hanging"

    def __init__(self) -> None:
        super().__init__()
        self.hooks: dict[str, Hook] = {}

    def device(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        return Hanging(config, client, context, self.hooks)


class Computed(Device):
    def __init__(self, context: DeviceContext, hooks: dict[str, Hook]) -> None:
        self.hooks = hooks
        self.channels = (context.channel("power"),)
        self.context = context

    async def open(self) -> None:
        await self.hooks.get("open", anyio.lowlevel.checkpoint)()

    async def poll(self) -> list[Sample]:
        await self.hooks.get("poll", anyio.lowlevel.checkpoint)()
        return []

    async def aclose(self) -> None:
        await self.hooks.get("aclose", anyio.lowlevel.checkpoint)()


class ComputedDriver(DirectDriver[DirectConfig]):
    name = "computed"
    summary = "a computed value for tests"
    config = DirectConfig

    def __init__(self) -> None:
        self.hooks: dict[str, Hook] = {}

    async def open(self, config: DirectConfig, context: DeviceContext) -> Device:
        await self.hooks.get("driver", anyio.lowlevel.checkpoint)()
        return Computed(context, self.hooks)


@pytest.fixture
def driver(registry: Registry) -> HangingDriver:
    made = HangingDriver()
    registry.drivers["hanging"] = made
    return made


@pytest.fixture
def computed(registry: Registry) -> ComputedDriver:
    made = ComputedDriver()
    registry.drivers["computed"] = made
    return made


async def seconds_of(call: Awaitable[object]) -> float:
    began = anyio.current_time()
    await call
    return anyio.current_time() - began


async def rig_of(registry: Registry, events: list[Event]) -> Manager:
    """Return a rig with a sick device and a neighbour on one port, another port, and a device without a port."""
    manager = Manager(registry=registry, clock=LoopClock())
    manager.subscribe(events.append)
    await manager.add("before", "sim:bus", driver="hanging", address=1)
    await manager.add("sick", "sim:bus", driver="hanging", address=2)
    await manager.add("elsewhere", "sim:other", driver="hanging")
    await manager.add("value", driver="computed")
    return manager


async def test_a_device_that_does_not_close_is_named_and_everything_else_is_closed(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver
) -> None:
    driver.hooks["aclose"] = computed.hooks["aclose"] = hang
    events: list[Event] = []
    manager = await rig_of(registry, events)
    devices = [manager.get(name) for name in ("before", "elsewhere")]
    ports = [manager.port("sim:bus"), manager.port("sim:other")]
    assert await seconds_of(manager.close()) == pytest.approx(CLOSE_SECONDS, abs=0.1)
    assert all(isinstance(device, Hanging) and device.closed for device in devices)
    assert [port.transport.inner for port in ports] == [None, None]
    text = f"{DRIVER_ERROR}: aclose() did not return within 2 s"
    failed = [(event.kind, event.device, event.message) for event in events]
    assert sorted(failed, key=lambda one: str(one[1])) == [
        (EventKind.DRIVER_FAILED, "sick", text),
        (EventKind.DRIVER_FAILED, "value", text),
    ]


async def test_leaving_the_block_of_a_rig_that_is_cancelled_is_bounded_too(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver
) -> None:
    driver.hooks["aclose"] = hang
    began = anyio.current_time()
    manager = await rig_of(registry, [])
    with anyio.CancelScope() as scope:
        async with manager:
            scope.cancel()
            await anyio.sleep(1)
    assert anyio.current_time() - began < CLOSE_SECONDS + 1
    assert manager.names == []


async def test_removing_a_device_that_does_not_close_is_bounded_and_its_name_is_free_again(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver
) -> None:
    driver.hooks["aclose"] = hang
    manager = await rig_of(registry, [])
    assert await seconds_of(manager.remove("sick")) == pytest.approx(CLOSE_SECONDS, abs=0.1)
    driver.hooks.clear()
    await manager.add("sick", "sim:bus", driver="hanging", address=2)
    assert {sample.status for sample in await manager.poll(["sick"])} == {Status.OK}
    await manager.close()


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(), BaseExceptionGroup("x", [SystemExit()])])
async def test_a_device_that_raises_the_end_of_a_task_while_it_closes_keeps_no_other_open(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver, error: BaseException
) -> None:
    async def fail() -> None:
        raise error

    driver.hooks["aclose"] = fail
    manager = await rig_of(registry, [])
    ports = [manager.port("sim:bus"), manager.port("sim:other")]
    with pytest.raises(ExceptionGroup) as caught:
        await manager.close()
    assert [str(each) for each in caught.value.exceptions] == [
        f"sick: {DRIVER_ERROR}: aclose(): {type(error).__name__}" + (": x (1 sub-exception)" if error.args else "")
    ]
    assert [port.transport.inner for port in ports] == [None, None]


async def test_a_port_that_does_not_close_keeps_no_other_open(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(SimulatedTransport):
        async def aclose(self) -> None:
            await anyio.sleep_forever()

    manager = await rig_of(registry, [])
    bus, other = manager.port("sim:bus"), manager.port("sim:other")
    assert isinstance(bus.transport.inner, SimulatedTransport)
    bus.transport.inner = Stuck(bus.transport.inner.peer)
    assert await seconds_of(manager.close()) == pytest.approx(CLOSE_SECONDS, abs=0.1)
    assert other.transport.inner is None
    assert [record.getMessage() for record in caplog.records if "did not close" in record.getMessage()] == [
        "sim:bus: the port did not close within 2 s"
    ]


async def recorded(manager: Manager, duration: float, rate_hz: float = 1) -> list[Sample]:
    batches: list[Batch] = []
    async with record(manager, rate_hz=rate_hz, duration=duration, clock=LoopClock()) as recording:
        async for batch in recording.stream:
            batches.append(batch)
    return [sample for batch in batches for sample in batch.samples if sample.parameter != "flow"]


@pytest.mark.parametrize("hook", ["poll", "identity", "reconnected"])
async def test_a_call_that_hangs_releases_the_port_and_is_retried_seldom(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver, hook: str
) -> None:
    events: list[Event] = []
    manager = await rig_of(registry, events)
    limit = poll_seconds(manager.get("sick"))
    assert limit is not None
    assert limit >= POLL_SECONDS
    await manager.poll()
    driver.hooks[hook] = hang
    session = manager.port("sim:bus")
    session.devices["sick"].require_identity_check()
    samples = await recorded(manager, 400)
    of = {name: [sample for sample in samples if sample.device == name] for name in ("before", "sick", "elsewhere")}
    assert len(of["sick"]) == len(of["before"]) == len(of["elsewhere"]) == 400
    assert {sample.status for sample in of["elsewhere"]} == {Status.OK}
    assert all(sample.value is None for sample in of["sick"])
    lost = [sample for sample in of["before"] if sample.status is not Status.OK]
    assert limit - 2 <= len(lost) <= (400 / (limit * OVERDUE_FACTOR) + 1) * (limit + 1)
    failed = [event for event in events if event.kind is EventKind.DRIVER_FAILED]
    assert [(event.device, event.message) for event in failed if event.device != "value"] == [
        ("sick", f"{DRIVER_ERROR}: {hook}() did not return within {limit:g} s")
    ]
    if hook == "poll":
        assert "no value: the poll has not returned" in {sample.error for sample in of["sick"]}
    driver.hooks.clear()
    await anyio.sleep(limit * OVERDUE_FACTOR)
    assert {sample.status for sample in await manager.poll(["before", "sick"])} == {Status.OK}
    await manager.close()


async def test_an_honest_poll_with_every_reply_at_the_last_retry_is_not_cut(registry: Registry) -> None:
    class Slow(ToyDriver):
        name = "slow"

        def connect(self, connection: Connection) -> ToyClient:
            return ProtocolClient(connection, ToyCodec(), timeout=8.0, retries=3)

    registry.drivers["slow"] = slow = Slow()
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="slow")
        simulator = slow.simulators["one"]
        answer, asked = simulator.receive, 0

        def at_last(data: bytes, now: float) -> bytes:
            nonlocal asked
            if b"who" in data:  # the resync request
                return answer(data, now)
            asked += 1
            return answer(data, now) if asked % 4 == 0 else b""

        simulator.receive = at_last  # type: ignore[method-assign]
        began = anyio.current_time()
        samples = await manager.poll()
        assert anyio.current_time() - began > POLL_SECONDS
        assert {sample.status for sample in samples} == {Status.OK}


@pytest.mark.parametrize("hook", ["open", "identity"])
async def test_opening_a_device_that_hangs_fails_after_a_limit(
    registry: Registry, driver: HangingDriver, computed: ComputedDriver, hook: str
) -> None:
    driver.hooks[hook] = hang
    manager = Manager(registry=registry, clock=LoopClock())
    await manager.add("before", "sim:bus", driver="hanging", address=1)
    with pytest.raises(DeviceError, match=rf"{hook}\(\) did not return within \d+ s") as caught:
        await manager.add("sick", "sim:bus", driver="hanging", address=2)
    assert caught.value.context["device"] == "sick"
    assert manager.names == ["before"]
    await manager.close()


@pytest.mark.parametrize("hook", ["driver", "open"])
async def test_opening_a_device_without_a_port_that_hangs_fails_after_a_limit(
    registry: Registry, computed: ComputedDriver, hook: str
) -> None:
    computed.hooks[hook] = computed.hooks["aclose"] = hang
    manager = Manager(registry=registry, clock=LoopClock())
    began = anyio.current_time()
    with pytest.raises(DeviceError, match=r"open\(\) did not return within 120 s"):
        await manager.add("value", driver="computed")
    assert anyio.current_time() - began < OPEN_SECONDS + CLOSE_SECONDS + 1
    assert manager.names == []


async def test_a_device_that_sets_its_own_pace_may_wait_for_ever(registry: Registry, computed: ComputedDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        device = await manager.add("value", driver="computed")
        device.pace = Pace.DEVICE
        computed.hooks["poll"] = hang
        assert poll_seconds(device) is None
        with anyio.move_on_after(10_000) as scope:
            await manager.sources()[0].poll()
        assert scope.cancelled_caught

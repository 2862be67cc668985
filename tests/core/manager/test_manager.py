"""The rig: what is shared, what is refused, what is closed, and that nothing leaks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from toy import Ask, Toy, ToyCodec, ToyConfig, ToyDriver, ToySimulator

from riglog.device import DeviceContext
from riglog.errors import (
    ConfigError,
    ConnectionLostError,
    DeviceError,
    DeviceRefusedError,
    LinkConflictError,
    PortError,
    ReplyTimeoutError,
    UnknownDriverError,
)
from riglog.manager import Manager
from riglog.model import ErrorPolicy, Event, EventKind, Status
from riglog.plugin import Registry
from riglog.protocol import Connection, ProtocolClient
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.testing import LoopClock
from riglog.transport import Link

LINK = Link(protocol="toy")


@asynccontextmanager
async def rig(registry: Registry, **options: object) -> AsyncIterator[Manager]:
    async with Manager(registry=registry, clock=LoopClock(), **options) as manager:  # type: ignore[arg-type]
        yield manager


async def test_devices_on_one_port_share_its_client_and_the_last_one_closes_it(registry: Registry) -> None:
    async with rig(registry) as manager:
        one = await manager.add("one", "sim:bus", driver="toy", address=1)
        two = await manager.add("two", "sim:bus", driver="toy", address=2)
        assert isinstance(one, Toy)
        assert isinstance(two, Toy)
        assert one.client is two.client
        transport = one.client.transport
        await manager.remove("one")
        assert [sample.device for sample in await manager.poll()] == ["two", "two"]
        await manager.remove("two")
        with pytest.raises(ConnectionLostError):
            await transport.receive()
        assert manager.names == []


async def test_a_poll_gives_one_sample_per_channel_in_the_order_of_the_rig(registry: Registry) -> None:
    async with rig(registry) as manager:
        await manager.add("b", "sim:2", driver="toy")
        await manager.add("a", "sim:1", driver="toy", parameters=["flow"])
        samples = await manager.poll()
        assert (
            [str(sample.channel) for sample in samples]
            == ["b.level", "b.flow", "a.flow"]
            == list(map(str, manager.channels))
        )
        assert [str(sample.channel) for sample in await manager.poll(["a"])] == ["a.flow"]


@pytest.mark.parametrize(
    ("second", "error", "words"),
    [
        ({"name": "one", "address": 2}, ConfigError, "duplicate device name 'one'"),
        ({"driver": "tou"}, UnknownDriverError, "unknown driver 'tou'"),
        ({"adress": 2}, ConfigError, r"device.adress: unknown key"),
        ({"address": 1}, ConfigError, "address 1 is already used by one"),
        ({"address": 2, "baudrate": 19200}, LinkConflictError, "baudrate 19200 here, 9600 there"),
        ({"address": None}, LinkConflictError, "two cannot share a port"),
        ({"address": "two"}, ConfigError, r"device.address: invalid value 'two'; expected a whole number"),
    ],
)
async def test_what_cannot_be_added_is_refused_with_the_reason_and_without_a_byte(
    registry: Registry, second: dict[str, object], error: type[Exception], words: str
) -> None:
    async with rig(registry) as manager:
        one = await manager.add("one", "sim:bus", driver="toy", address=1)
        assert isinstance(one, Toy)
        asked = one.client.counters.requests
        wanted = {"name": "two", "driver": "toy", **second}
        with pytest.raises(error, match=words.replace("|", r"\|")):
            await manager.add(wanted.pop("name"), "sim:bus", **wanted)  # type: ignore[arg-type]
        assert one.client.counters.requests == asked
        assert manager.names == ["one"]


async def test_a_device_that_does_not_answer_is_not_added_and_its_port_is_closed(
    registry: Registry, toy: ToyDriver
) -> None:
    opened: list[SimulatedTransport] = []

    class Silent(ToyDriver):
        def simulator(self, config: ToyConfig) -> ToySimulator:
            return ToySimulator(99)

        def connect(self, connection):  # type: ignore[no-untyped-def]
            opened.append(connection.transport.inner)
            return super().connect(connection)

    registry.drivers["toy"] = Silent()
    async with rig(registry) as manager:
        with pytest.raises(ReplyTimeoutError) as caught:
            await manager.add("one", "sim:bus", driver="toy")
        assert caught.value.context["device"] == "one"
        assert manager.names == []
        with pytest.raises(anyio.ClosedResourceError):
            await opened[0].receive()


async def test_an_add_that_is_cancelled_leaves_nothing_behind(registry: Registry) -> None:
    opened: list[SimulatedTransport] = []

    class Watched(ToyDriver):
        def connect(self, connection):  # type: ignore[no-untyped-def]
            opened.append(connection.transport.inner)
            return super().connect(connection)

    registry.drivers["toy"] = Watched()
    async with rig(registry) as manager:
        with anyio.move_on_after(0.001) as scope:
            await manager.add("one", "sim:bus", driver="toy")
        assert scope.cancelled_caught
        assert manager.names == []
        with pytest.raises(anyio.ClosedResourceError):
            await opened[0].receive()
        await manager.add("one", "sim:bus", driver="toy")
        assert (await manager.poll())[0].status is Status.OK


async def test_a_transport_that_is_handed_in_is_used_and_not_closed(registry: Registry) -> None:
    transport = SimulatedTransport(FaultyWire(ToySimulator(1)))
    async with rig(registry) as manager:
        await manager.add("one", transport, driver="toy")
        assert (await manager.poll())[0].status is Status.OK
    await transport.send(b"still open")


async def test_a_ready_device_is_polled_and_not_closed(registry: Registry) -> None:
    client = ProtocolClient(Connection(SimulatedTransport(FaultyWire(ToySimulator(1))), LINK, LoopClock()), ToyCodec())
    context = DeviceContext(device="mine", driver="toy", protocol="toy", address=1, clock=LoopClock())
    device = Toy(ToyConfig(name="mine", driver="toy", port="-"), client, context)
    async with rig(registry) as manager:
        assert await manager.add("mine", device) is device
        with pytest.raises(ConfigError):
            await manager.add("mine", device)
        assert [sample.status for sample in await manager.poll()] == [Status.OK] * 2
    await client.transact(Ask(1, "level"))


async def test_closing_removes_the_last_device_first_and_collects_what_goes_wrong(registry: Registry) -> None:
    closed: list[str] = []

    class Grumpy(Toy):
        async def aclose(self) -> None:
            closed.append(self.name)
            raise PortError(f"{self.name} would not close")

    class GrumpyDriver(ToyDriver):
        def device(self, config, client, context):  # type: ignore[no-untyped-def]
            return Grumpy(config, client, context)

    registry.drivers["toy"] = GrumpyDriver()
    manager = Manager(registry=registry, clock=LoopClock())
    for number in (1, 2, 3):
        await manager.add(f"d{number}", "sim:bus", driver="toy", address=number)
    with pytest.raises(ExceptionGroup) as caught:
        await manager.close()
    assert closed == ["d3", "d2", "d1"]
    assert len(caught.value.exceptions) == 3
    assert manager.names == []
    with pytest.raises(ConfigError, match="closed"):
        await manager.add("d4", "sim:bus", driver="toy")


async def test_an_exception_that_ends_the_block_wins_over_trouble_at_closing(registry: Registry) -> None:
    class Grumpy(Toy):
        async def aclose(self) -> None:
            raise PortError("would not close")

    class GrumpyDriver(ToyDriver):
        def device(self, config, client, context):  # type: ignore[no-untyped-def]
            return Grumpy(config, client, context)

    registry.drivers["toy"] = GrumpyDriver()
    with pytest.raises(ZeroDivisionError):
        async with rig(registry) as manager:
            await manager.add("one", "sim:bus", driver="toy")
            raise ZeroDivisionError


async def test_execute_collects_every_result_and_raises_them_together_or_returns_them(registry: Registry) -> None:
    async def ask(device: object, parameter: str) -> str:
        assert isinstance(device, Toy)
        return str((await device.client.transact(Ask(1, parameter))).reply)

    for policy in ErrorPolicy:
        async with rig(registry, error_policy=policy) as manager:
            await manager.add("good", "sim:1", driver="toy")
            await manager.add("bad", "sim:2", driver="toy")
            requests = {"good": "who", "bad": "mass"}
            if policy is ErrorPolicy.RAISE:
                with pytest.raises(ExceptionGroup) as caught:
                    await manager.execute(ask, requests)
                assert isinstance(caught.value.exceptions[0], DeviceRefusedError)
                continue
            results = await manager.execute(ask, requests)
            assert (results["good"].value, results["good"].ok) == ("toy", True)
            assert isinstance(results["bad"].error, DeviceRefusedError)
            assert results["bad"].error.context["device"] == "bad"
            with pytest.raises(ConfigError, match="unknown device 'ugly'"):
                await manager.execute(ask, {"ugly": "who"})


async def test_poll_each_gives_one_result_per_device(registry: Registry) -> None:
    async with rig(registry) as manager:
        await manager.add("one", "sim:1", driver="toy")
        await manager.add("two", "sim:1", driver="toy", address=2)
        results = await manager.poll_each()
        assert {name: [sample.device for sample in result.value or ()] for name, result in results.items()} == {
            "one": ["one", "one"],
            "two": ["two", "two"],
        }


async def test_a_device_that_does_not_respond_is_an_error_of_poll_each(registry: Registry, toy: ToyDriver) -> None:
    for policy in ErrorPolicy:
        async with rig(registry, error_policy=policy) as manager:
            await manager.add("good", "sim:1", driver="toy")
            await manager.add("dead", "sim:2", driver="toy")
            toy.simulators["dead"].silent = True
            if policy is ErrorPolicy.RAISE:
                with pytest.raises(ExceptionGroup) as caught:
                    await manager.poll_each()
                assert [type(error) for error in caught.value.exceptions] == [ReplyTimeoutError]
                continue
            results = await manager.poll_each()
            assert (results["good"].ok, results["dead"].ok) == (True, False)
            assert isinstance(results["dead"].error, ReplyTimeoutError)
            assert [sample.status for sample in results["dead"].value or ()] == [Status.MISSING] * 2


async def test_a_device_that_refuses_everything_is_an_error_of_another_kind(registry: Registry) -> None:
    async with rig(registry, error_policy=ErrorPolicy.RETURN) as manager:
        await manager.add("refuses", "sim:1", driver="toy", parameters=["mass"])
        error = (await manager.poll_each())["refuses"].error
        assert isinstance(error, DeviceError)
        assert error.message == "no such parameter"


async def test_an_unknown_name_is_an_error_wherever_names_are_given(registry: Registry) -> None:
    async with rig(registry) as manager:
        await manager.add("one", "sim:1", driver="toy")
        for call in (manager.poll, manager.poll_each):
            with pytest.raises(ConfigError, match="unknown device 'two'"):
                await call(["one", "two"])


async def test_what_a_device_writes_is_an_event(registry: Registry) -> None:
    events: list[Event] = []
    async with rig(registry) as manager:
        manager.subscribe(events.append)
        device = await manager.add("one", "sim:1", driver="toy")
        device.wrote("level = 7 mm")
    assert [(event.kind, event.device, event.message) for event in events] == [(EventKind.WRITE, "one", "level = 7 mm")]

"""Devices without a port: a driver gives open(), and nothing else; failure handling works for it as for the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from riglog.acquire import record
from riglog.device import Device, DeviceContext, Pace
from riglog.errors import ConfigError, ConnectionLostError, DeviceError, ReplyTimeoutError
from riglog.manager import Manager
from riglog.model import Batch, Event, EventKind, Sample, Stamp, Status
from riglog.plugin import DirectConfig, DirectDriver, Registry
from riglog.testing import LoopClock


class Hardware:
    """What the vendor's library would talk to."""

    def __init__(self) -> None:
        self.present = True
        self.responding = True
        self.serial = "A1"
        self.opened = self.closed = self.reads = 0


class Card(Device):
    def __init__(self, context: DeviceContext, hardware: Hardware) -> None:
        self.context = context
        self.hardware = hardware
        self.channels = (context.channel("temperature", unit="degC"), context.channel("pressure", unit="bar"))

    async def open(self) -> None:
        if not self.hardware.present:
            raise DeviceError("no card found")
        self.hardware.opened += 1

    async def identity(self) -> str | None:
        return self.hardware.serial

    async def poll(self) -> list[Sample]:
        if not self.hardware.present:
            raise ConnectionLostError("the card was removed")
        if not self.hardware.responding:
            raise ReplyTimeoutError("no result within 1 s", reason="blocking_call")
        self.hardware.reads += 1
        clock = self.context.clock
        stamp = Stamp(clock.utc_ns(), None, clock.monotonic_ns())
        return [
            Sample(channel=channel, stamp=stamp, value=float(self.hardware.reads), unit=channel.unit)
            for channel in self.channels
        ]

    async def aclose(self) -> None:
        self.hardware.closed += 1


class CardConfig(DirectConfig, kw_only=True, frozen=True):
    slot: int = 1


class CardDriver(DirectDriver[CardConfig]):
    name = "card"
    summary = "A card for tests"
    config = CardConfig

    def __init__(self) -> None:
        self.hardware = Hardware()

    async def open(self, config: CardConfig, context: DeviceContext) -> Device:
        return Card(context, self.hardware)


@pytest.fixture
def card(registry: Registry) -> CardDriver:
    driver = CardDriver()
    registry.drivers["card"] = driver
    return driver


@asynccontextmanager
async def recorded(manager: Manager, duration: float) -> AsyncIterator[tuple[list[Batch], list[Event]]]:
    batches: list[Batch] = []
    events: list[Event] = []

    async def take() -> None:
        async for batch in active.stream:
            batches.append(batch)

    end = manager.subscribe(events.append)
    async with record(manager, rate_hz=10, duration=duration, clock=LoopClock()) as active:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            yield batches, events
    end()


def statuses(batches: list[Batch]) -> list[Status]:
    return [batch.samples[0].status for batch in batches]


async def test_it_needs_no_port_and_its_channels_say_who_it_is(registry: Registry, card: CardDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        device = await manager.add("ambient", driver="card", slot=2)
        assert [(one.device, one.driver, one.protocol, one.address) for one in device.channels] == [
            ("ambient", "card", "card", None)
        ] * 2
        assert [sample.value for sample in await manager.poll()] == [1.0, 1.0]
    assert (card.hardware.opened, card.hardware.closed) == (1, 1)


async def test_a_port_is_refused_as_an_unknown_key(registry: Registry, card: CardDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        with pytest.raises(ConfigError, match="port: unknown key"):
            await manager.add("ambient", "/dev/ttyUSB0", driver="card")
        assert card.hardware.opened == 0


async def test_what_cannot_be_opened_is_not_added(registry: Registry, card: CardDriver) -> None:
    card.hardware.present = False
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        with pytest.raises(DeviceError, match="no card found"):
            await manager.add("ambient", driver="card")
        assert manager.names == []


async def test_the_selected_parameters_stay_selected_when_a_lost_card_is_opened_again(
    registry: Registry, card: CardDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_and_find_channels(device: Card) -> None:
        await original(device)
        device.channels = tuple(device.context.channel(name) for name in found)

    original, found = Card.open, ["temperature", "pressure"]
    monkeypatch.setattr(Card, "open", open_and_find_channels)
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card", parameters=["temperature"])

        async def interrupted() -> list[tuple[str, Status]]:
            card.hardware.present = False
            await manager.poll()
            card.hardware.present = True
            await anyio.sleep(2)
            return [(sample.parameter, sample.status) for sample in await manager.poll()]

        assert await interrupted() == [("temperature", Status.OK)]
        found.append("humidity")
        assert await interrupted() == [("temperature", Status.SKIPPED)]
        found.pop()
        assert await interrupted() == [("temperature", Status.OK)]


async def test_it_is_recorded_beside_devices_on_ports(registry: Registry, card: CardDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card")
        await manager.add("one", "sim:1", driver="toy")
        async with recorded(manager, 2) as (batches, _):
            pass
    for device in ("ambient", "one"):
        assert [batch.tick for batch in batches if batch.samples[0].device == device] == list(range(20))


async def test_a_lost_card_is_opened_again_and_its_slots_in_between_are_skipped(
    registry: Registry, card: CardDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card")
        async with recorded(manager, 10) as (batches, events):
            await anyio.sleep(2.05)
            card.hardware.present = False
            await anyio.sleep(3)
            card.hardware.present = True
    assert [batch.tick for batch in batches] == list(range(100))
    found = statuses(batches)
    assert found[:21] == [Status.OK] * 21
    assert found[21:50] == [Status.SKIPPED] * 29
    assert found[60:] == [Status.OK] * 40
    assert [event.kind for event in events] == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]
    assert card.hardware.opened == 2


async def test_another_card_under_the_old_name_is_not_recorded(registry: Registry, card: CardDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card")
        async with recorded(manager, 5) as (batches, events):
            await anyio.sleep(1.05)
            card.hardware.present = False
            await anyio.sleep(0.5)
            card.hardware.serial, card.hardware.present = "B2", True
    assert Status.OK not in statuses(batches)[11:]
    wrong = [event.message for event in events if event.kind is EventKind.WRONG_INSTRUMENT]
    assert wrong == ["wrong instrument: expected A1, found B2; values are not recorded"]


async def test_another_card_is_noticed_without_an_interruption(registry: Registry, card: CardDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card", identity_check=2)
        async with recorded(manager, 10) as (batches, events):
            await anyio.sleep(5.05)
            card.hardware.serial = "B2"
    (wrong,) = [event.message for event in events if event.kind is EventKind.WRONG_INSTRUMENT]
    assert wrong.startswith("wrong instrument: expected A1, found B2; values are not recorded; those from 2027-01-15T")
    assert [batch.tick for batch in batches] == list(range(100))
    assert statuses(batches)[:51] == [Status.OK] * 51
    assert statuses(batches)[71:] == [Status.SKIPPED] * 29


async def test_a_card_that_does_not_respond_is_suspended_and_taken_in_again(
    registry: Registry, card: CardDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card")
        async with recorded(manager, 20) as (batches, events):
            await anyio.sleep(1.05)
            card.hardware.responding = False
            await anyio.sleep(8)
            card.hardware.responding = True
    assert [event.kind for event in events] == [EventKind.DEVICE_NOT_RESPONDING, EventKind.DEVICE_RESPONDING]
    found = statuses(batches)
    assert found.count(Status.MISSING) < 10
    assert found.count(Status.SKIPPED) > 60
    assert found[130:] == [Status.OK] * 70


async def test_a_card_that_reports_missing_values_itself_is_suspended_too(
    registry: Registry, card: CardDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def poll(self: Card) -> list[Sample]:
        stamp = Stamp(0, None, self.context.clock.monotonic_ns())
        return [
            Sample(channel=channel, stamp=stamp, value=None, unit=None, status=Status.MISSING, error="no answer")
            for channel in self.channels
        ]

    monkeypatch.setattr(Card, "poll", poll)
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card")
        async with recorded(manager, 5) as (_, events):
            pass
    assert [event.kind for event in events] == [EventKind.DEVICE_NOT_RESPONDING]


async def test_the_core_keeps_only_the_parameters_that_are_configured(registry: Registry, card: CardDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        device = await manager.add("ambient", driver="card", parameters=["pressure"], rate_hz=5.0)
        assert [channel.parameter for channel in device.channels] == ["pressure"]
        assert [sample.parameter for sample in await manager.poll()] == ["pressure"]
        assert device.rate_hz == 5.0
        with pytest.raises(ConfigError, match="parameters: unknown parameter 'volume'") as caught:
            await manager.add("second", driver="card", parameters=["volume"])
        assert caught.value.hint == "Available: temperature, pressure"
        assert manager.names == ["ambient"]


async def test_a_device_without_a_port_may_set_its_own_pace(registry: Registry, card: CardDriver) -> None:
    class Stream(Card):
        pace = Pace.DEVICE

        async def poll(self) -> list[Sample]:
            await anyio.sleep(0.5)
            return [*await super().poll(), *await super().poll()]

    card.open = lambda config, context: _soon(Stream(context, card.hardware))  # type: ignore[method-assign]
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("ambient", driver="card")
        async with recorded(manager, 5.2) as (batches, events):
            await anyio.sleep(2.6)
            card.hardware.present = False
            await anyio.sleep(1)
            card.hardware.present = True
    assert {batch.tick for batch in batches} == {None}
    assert len([batch for batch in batches if len(batch.samples) == 4]) >= 7
    assert [event.kind for event in events] == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]


async def _soon(device: Device) -> Device:
    return device

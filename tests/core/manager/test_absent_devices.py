"""A device that is not there at the start is waited for; it costs the other devices no slot."""

from collections.abc import Sequence
from typing import Any

import anyio
import msgspec
import pytest
from recorded_rig import kinds, recorded, rows
from toy import Ask, Toy, ToyClient, ToyConfig, ToyDriver

from riglog.acquire import ActiveRun
from riglog.device import Device, DeviceContext, Pace
from riglog.errors import ConfigError, DeviceError, PortNotFoundError, ReplyTimeoutError
from riglog.manager import Manager
from riglog.model import Batch, Event, EventKind, Sample, Stamp, Status
from riglog.plugin import DirectConfig, DirectDriver, Registry
from riglog.protocol import HeldLine
from riglog.simulation import Simulator
from riglog.testing import LoopClock
from riglog.transport import Transport

ABSENT, PRESENT = EventKind.DEVICE_ABSENT, EventKind.DEVICE_PRESENT


def new_manager(registry: Registry) -> Manager:
    return Manager(registry=registry, clock=LoopClock())


class Switches:
    """Decides which simulated instruments are off when they are connected."""

    def __init__(self, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch, *off: str) -> None:
        self.toy, self.off = toy, set(off)
        simulator = toy.simulator

        def made(config: ToyConfig) -> Simulator:
            found = simulator(config)
            toy.simulators[config.name].silent = config.name in self.off
            return found

        monkeypatch.setattr(toy, "simulator", made)

    def on(self, name: str) -> None:
        self.toy.simulators[name].silent = False


def statuses(batches: Sequence[Batch], device: str, parameter: str = "level") -> list[Status]:
    """The status of each row of one channel, in the order of the slots."""
    found = {
        batch.tick: sample.status
        for batch in batches
        for sample in batch.samples
        if (sample.device, sample.parameter) == (device, parameter)
    }
    assert list(found) == list(range(len(found)))
    return list(found.values())


def absences(recording: ActiveRun) -> list[tuple[EventKind, str | None]]:
    return [(event.kind, event.device) for event in recording.events if event.kind in (ABSENT, PRESENT)]


async def test_adding_an_absent_device_raises_by_default_and_adds_nothing(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Switches(toy, monkeypatch, "one")
    async with new_manager(registry) as manager:
        with pytest.raises(ReplyTimeoutError):
            await manager.add("one", "sim:1", driver="toy")
        assert manager.names == []


@pytest.mark.parametrize("rate_hz", [1, 10])
async def test_a_device_that_appears_later_is_recorded_from_the_next_slot(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch, rate_hz: float
) -> None:
    switches = Switches(toy, monkeypatch, "one")
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        assert list(manager.absent) == ["one"]
        async with recorded(manager, 20, rate_hz=rate_hz) as (recording, batches):
            await anyio.sleep(10.05)
            switches.on("one")
        assert manager.absent == {}
    found = statuses(batches, "one")
    assert len(found) == 20 * rate_hz
    first = found.index(Status.OK)
    assert set(found[:first]) == {Status.SKIPPED}
    # Replies to earlier requests may still arrive, and this protocol has no request that proves the order: the first
    # poll waits for a timeout of 0.3 s, those after it for the usual time.
    assert set(found[first + rate_hz :]) == {Status.OK}
    assert 10 * rate_hz < first <= 13 * rate_hz + 1
    reasons = {sample.error for batch in batches[:first] for sample in batch.samples}
    assert all(reason is not None and reason.startswith("device absent: no reply") for reason in reasons)
    assert absences(recording) == [(ABSENT, "one"), (PRESENT, "one")]


async def test_a_device_that_never_appears_has_a_row_for_each_slot(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Switches(toy, monkeypatch, "one")
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        async with recorded(manager, 1200, rate_hz=1) as (recording, batches):
            pass
        assert list(manager.absent) == ["one"]
    assert statuses(batches, "one") == [Status.SKIPPED] * 1200
    assert absences(recording) == [(ABSENT, "one")]


@pytest.mark.parametrize(
    ("rate_hz", "appears_within", "slots_lost"),
    [
        pytest.param(0.5, 6, 0, id="time for a timeout between two slots"),
        pytest.param(2, 6, 0, id="just time for a timeout"),
        pytest.param(2.5, 6, 4, id="time for a reply: a timeout is waited for every 120 s"),
        pytest.param(10, 121, 40, id="no time: tried at growing intervals", marks=pytest.mark.slow),
    ],
)
async def test_waiting_for_a_device_costs_the_others_of_its_port_no_slot_if_there_is_time(
    registry: Registry,
    toy: ToyDriver,
    monkeypatch: pytest.MonkeyPatch,
    rate_hz: float,
    appears_within: float,
    slots_lost: int,
) -> None:
    switches = Switches(toy, monkeypatch, "two", "three")
    async with new_manager(registry) as manager:
        for number, name in enumerate(("one", "two", "three"), start=1):
            await manager.add(name, "sim:bus", driver="toy", address=number, absent_ok=True)
        async with recorded(manager, 300, rate_hz=rate_hz) as (recording, batches):
            await anyio.sleep(100.05)
            switches.on("two")
        assert list(manager.absent) == ["three"]
    assert statuses(batches, "three") == [Status.SKIPPED] * round(300 * rate_hz)
    found = statuses(batches, "two")
    assert 100 * rate_hz < found.index(Status.OK) <= (100 + appears_within) * rate_hz
    one = statuses(batches, "one")
    assert len(one) == 300 * rate_hz
    assert len(one) - one.count(Status.OK) <= slots_lost
    assert recording.summary.sources["sim:bus"].poll_time.at(0.9) < 0.08  # no hold-off in it
    if not slots_lost:
        assert recording.summary.sources["sim:bus"].poll_time.maximum < 0.2
    assert absences(recording) == [(ABSENT, "two"), (ABSENT, "three"), (PRESENT, "two")]


class SlowToy(Toy):
    """Reads a lot when it is opened."""

    async def open(self) -> None:
        for _ in range(200):
            await self.client.transact(Ask(self._address, "who"))


async def test_an_opening_that_is_longer_than_the_interval_makes_no_slot_late(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "two")
    device = toy.device

    def made(config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        return SlowToy(config, client, context) if config.name == "two" else device(config, client, context)

    monkeypatch.setattr(toy, "device", made)
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:bus", driver="toy", address=1)
        await manager.add("two", "sim:bus", driver="toy", address=2, absent_ok=True)
        for simulator in toy.simulators.values():
            simulator.latency = 0.03  # 6 s for opening it
        async with recorded(manager, 60, rate_hz=2) as (recording, batches):
            await anyio.sleep(10.05)
            switches.on("two")
    assert set(statuses(batches, "one")) == {Status.OK}
    source = recording.summary.sources["sim:bus"]
    assert source.start_delay.maximum < 0.001
    assert source.poll_time.maximum < 0.3
    assert statuses(batches, "two")[-40:] == [Status.OK] * 40


class Socket:
    """A port that does not exist at first."""

    def __init__(self, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
        from riglog.manager import simulated_port

        self.there = False
        opened = simulated_port.SimulatedPort.open

        async def open_if_there(port: Any) -> Transport:
            if not self.there:
                raise PortNotFoundError("no such port")
            return await opened(port)

        monkeypatch.setattr(simulated_port.SimulatedPort, "open", open_if_there)


async def test_a_port_that_appears_later_is_opened_and_all_its_devices(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_manager(registry) as manager:
        socket = Socket(manager, monkeypatch)
        for number in (1, 2):
            await manager.add(f"d{number}", "sim:bus", driver="toy", address=number, absent_ok=True)
        async with recorded(manager, 20, rate_hz=10) as (recording, batches):
            await anyio.sleep(5.05)
            socket.there = True
    for name in ("d1", "d2"):
        found = statuses(batches, name)
        assert found[:51] == [Status.SKIPPED] * 51
        assert found[60:] == [Status.OK] * 140
    assert absences(recording) == [(ABSENT, "d1"), (ABSENT, "d2"), (PRESENT, "d1"), (PRESENT, "d2")]
    assert kinds(recording) == [ABSENT, ABSENT, PRESENT, PRESENT]
    assert {sample.error for sample in batches[0].samples} == {"device absent: no such port"}


async def test_a_port_that_never_appears_ends_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy")
        Socket(manager, monkeypatch)
        await manager.add("two", "sim:2", driver="toy", absent_ok=True)
        async with recorded(manager, 30) as (_, batches):
            pass
    ones = [batch for batch in batches if batch.source.startswith("sim:1")]
    twos = [batch for batch in batches if batch.source.startswith("sim:2")]
    assert statuses(ones, "one") == [Status.OK] * 300
    assert statuses(twos, "two") == [Status.SKIPPED] * 300


async def test_an_absent_device_is_opened_by_a_poll_that_no_recorder_schedules(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "one")
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        assert {sample.status for sample in await manager.poll()} == {Status.SKIPPED}
        switches.on("one")
        await anyio.sleep(3)
        assert {sample.status for sample in await manager.poll()} == {Status.OK}


async def test_an_absent_device_can_be_removed(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Switches(toy, monkeypatch, "one")
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        await manager.add("two", "sim:2", driver="toy")
        async with recorded(manager, 10, rate_hz=1) as (_, batches):
            await anyio.sleep(5.5)
            await manager.remove("one")
        assert manager.absent == {}
    assert rows(batches, "one", Status.SKIPPED) == [0, 1, 2, 3, 4, 5]


# --- opening retries


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_lost_replies_at_opening_do_not_make_a_device_absent(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """The first reply is lost, or that to every second request."""
    simulator = toy.simulator

    def made(config: ToyConfig) -> Simulator:
        found = simulator(config)
        instrument = toy.simulators[config.name]
        answer, requests = instrument._answer, []

        def sometimes(line: str) -> bytes:
            requests.append(line)
            dropped = len(requests) in {1: (1,), 2: (2,), 3: (2, 4)}[lost]
            return b"" if dropped else answer(line)

        monkeypatch.setattr(instrument, "_answer", sometimes)
        return found

    monkeypatch.setattr(toy, "simulator", made)
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy")
        assert {sample.status for sample in await manager.poll()} == {Status.OK}


# --- channels that only the instrument can name


class LateToy(Toy):
    """Declares its channels when it is opened."""

    def __init__(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> None:
        super().__init__(config, client, context)
        self._named, self.channels = self.channels, ()

    async def open(self) -> None:
        await super().open()
        self.channels = self._named


async def test_channels_that_only_the_instrument_can_name_have_rows_from_its_appearance(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "one")
    monkeypatch.setattr(toy, "device", LateToy)
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        async with recorded(manager, 20, rate_hz=1) as (recording, batches):
            await anyio.sleep(10.05)
            switches.on("one")
    ticks = [batch.tick for batch in batches]
    assert ticks == list(range(ticks[0] or 0, 20))
    assert 10 < (ticks[0] or 0) <= 14
    assert {sample.status for batch in batches for sample in batch.samples} == {Status.OK}
    assert absences(recording) == [(ABSENT, "one"), (PRESENT, "one")]
    assert recording.summary.slots_skipped == 0


async def test_a_port_that_appears_later_is_opened_also_if_no_channel_is_known(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "device", LateToy)
    async with new_manager(registry) as manager:
        socket = Socket(manager, monkeypatch)
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        async with recorded(manager, 20, rate_hz=1) as (_, batches):
            await anyio.sleep(5.05)
            socket.there = True
    assert [batch.tick for batch in batches][-13:] == list(range(7, 20))


class UnitToy(Toy):
    """Knows the units of its channels when it is opened."""

    def __init__(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> None:
        super().__init__(config, client, context)
        self._named = self.channels
        self.channels = tuple(context.channel(channel.parameter) for channel in self.channels)

    async def open(self) -> None:
        await super().open()
        self.channels = self._named


async def test_a_channel_whose_unit_was_not_known_before_has_one_summary(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "one")
    monkeypatch.setattr(toy, "device", UnitToy)
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", absent_ok=True)
        async with recorded(manager, 20, rate_hz=1) as (recording, batches):
            await anyio.sleep(10.05)
            switches.on("one")
    assert statuses(batches, "one")[:11] == [Status.SKIPPED] * 11
    found = recording.summary.channels
    assert [(channel.parameter, channel.unit, seen.rows) for channel, seen in found.items()] == [
        ("level", "mm", 20),
        ("flow", "l/min", 20),
    ]


class Forgetful(Toy):
    """Its identity cannot be read at first. It polls all that it has; the core selects."""

    def __init__(self, config: ToyConfig, client: ToyClient, context: DeviceContext) -> None:
        super().__init__(config, client, context)
        self._all = self.channels

    async def poll(self, line: HeldLine[Ask, str] | None = None) -> list[Sample]:
        selected, self.channels = self.channels, self._all
        try:
            return await super().poll(line)
        finally:
            self.channels = selected

    async def identity(self, line: HeldLine[Ask, str] | None = None) -> str | None:
        if self.client.clock.monotonic_ns() < 5e9:
            raise DeviceError("busy")
        return await super().identity(line)


async def test_an_opening_that_fails_late_is_repeated_from_its_beginning(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channels that the configuration selects are not taken for those that the device has."""

    def made(config: ToyConfig, client: ToyClient, context: DeviceContext) -> Toy:
        return Forgetful(msgspec.structs.replace(config, parameters=("level", "flow")), client, context)

    monkeypatch.setattr(toy, "device", made)
    monkeypatch.setattr(ToyDriver, "selects_parameters", False)
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", parameters=["level"], absent_ok=True)
        async with recorded(manager, 20, rate_hz=1) as (recording, batches):
            pass
    assert statuses(batches, "one")[-12:] == [Status.OK] * 12
    assert {len(batch.samples) for batch in batches} == {1}
    assert kinds(recording) == [ABSENT, PRESENT]


# --- configuration errors and identities


class PickyToy(LateToy):
    async def open(self) -> None:
        await super().open()
        raise ConfigError("parameters: unknown parameter 'mass'")


async def test_a_configuration_error_that_is_found_later_ends_nothing(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "two")
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy")
        monkeypatch.setattr(toy, "device", PickyToy)
        await manager.add("two", "sim:2", driver="toy", absent_ok=True)
        async with recorded(manager, 60, rate_hz=2) as (recording, batches):
            await anyio.sleep(10)
            switches.on("two")
        assert manager.absent["two"].message == "parameters: unknown parameter 'mass'"
    assert statuses(batches, "one") == [Status.OK] * 120
    assert absences(recording) == [(ABSENT, "two"), (ABSENT, "two")]
    assert recording.events[-1].message.endswith(": parameters: unknown parameter 'mass'")


async def test_a_configuration_error_at_the_start_is_raised(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "device", PickyToy)
    async with new_manager(registry) as manager:
        with pytest.raises(ConfigError, match="mass"):
            await manager.add("two", "sim:2", driver="toy", absent_ok=True)


async def test_an_absent_device_of_a_run_must_be_its_instrument_when_it_appears(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "one")
    async with new_manager(registry) as manager:
        manager.expect_identities({"one": "A1"})
        await manager.add("one", "sim:1", driver="toy", identity="B2", absent_ok=True)
        async with recorded(manager, 30, rate_hz=1) as (recording, batches):
            await anyio.sleep(5.05)
            switches.on("one")
            await anyio.sleep(10)
            toy.simulators["one"].identity = "A1"
    found = statuses(batches, "one")
    assert found[:16] == [Status.SKIPPED] * 16
    assert found[-10:] == [Status.OK] * 10
    assert EventKind.WRONG_INSTRUMENT in kinds(recording)


# --- devices that set their own pace, and devices without a port


class Printer(Toy):
    """Sends a value each second of its own accord, as a stand-in for what a codec would receive."""

    pace = Pace.DEVICE

    async def identity(self, line: HeldLine[Ask, str] | None = None) -> str | None:
        return None

    async def poll(self, line: HeldLine[Ask, str] | None = None) -> list[Sample]:
        await anyio.sleep(1)
        return await super().poll(line)


async def test_a_device_that_sets_its_own_pace_has_one_row_until_it_appears(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(toy, monkeypatch, "one")
    monkeypatch.setattr(toy, "device", Printer)
    async with new_manager(registry) as manager:
        await manager.add("one", "sim:1", driver="toy", address=None, absent_ok=True)
        async with recorded(manager, 30) as (recording, batches):
            await anyio.sleep(10)
            switches.on("one")
    levels = [sample for batch in batches for sample in batch.samples if sample.parameter == "level"]
    assert [sample.status for sample in levels[:2]] == [Status.SKIPPED, Status.OK]
    assert {sample.status for sample in levels[1:]} == {Status.OK}
    assert 16 <= len(levels) <= 20
    assert absences(recording) == [(ABSENT, "one"), (PRESENT, "one")]


class Hardware:
    def __init__(self) -> None:
        self.present = False
        self.opened = self.closed = 0
        self.broken = False


class Card(Device):
    def __init__(self, context: DeviceContext, hardware: Hardware) -> None:
        self.context, self.hardware = context, hardware
        self.channels = (context.channel("temperature", unit="degC"),)

    async def open(self) -> None:
        if self.hardware.broken:
            raise RuntimeError("bug")
        self.hardware.opened += 1

    async def poll(self) -> list[Sample]:
        clock = self.context.clock
        stamp = Stamp(clock.utc_ns(), None, clock.monotonic_ns())
        return [Sample(channel=channel, stamp=stamp, value=1.0, unit="degC") for channel in self.channels]

    async def aclose(self) -> None:
        self.hardware.closed += 1


class CardDriver(DirectDriver[DirectConfig]):
    name = "card"
    summary = "A card for tests"
    config = DirectConfig

    def __init__(self) -> None:
        self.hardware = Hardware()

    async def open(self, config: DirectConfig, context: DeviceContext) -> Device:
        if not self.hardware.present:
            raise DeviceError("no card found")
        return Card(context, self.hardware)


async def test_a_device_without_a_port_appears_later(registry: Registry) -> None:
    card = registry.drivers["card"] = CardDriver()
    async with new_manager(registry) as manager:
        await manager.add("one", driver="card", rate_hz=5, absent_ok=True)
        async with recorded(manager, 20, rate_hz=1) as (recording, batches):
            await anyio.sleep(5.05)
            card.hardware.broken = card.hardware.present = True
            await anyio.sleep(5)
            card.hardware.broken = False
        assert manager.get("one").channels[0].parameter == "temperature"
        wrote: list[Event] = []
        manager.subscribe(wrote.append)
        manager.get("one").wrote("gain = 2")
        assert [event.kind for event in wrote] == [EventKind.WRITE]
    ticks = [batch.tick or 0 for batch in batches]
    assert ticks == list(range(ticks[0], 100))
    assert 50 < ticks[0] < 55
    assert absences(recording) == [(ABSENT, "one"), (ABSENT, "one"), (PRESENT, "one")]
    assert [event.message for event in recording.events if event.kind is ABSENT] == [
        "absent, opened when it responds: no card found",
        "absent, opened when it responds: driver error (bug in the plugin): RuntimeError: bug",
    ]
    assert card.hardware.closed >= card.hardware.opened == 1
    assert EventKind.PORT_RESTORED not in kinds(recording)

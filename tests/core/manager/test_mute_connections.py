"""A connection over which no device responds is closed and opened again: a device server can be stuck."""

from collections.abc import Callable

import anyio
import pytest
from recorded_rig import kinds, recorded, rows
from toy import ToyDriver

from riglog.errors import PortError
from riglog.manager import Manager
from riglog.manager.managed_device import NOT_CONFIRMED, SUSPENDED
from riglog.manager.mute import REOPENED, RESPONDING, MuteConnection
from riglog.model import EventKind, Sample, Status
from riglog.plugin import Registry
from riglog.simulation import SimulatedTransport
from riglog.testing import LoopClock
from riglog.transport import Transport

NOT_RESPONDING, RESPONDING_AGAIN = EventKind.DEVICE_NOT_RESPONDING, EventKind.DEVICE_RESPONDING


class DeviceServer:
    """What is between a simulated port and the manager: it counts connections, and some of them are stuck."""

    def __init__(self, manager: Manager, key: str, *, can_be_mute: bool = True) -> None:
        port = manager.port(key)
        self.open_simulated, port.opener = port.opener, self.open
        self.can_be_mute = can_be_mute
        self.opened_at: list[float] = []
        self.closed_at: list[float] = []
        self.refuses = False
        self.on_open: Callable[[int], None] = lambda number: None
        assert isinstance(port.transport.inner, SimulatedTransport)
        self._watch(port.transport.inner)

    async def open(self) -> Transport:
        if self.refuses:
            raise PortError("cannot connect: Connection refused")
        opened = await self.open_simulated()
        assert isinstance(opened, SimulatedTransport)
        self.opened_at.append(anyio.current_time())
        self.on_open(len(self.opened_at))
        self._watch(opened)
        return opened

    def _watch(self, transport: SimulatedTransport) -> None:
        transport.can_be_mute = self.can_be_mute
        close = transport.aclose

        async def aclose() -> None:
            self.closed_at.append(anyio.current_time())
            await close()

        transport.aclose = aclose  # type: ignore[method-assign]


async def test_a_stuck_connection_is_opened_again_and_the_event_says_what_helped(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        server = DeviceServer(manager, "sim:1")
        instrument = toy.simulators["one"]
        server.on_open = lambda number: setattr(instrument, "silent", False)
        async with recorded(manager, 60, rate_hz=2) as (recording, batches):
            await anyio.sleep(4)
            instrument.silent = True
    assert len(server.opened_at) == 1
    assert kinds(recording) == [NOT_RESPONDING, RESPONDING_AGAIN, EventKind.PORT_RESTORED]
    assert recording.events[-1].message == RESPONDING
    assert [batch.tick for batch in batches] == list(range(120))
    assert recording.summary.slots_skipped == 0
    ok = rows(batches, "one", Status.OK)
    assert ok[:9] == list(range(9))
    assert ok[9:] == list(range(ok[9], 120))
    assert ok[9] <= 51  # 20 s after polling was suspended, and not a slot later than needed
    reasons = {sample.error for batch in batches for sample in batch.samples if sample.status is Status.SKIPPED}
    assert SUSPENDED in reasons
    assert reasons <= {SUSPENDED, REOPENED, NOT_CONFIRMED}  # the last two only where a slot was due at that moment


async def test_a_device_that_is_off_costs_a_connection_seldom_and_no_event(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        server = DeviceServer(manager, "sim:1")
        async with recorded(manager, 3600, rate_hz=1) as (recording, batches):
            toy.simulators["one"].silent = True
    assert kinds(recording) == [NOT_RESPONDING]
    begin = server.opened_at[0]
    assert [at - begin for at in server.opened_at[:4]] == [
        pytest.approx(0), pytest.approx(60, abs=6), pytest.approx(360, abs=12), pytest.approx(660, abs=18)
    ]  # fmt: skip
    assert 11 <= len(server.opened_at) <= 14
    assert len(batches) == 3600


async def test_a_connection_is_kept_while_one_of_its_devices_responds(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in (1, 2):
            await manager.add(f"d{number}", "sim:bus", driver="toy", address=number)
        server = DeviceServer(manager, "sim:bus")
        async with recorded(manager, 600, rate_hz=0.5) as (_, batches):
            toy.simulators["d1"].silent = True
    assert server.opened_at == []
    assert rows(batches, "d2", Status.OK) == list(range(300))


async def test_a_serial_port_is_not_opened_again(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        server = DeviceServer(manager, "sim:1", can_be_mute=False)
        async with recorded(manager, 600, rate_hz=1):
            toy.simulators["one"].silent = True
    assert server.opened_at == []


async def test_the_old_connection_is_closed_before_the_new_one_is_opened(registry: Registry, toy: ToyDriver) -> None:
    """Many device servers accept one connection only."""
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        server = DeviceServer(manager, "sim:1")
        async with recorded(manager, 100, rate_hz=1):
            toy.simulators["one"].silent = True
        opened, closed = server.opened_at, list(server.closed_at)
    assert len(opened) == len(closed) == 2
    assert all(0 < begin - end < 0.5 for begin, end in zip(opened, closed, strict=True))


async def test_a_connection_that_cannot_be_opened_again_is_lost_and_that_is_an_event(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        server = DeviceServer(manager, "sim:1")
        instrument = toy.simulators["one"]
        server.on_open = lambda number: setattr(instrument, "silent", False)
        async with recorded(manager, 90, rate_hz=2) as (recording, batches):
            instrument.silent = True
            server.refuses = True
            await anyio.sleep(60)
            server.refuses = False
    assert kinds(recording) == [NOT_RESPONDING, EventKind.PORT_LOST, EventKind.PORT_RESTORED, RESPONDING_AGAIN]
    assert len(batches) == 180
    assert rows(batches, "one", Status.OK)[-1] == 179


async def test_without_a_recording_polls_open_a_stuck_connection_again(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        server = DeviceServer(manager, "sim:1")
        instrument = toy.simulators["one"]
        server.on_open = lambda number: setattr(instrument, "silent", False)
        instrument.silent = True
        samples: list[Sample] = []
        for _ in range(40):
            samples = await manager.poll()
            await anyio.sleep(1)
    assert len(server.opened_at) == 1
    assert all(sample.status is Status.OK for sample in samples)


def test_an_instrument_that_is_switched_on_later_is_not_credited_to_a_new_connection() -> None:
    mute = MuteConnection()
    mute.note(0, responding=False)
    assert not mute.must_reopen(19)
    assert mute.must_reopen(20)
    mute.note_reopened(20)
    assert not mute.note(21, responding=False)
    assert not mute.note(22, responding=True)
    mute.note(30, responding=False)
    assert not mute.must_reopen(49)
    assert mute.must_reopen(50)

"""Balances in a rig: a row for every due slot, an event per write, and values again after a lost connection."""

from typing import Any

import anyio
import pytest

from riglog.acquire import record
from riglog.manager import Manager
from riglog.model import Batch, EventKind, Status
from riglog.simulation import SimulatedPeer, SimulatedTransport
from riglog.testing import LoopClock
from riglog.transport import Transport
from riglog_sartorius import Balance

POLLED_XBPI: dict[str, Any] = {"driver": "sartorius", "protocol": "xbpi", "rate_hz": 10.0}
POLLED_SBI: dict[str, Any] = {"driver": "sartorius", "protocol": "sbi"}
AUTOPRINT: dict[str, Any] = {"driver": "sartorius", "protocol": "sbi", "autoprint": True}


async def take(recording: Any, batches: list[Batch]) -> None:
    async for batch in recording.stream:
        batches.append(batch)


@pytest.mark.slow
async def test_a_minute_of_three_balances_is_a_row_for_every_slot_and_every_autoprint_line() -> None:
    batches: list[Batch] = []
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("xbpi", "sim:1", **POLLED_XBPI, parameters=["net", "gross", "temperature"])
        await rig.add("sbi", "sim:2", **POLLED_SBI, rate_hz=5.0)
        await rig.add("autoprint", "sim:3", **AUTOPRINT)
        async with record(rig, rate_hz=1, duration=60, clock=LoopClock()) as recording:
            await take(recording, batches)
    samples = [sample for batch in batches for sample in batch.samples]
    assert all(sample.status is Status.OK for sample in samples)
    for name, parameter, rows in (("xbpi", "net", 600), ("xbpi", "temperature", 600), ("sbi", "net", 300)):
        found = [
            batch.tick
            for batch in batches
            for sample in batch.samples
            if (sample.device, sample.parameter) == (name, parameter)
        ]
        assert found == list(range(rows))
    printed = [sample for sample in samples if sample.device == "autoprint"]
    assert 598 <= len(printed) <= 601
    assert all(sample.stamp.latency_ns is None for sample in printed)
    assert recording.summary.samples_missing_or_skipped == 0


@pytest.mark.parametrize("settings", [POLLED_XBPI, POLLED_SBI, AUTOPRINT], ids=["xbpi", "sbi", "autoprint"])
async def test_there_are_values_again_within_two_seconds_after_the_cable_was_put_back(
    cable: Any, settings: dict[str, Any]
) -> None:
    batches: list[Batch] = []
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("balance", "sim:1", **settings)
        async with (
            record(rig, rate_hz=10, duration=20, clock=LoopClock()) as recording,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(take, recording, batches)
            await anyio.sleep(5)
            cable.pull()
            await anyio.sleep(5)
            restored = cable.put_back() * 1e9
    samples = [sample for batch in batches for sample in batch.samples]
    good = [sample for sample in samples if sample.status is Status.OK]
    after = [sample for sample in good if sample.stamp.monotonic_ns > restored]
    assert after[0].stamp.monotonic_ns - restored < 2e9
    assert all(sample.value is not None for sample in good)
    assert {sample.status for sample in samples} == {Status.OK, Status.SKIPPED}
    expected = (EventKind.RUN_STARTED, EventKind.SLOTS_SKIPPED)
    assert [event.kind for event in recording.events if event.kind not in expected] == [
        EventKind.PORT_LOST,
        EventKind.PORT_RESTORED,
    ]


async def test_a_tare_while_recording_is_an_event_and_costs_no_slot() -> None:
    batches: list[Batch] = []
    async with Manager(clock=LoopClock()) as rig:
        balance = await rig.add("balance", "sim:1", **POLLED_XBPI)
        assert isinstance(balance, Balance)
        async with (
            record(rig, rate_hz=1, duration=3, clock=LoopClock()) as recording,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(take, recording, batches)
            await anyio.sleep(1.51)
            await balance.tare(confirm=True)
    values = [float(sample.value or 0) for batch in batches for sample in batch.samples]
    assert len(values) == 30
    assert all(value > 300 for value in values[:16])
    assert all(abs(value) < 0.01 for value in values[16:])
    (event,) = [event for event in recording.events if event.kind is EventKind.WRITE]
    assert (event.device, event.message) == ("balance", "tare")


class Stuck(SimulatedPeer):
    """A connection to a device server that is of no use any more."""

    def send(self, data: bytes, now: float) -> None:
        return None

    def take(self, now: float) -> bytes:
        return b""

    def next_due(self, now: float) -> float | None:
        return None


class BeginsWithin(SimulatedPeer):
    """A new connection begins in the middle of a line, which looks like a whole one."""

    def __init__(self, peer: SimulatedPeer) -> None:
        self.peer, self.rest = peer, b"+    9.999 g  \r\n"

    def send(self, data: bytes, now: float) -> None:
        self.peer.send(data, now)

    def take(self, now: float) -> bytes:
        rest, self.rest = self.rest, b""
        return rest + self.peer.take(now)

    def next_due(self, now: float) -> float | None:
        return now if self.rest else self.peer.next_due(now)


async def test_a_listened_to_connection_that_is_stuck_is_opened_again_and_the_first_line_is_not_trusted() -> None:
    batches: list[Batch] = []
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("balance", "sim:1", **AUTOPRINT)
        port = rig.port("sim:1")
        opener, opened = port.opener, list[float]()

        async def open_again() -> Transport:
            opened.append(anyio.current_time())
            transport = await opener()
            assert isinstance(transport, SimulatedTransport)
            transport.peer = BeginsWithin(transport.peer)
            return transport

        port.opener = open_again
        async with (
            record(rig, rate_hz=10, duration=90, clock=LoopClock()) as recording,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(take, recording, batches)
            await anyio.sleep(10)
            assert isinstance(port.transport.inner, SimulatedTransport)
            port.transport.inner.can_be_mute = True
            port.transport.inner.peer = Stuck()
    assert len(opened) == 1
    assert 25 <= opened[0] <= 45
    events = [event.kind for event in recording.events if event.kind is not EventKind.IDENTITY_EXPECTED]
    assert events[1:] == [
        EventKind.DEVICE_NOT_RESPONDING, EventKind.DEVICE_RESPONDING, EventKind.PORT_RESTORED
    ]  # fmt: skip
    samples = [sample for batch in batches for sample in batch.samples]
    assert sum(sample.status is Status.OK for sample in samples) > 500
    assert 9.999 not in [sample.value for sample in samples]
    assert {sample.status for sample in samples} == {Status.OK, Status.MISSING}

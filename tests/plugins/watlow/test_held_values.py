"""Recordings in which the error of an input is not read after each value: what is held is proven, or not ``ok``."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.acquire import pipe, record
from riglog.manager import Manager
from riglog.model import new_run
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.sinks import MemorySink
from riglog.testing import LoopClock
from riglog_watlow.families import FACTS
from riglog_watlow.simulator import ControllerServer, ModbusSimulator, SimulatedPM, StdBusSimulator

MakeBench = Callable[..., Any]
Peer = StdBusSimulator | ModbusSimulator

TEMPERATURE = 150.0
BAUDRATE = 38400


class SlowWire(FaultyWire):
    """Each reply arrives when the line has carried it and its request; the controller thinks for no time."""

    def send(self, data: bytes, now: float) -> None:
        if reply := self.simulator.receive(data, now):
            self._arriving.add([(now + 10 * (len(data) + len(reply)) / BAUDRATE, reply)])


def make_peer(protocol: str = "stdbus") -> Peer:
    controller = SimulatedPM()
    controller.set("setpoint", str(TEMPERATURE))
    controller.ovens[1].temperature = TEMPERATURE
    if protocol == "stdbus":
        return StdBusSimulator(controller=controller)
    return ModbusSimulator(protocol, 1, ControllerServer(controller, FACTS["pm"]))


async def recorded(peer: Peer, *, duration: float, rate_hz: float = 100, protocol: str = "stdbus", **given: Any) -> Any:
    """Return the rows, and the transport."""
    clock, sink = LoopClock(), MemorySink()
    transport = SimulatedTransport(SlowWire(peer))
    settings: dict[str, Any] = {"parameters": ["process_value"], "baudrate": BAUDRATE} | given
    async with Manager(clock=clock) as rig:
        await rig.add("oven", transport, driver="watlow", protocol=protocol, **settings)
        async with record(rig, rate_hz=rate_hz, duration=duration, clock=clock) as recording:
            await pipe(recording, sink, run=new_run("test", clock), clock=clock)
    ticks = [row.tick for row in sink.rows]
    assert ticks == sorted(ticks), "rows are in the order of their slots"
    assert len(set(zip(ticks, (row.parameter for row in sink.rows), strict=True))) == len(ticks)
    return sink.rows


@pytest.mark.parametrize(("protocol", "least"), [("stdbus", 80), ("modbus-rtu", 105)])
async def test_the_proof_leaves_most_of_the_line_to_values(protocol: str, least: int) -> None:
    rows = await recorded(make_peer(protocol), duration=4, rate_hz=200, protocol=protocol)
    ok = [row for row in rows if row.status == "ok"]
    assert len(ok) >= 4 * least
    assert {row.status for row in rows} == {"ok", "skipped"}
    received = [row.received_at for row in ok]
    assert received == sorted(set(received)), "each row has the time of its own reply"


async def test_input_check_every_holds_nothing() -> None:
    rows = await recorded(make_peer(), duration=2, rate_hz=200, input_check="every")
    assert 80 <= len([row for row in rows if row.status == "ok"]) <= 94


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [18, 45, 100])
async def test_a_sensor_that_fails_for_one_conversion_gives_no_wrong_value(rate_hz: float) -> None:
    """At any time of the bracket. What was held is right, but not proven: ``suspect``, with the flag of the error."""
    flags = set()
    for phase in range(6):
        peer = make_peer()
        for at in (1.0 + phase / 50, 1.5 + phase / 35):
            peer.controller.schedule(at, "input_error", "open")
            peer.controller.schedule(at + 0.1, "input_error", "none")
        rows = await recorded(peer, duration=1.9, rate_hz=rate_hz)
        with_value = [row for row in rows if row.value is not None]
        assert all(row.value == pytest.approx(TEMPERATURE, abs=3) for row in with_value), phase
        assert {row.status for row in rows[-2:]} <= {"ok", "skipped"}, phase
        assert len([row for row in with_value if row.status == "ok"]) > 0.5 * len(with_value)
        flags |= {row.flags for row in rows if row.status in ("fault", "suspect")}
    assert "open" in flags
    assert flags <= {"open", "before_open", "unchecked"}


async def test_a_reply_that_is_lost_leaves_no_row_without_a_reason() -> None:
    peer = make_peer()
    clock, sink = LoopClock(), MemorySink()
    wire = SlowWire(peer)
    transport = SimulatedTransport(wire)
    async with Manager(clock=clock) as rig:
        await rig.add("oven", transport, driver="watlow", parameters=["process_value"])
        async with record(rig, rate_hz=50, duration=4, clock=clock) as recording, anyio.create_task_group() as tasks:

            async def disturb() -> None:
                await anyio.sleep(1.05)
                wire.plugged = False
                await anyio.sleep(0.2)
                wire.plugged = True
                await anyio.sleep(1.2)
                transport.cut()

            tasks.start_soon(disturb)
            await pipe(recording, sink, run=new_run("test", clock), clock=clock)
    rows = sink.rows
    assert [row.tick for row in rows] == list(range(200))
    assert all(row.error for row in rows if row.status != "ok")
    suspect = [row for row in rows if row.status == "suspect"]
    assert {(row.flags, row.error) for row in suspect} == {
        ("unchecked", "not proven: no check of the controller before and after the value")
    }
    assert all(row.value == pytest.approx(TEMPERATURE, abs=3) for row in suspect)
    assert 1 <= len(suspect) <= 10
    assert rows[-1].status == "skipped"
    assert len([row for row in rows if row.status == "ok"]) > 60


async def test_a_single_poll_and_a_single_read_hold_nothing(bench: MakeBench) -> None:
    oven = bench(make_peer()).controller(parameters=("process_value",))
    await oven.open()
    for _ in range(20):
        samples = [*await oven.poll(), await oven.read_pv()]
        assert [(sample.status, sample.proof) for sample in samples] == [("ok", None)] * 2
        await anyio.sleep(0.011)
    assert [sample.proof is None for _ in range(3) for sample in await oven.poll_steadily()] == [False] * 3
    await oven.settle()

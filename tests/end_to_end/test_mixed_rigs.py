"""Several vendors in one rig: two of them on one Modbus bus, and one in continuous mode next to polled ones."""

import os
import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from riglog.acquire import AcquisitionSummary, pipe, record
from riglog.errors import PortBusyError
from riglog.manager import Manager, resolve_device
from riglog.model import Clock, Status, new_run
from riglog.plugin import installed
from riglog.simulation import FaultyWire, SimulatedBus
from riglog.simulation.serve import serve_pty
from riglog.sinks import MemorySink, SqliteSink
from riglog.testing import LoopClock
from riglog.transport import Link, open_transport

OVEN: dict[str, Any] = {
    "driver": "watlow",
    "protocol": "modbus-rtu",
    "address": 1,
    "baudrate": 9600,
    "parameters": ("process_value",),
}
GAS: dict[str, Any] = {"driver": "servomex", "protocol": "modbus-rtu", "address": 30, "baudrate": 9600}
STDBUS: dict[str, Any] = {"driver": "watlow", "protocol": "stdbus", "parameters": ("process_value", "setpoint")}
BROADCASTER: dict[str, Any] = {"driver": "servomex", "protocol": "continuous", "period": 2.0}


async def recorded(manager: Manager, rate_hz: float, duration: float) -> tuple[MemorySink, AcquisitionSummary]:
    sink, clock = MemorySink(), LoopClock()
    async with record(manager, rate_hz=rate_hz, duration=duration, clock=clock) as recording:
        await pipe(recording, sink, run=new_run("mixed", clock), clock=clock)
    return sink, recording.summary


def per_channel(sink: MemorySink) -> dict[str, list[int | None]]:
    """The ticks of every channel, by its name."""
    found: dict[str, list[int | None]] = {}
    for batch in sink.batches:
        for sample in batch.samples:
            found.setdefault(str(sample.channel), []).append(batch.tick)
    return found


async def test_one_modbus_line_carries_both_vendors_each_at_its_rate() -> None:
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("oven", "sim:line", **OVEN, rate_hz=4.0)
        await rig.add("gas", "sim:line", **GAS)
        sink, summary = await recorded(rig, 1.0, 60.0)
    ticks = per_channel(sink)
    assert {name: len(found) for name, found in ticks.items()} == {
        "oven.process_value": 240,
        **{f"gas.{one}": 60 for one in ("i1", "i2", "i3", "e1", "e2")},
    }
    assert all(found == list(range(len(found))) for found in ticks.values())
    assert {sample.status for sample in sink.samples if sample.device == "gas"} == {Status.OK}
    # The first poll of each device proves its units, and takes longer: one slot of the faster one may be over then.
    assert {batch.tick for batch in sink.batches for sample in batch.samples if sample.status is not Status.OK} <= {1}
    assert summary.samples_missing_or_skipped <= 1


async def test_a_mixed_rig_has_a_row_for_every_due_slot() -> None:
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("oven-1", "sim:ovens", **STDBUS, address=1)
        await rig.add("oven-2", "sim:ovens", **STDBUS, address=2)
        await rig.add("loud", "sim:loud", **BROADCASTER)
        await rig.add("gas", "sim:gas", driver="servomex", address=30, rate_hz=1.0)
        sink, summary = await recorded(rig, 2.0, 60.0)
    assert summary.samples_missing_or_skipped == 0
    for name, ticks in per_channel(sink).items():
        device = name.partition(".")[0]
        if device == "loud":
            assert ticks == [None] * 30, name
        else:
            assert ticks == list(range(60 if device == "gas" else 120)), name
    loud = [sample for sample in sink.samples if sample.device == "loud" and sample.parameter == "i1"]
    times = [sample.stamp.received_ns for sample in loud]
    assert [round((after - before) / 1e9, 3) for before, after in pairwise(times)] == [2.0] * 29


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.real_time
async def test_on_a_real_line_one_is_removed_and_the_other_goes_on(tmp_path: Path) -> None:
    """A port is open exclusively, so there is one transport; it closes with the last of them. One file has both."""
    specs = [resolve_device(installed(), {"name": "any", "port": "sim:line", **one}) for one in (OVEN, GAS)]
    bus = SimulatedBus(one.driver.simulator(one.config) for one in specs)
    file = tmp_path / "rig.sqlite"
    async with serve_pty(FaultyWire(bus)) as server, Manager() as rig:
        await rig.add("oven", server.path, **OVEN)
        await rig.add("gas", server.path, **GAS)
        clock = Clock()
        async with record(rig, rate_hz=2.0, duration=2.0, clock=clock) as recording:
            await pipe(recording, SqliteSink(str(file)), run=new_run("line", clock), clock=clock)
        await rig.remove("oven")
        assert {sample.device for sample in await rig.poll()} == {"gas"}
        assert {sample.status for sample in await rig.poll()} == {Status.OK}
        with pytest.raises(PortBusyError):
            await open_transport(server.path, Link(protocol="modbus-rtu"))
        await rig.remove("gas")
        await (await open_transport(server.path, Link(protocol="modbus-rtu"))).aclose()
    database = sqlite3.connect(file)
    rows = dict(database.execute("SELECT device, count(*) FROM samples WHERE status = 'ok' GROUP BY device").fetchall())
    database.close()
    assert rows == {"oven": 4, "gas": 20}

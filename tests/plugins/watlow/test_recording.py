"""Recordings of Watlow controllers: the same rows over every protocol, and no slot skipped."""

from typing import Any

import pytest

from riglog.acquire import pipe, record
from riglog.manager import Manager
from riglog.model import new_run
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.sinks import MemorySink
from riglog.testing import LoopClock
from riglog_watlow.families import FACTS
from riglog_watlow.simulator import ControllerServer, ModbusSimulator, SimulatedPM, StdBusSimulator

pytestmark = pytest.mark.slow

TIMING = {"requested_at", "received_at", "midpoint_at", "latency_s", "monotonic_ns", "run"}
PARAMETERS = [
    "process_value",
    "input_error",
    "setpoint",
    "output_power",
    "control_mode_active",
    "cool_power",
    "ramp_rate",
]


async def recorded(manager: Manager, *, rate_hz: float, duration: float) -> MemorySink:
    clock, sink = LoopClock(), MemorySink()
    async with record(manager, rate_hz=rate_hz, duration=duration, clock=clock) as recording:
        await pipe(recording, sink, run=new_run("test", clock), clock=clock)
    assert recording.summary.slots_skipped == 0
    return sink


@pytest.mark.parametrize("unit", [None, "degC"])
async def test_both_protocols_of_a_controller_give_the_same_rows_but_for_protocol_and_times(unit: str | None) -> None:
    controller = SimulatedPM()
    for name in ("process_value", "output_power"):  # fixed, so that both protocols transmit the same
        controller.set(name, "61.75")
    peers = {
        "stdbus": StdBusSimulator(controller=controller),
        "modbus-rtu": ModbusSimulator("modbus-rtu", 1, ControllerServer(controller, FACTS["pm"])),
    }
    seen = {}
    for protocol, peer in peers.items():
        async with Manager(clock=LoopClock()) as rig:
            settings: dict[str, Any] = {"driver": "watlow", "protocol": protocol, "parameters": PARAMETERS}
            transport = SimulatedTransport(FaultyWire(peer))
            await rig.add("oven", transport, temperature_unit=unit, **settings)
            sink = await recorded(rig, rate_hz=10, duration=2)
        columns = set(sink.rows[0].__struct_fields__) - TIMING - {"protocol"}
        seen[protocol] = [{name: getattr(row, name) for name in sorted(columns)} for row in sink.rows]
    assert len(seen["stdbus"]) == 20 * len(PARAMETERS)
    assert seen["stdbus"] == seen["modbus-rtu"]


async def test_every_slot_of_three_controllers_on_two_buses_is_a_row() -> None:
    async with Manager(clock=LoopClock()) as rig:
        for name, bus, address in (("one", "a", 1), ("two", "a", 2), ("three", "b", 1)):
            await rig.add(name, f"sim:{bus}", driver="watlow", address=address)
        sink = await recorded(rig, rate_hz=10, duration=60)
    assert len(sink.rows) == 600 * 3 * 3
    assert {row.status for row in sink.rows} == {"ok"}
    for device in ("one", "two", "three"):
        assert sorted({row.tick for row in sink.rows if row.device == device}) == list(range(600))


async def test_two_servers_of_different_families_share_a_bus() -> None:
    async with Manager(clock=LoopClock()) as rig:
        line = {"driver": "watlow", "protocol": "modbus-rtu", "temperature_unit": "degC"}
        await rig.add("oven", "sim:line", address=1, **line)
        await rig.add("dryer", "sim:line", address=2, family="sd", **line)
        sink = await recorded(rig, rate_hz=5, duration=10)
    assert len(sink.rows) == 50 * 2 * 3
    assert {(row.device, row.unit) for row in sink.rows if row.parameter == "setpoint"} == {
        ("oven", "degC"),
        ("dryer", "degC"),
    }
    assert {row.status for row in sink.rows} == {"ok"}

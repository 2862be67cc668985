"""Two maps of Python drivers, written as instrument files: the same instrument gives the same rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from riglog import Manager
from riglog.model import Sample
from riglog.simulation import Fault, FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_servomex.simulator import ModbusSimulator as AnalyzerSimulator
from riglog_watlow import WatlowConfig
from riglog_watlow.simulator import simulator as watlow_simulator

GASES = ("i1", "i2", "i3", "e1", "e2")
FAULTS = [None, *(fault for fault in Fault if fault is not Fault.UNPLUG)]
STATES: dict[str, Sequence[tuple[str, str]]] = {
    "watlow": [
        ("process_value", "123.456"),
        ("units", "C"),
        ("input_error", "Error"),
        ("input_error", "None"),
        ("units", "F"),
        ("setpoint", "350.5"),
        ("auto_manual", "Manual"),
        ("output_power", "12.34"),
    ],
    "servomex": [
        ("I1.fault", "on"),
        ("I1.fault", "off"),
        ("I2.maintenance", "on"),
        ("I2.alarm3", "on"),
        ("E1.fault", "on"),
        ("E1.fault", "off"),
        ("I3.unit", "vpm"),
        ("I3.name", "NO"),
        ("fault", "on"),
        ("I3.name", ""),
        ("I3.calibrating", "on"),
    ],
}
Row = tuple[Any, ...]


def watlow() -> Simulator:
    simulator = watlow_simulator(
        WatlowConfig(name="oven", driver="watlow", port="sim:", family="sd", protocol="modbus-rtu")
    )
    simulator.set("process_value", "71.5")  # what moves by itself would differ by the time of its request
    simulator.set("output_power", "40.25")
    simulator.set("auto_manual", "Manual")
    return simulator


def servomex() -> Simulator:
    simulator = AnalyzerSimulator("modbus-rtu", 1)
    for name in GASES:
        simulator.set(f"{name.upper()}.swing", "0")
    return simulator


MAKERS: dict[str, Callable[[], Simulator]] = {"watlow": watlow, "servomex": servomex}
PYTHON: dict[str, dict[str, Any]] = {
    "watlow": {"driver": "watlow", "family": "sd", "protocol": "modbus-rtu"},
    "servomex": {"driver": "servomex", "protocol": "modbus-rtu", "parameters": [name.upper() for name in GASES]},
}


def described(vendor: str, folder: Path) -> dict[str, Any]:
    names = {"watlow": "watlow-series-sd.toml", "servomex": "servomex-4000.toml"}
    table: dict[str, Any] = {"driver": "modbus", "instrument": str(folder / names[vendor])}
    return table | ({"parameters": list(GASES)} if vendor == "servomex" else {})


def row_of(sample: Sample) -> Row:
    return (sample.parameter, sample.instance, sample.value, sample.unit, sample.status, sample.flags, sample.text)


async def rows(vendor: str, table: dict[str, Any], fault: Fault | None, every: int) -> list[list[Row]]:
    """Poll the simulated instrument in each of the states; return the rows of each poll."""
    simulator = MAKERS[vendor]()
    script = [None] * 40 + ([None] * (every - 1) + [fault]) * 400
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("device", SimulatedTransport(FaultyWire(simulator, script=script, seed=2)), **table)
        (source,) = rig.sources(["device"])
        polled: list[list[Row]] = []
        for setting in [("", ""), *STATES[vendor]]:
            if setting[0]:
                simulator.set(*setting)
            for _ in range(3):
                polled.append([row_of(sample) for sample in await source.poll()])
                await anyio.sleep(2.5)
        return polled


@pytest.mark.parametrize("vendor", list(MAKERS))
async def test_a_file_gives_the_rows_of_the_python_driver(vendor: str, instruments: Path) -> None:
    by_python = await rows(vendor, PYTHON[vendor], None, 7)
    by_file = await rows(vendor, described(vendor, instruments), None, 7)
    assert by_file == by_python
    assert len({row[4] for poll in by_file for row in poll}) > 1  # the states show


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS[1:])
@pytest.mark.parametrize("vendor", list(MAKERS))
async def test_with_faults_each_row_is_that_of_the_undisturbed_instrument_or_has_no_value(
    vendor: str, fault: Fault, instruments: Path
) -> None:
    undisturbed = await rows(vendor, PYTHON[vendor], None, 7)
    for table in (PYTHON[vendor], described(vendor, instruments)):
        found = await rows(vendor, table, fault, 7)
        with_value = 0
        for expected, poll in zip(undisturbed, found, strict=True):
            for right, row in zip(expected, poll, strict=True):
                with_value += row[2] is not None
                assert row[2] in (None, right[2])
                if row[2] is not None and row[4] == "ok":
                    assert row == right
        assert with_value > 0.5 * sum(row[2] is not None for poll in undisturbed for row in poll)

"""What is changed at the panel of an analyzer while it is polled: names, units, channels."""

from collections.abc import Callable

import pytest

from riglog.model import Sample, Status
from riglog.simulation import FaultyWire
from riglog_servomex import Analyzer
from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator

AnalyzerOn = Callable[..., Analyzer]
MODBUS = ("modbus-rtu", "modbus-ascii")
Changeable = ModbusSimulator | BroadcastSimulator


def simulator_of(protocol: str) -> Changeable:
    simulator = BroadcastSimulator(period=1.0) if protocol == "continuous" else ModbusSimulator(protocol)
    for channel in simulator.analyzer.channels.values():
        channel.swing = 0.0
    return simulator


def by_parameter(samples: list[Sample]) -> dict[str, Sample]:
    return {sample.parameter: sample for sample in samples}


def requests_of(wire: FaultyWire) -> list[bytes]:
    sent: list[bytes] = []
    receive = wire.simulator.receive

    def counted(data: bytes, now: float) -> bytes:
        sent.append(data)
        return receive(data, now)

    wire.simulator.receive = counted  # type: ignore[method-assign]
    return sent


@pytest.mark.parametrize("protocol", MODBUS)
async def test_a_unit_that_was_changed_between_two_polls_is_read_twice_and_recorded_at_once(
    analyzer_on: AnalyzerOn, protocol: str
) -> None:
    simulator = simulator_of(protocol)
    wire = FaultyWire(simulator)
    gas = analyzer_on(wire, protocol=protocol)
    await gas.open()
    sent = requests_of(wire)
    await gas.poll()
    assert len(sent) == 3
    simulator.set("I2.unit", "vpm")
    simulator.set("I2.value", "840")
    sent.clear()
    sample = by_parameter(await gas.poll())["i2"]
    assert (sample.value, sample.unit, sample.status) == (840.0, "vpm", Status.OK)
    assert len(sent) == 4
    sent.clear()
    await gas.poll()
    assert len(sent) == 3


class UnitDamaged(ModbusSimulator):
    """In every third reply of values the unit of I2 is another one, with a check that fits."""

    damaged = 0

    def receive(self, data: bytes, now: float) -> bytes:
        if data[1] == 4:
            self.damaged += 1
            self.analyzer.set("I2.unit", "vpm" if self.damaged % 3 == 0 else "%")
        return super().receive(data, now)


async def test_a_unit_that_one_reply_states_is_never_recorded_as_ok(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(UnitDamaged("modbus-rtu"))
    await gas.open()
    taken = [by_parameter(await gas.poll())["i2"] for _ in range(12)]
    assert {(sample.unit, sample.status) for sample in taken} == {("%", Status.OK)}


class UnitChanging(ModbusSimulator):
    """Another unit in each reply."""

    units = ("%", "vpm", "ppm")
    count = 0

    def receive(self, data: bytes, now: float) -> bytes:
        if data[1] == 4:
            self.count += 1
            self.analyzer.set("I2.unit", self.units[self.count % 3])
        return super().receive(data, now)


async def test_readings_that_contradict_each_other_are_suspect(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(UnitChanging("modbus-rtu"))
    await gas.open()
    for _ in range(3):
        samples = by_parameter(await gas.poll())
        assert samples["i2"].status is Status.SUSPECT
        assert "unproven" in samples["i2"].flags
        assert samples["i1"].status is Status.OK
    sample = await gas.read_channel("I2")
    assert sample.status is Status.SUSPECT


@pytest.mark.parametrize("protocol", [*MODBUS, "continuous"])
async def test_a_channel_that_was_removed_at_the_panel_has_no_value(analyzer_on: AnalyzerOn, protocol: str) -> None:
    """Over Modbus an empty position responds with 0.0: without its name that is not a measurement."""
    simulator = simulator_of(protocol)
    gas = analyzer_on(simulator, protocol=protocol)
    await gas.open()
    await gas.poll()
    simulator.set("I2.name", "")
    simulator.set("I2.value", "0")
    for _ in range(3):
        samples = by_parameter(await gas.poll())
        assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)
        assert (samples["i1"].value, samples["i1"].status) == (pytest.approx(20.378), Status.OK)
    simulator.set("I2.name", "CO")
    simulator.set("I2.value", "0.5")
    taken = [by_parameter(await gas.poll())["i2"] for _ in range(2)]
    assert (taken[-1].value, taken[-1].status) == (0.5, Status.OK)


@pytest.mark.parametrize("protocol", [*MODBUS, "continuous"])
async def test_a_channel_that_was_added_at_the_panel_disturbs_no_other(analyzer_on: AnalyzerOn, protocol: str) -> None:
    simulator = simulator_of(protocol)
    gas = analyzer_on(simulator, protocol=protocol)
    await gas.open()
    before = by_parameter(await gas.poll())
    simulator.set("I4.name", "N2O")
    simulator.set("I4.unit", "%")
    simulator.set("I4.value", "99")
    after = by_parameter(await gas.poll())
    assert {name: sample.value for name, sample in after.items()} == {name: s.value for name, s in before.items()}
    assert {sample.status for sample in after.values()} == {Status.OK}
    assert await gas.identity() == "4000-series I1 I2 I3 I4"  # it is not the set of channels that is recorded


async def test_a_concentration_is_converted_from_the_unit_that_is_displayed_now(analyzer_on: AnalyzerOn) -> None:
    simulator = simulator_of("modbus-rtu")
    gas = analyzer_on(simulator, concentration_unit="%")
    await gas.open()
    simulator.set("I2.unit", "vpm")
    simulator.set("I2.value", "840")
    sample = by_parameter(await gas.poll())["i2"]
    assert (sample.value, sample.unit) == (pytest.approx(0.084), "%")
    simulator.set("I2.unit", "ug")
    sample = by_parameter(await gas.poll())["i2"]
    assert (sample.value, sample.unit) == (840.0, "ug")


@pytest.mark.parametrize("protocol", [*MODBUS, "continuous"])
async def test_a_unit_that_is_not_text_is_no_unit_and_the_value_is_suspect(
    analyzer_on: AnalyzerOn, protocol: str
) -> None:
    simulator = simulator_of(protocol)
    gas = analyzer_on(simulator, protocol=protocol)
    await gas.open()
    simulator.set("I2.unit", "\x01\xff\x90")
    for _ in range(3):
        sample = by_parameter(await gas.poll())["i2"]
        assert (sample.value, sample.unit, sample.status) == (pytest.approx(0.084), None, Status.SUSPECT)

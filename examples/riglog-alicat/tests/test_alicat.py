"""What the kit cannot know of these instruments: columns and units that change, flags, limits of the set point."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from riglog import Manager
from riglog.errors import DeviceError, UnsupportedError, WriteRefusedError
from riglog.model import Sample, Status
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.testing import LoopClock, virtual_backend
from riglog_alicat.device import Alicat
from riglog_alicat.driver import AlicatDriver
from riglog_alicat.simulator import AlicatSimulator

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", pytest.param("trio", marks=pytest.mark.slow)])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return virtual_backend(request.param)


@asynccontextmanager
async def opened(*simulators: AlicatSimulator) -> AsyncIterator[Manager]:
    """A rig with these instruments on one line, each named like its unit id."""
    transport = SimulatedTransport(FaultyWire(SimulatedBus(simulators)))
    driver = AlicatDriver()
    async with Manager(clock=LoopClock()) as rig:
        for simulator in simulators:
            name = simulator.unit_id
            await rig.add(name, transport, driver=driver, address=name)
        yield rig


async def polled(rig: Manager) -> dict[str, Sample]:
    return {f"{sample.device}.{sample.parameter}": sample for sample in await rig.poll()}


async def test_four_generations_share_a_line() -> None:
    models = {"A": "controller", "B": "meter", "C": "legacy", "D": "gauge"}
    async with opened(*(AlicatSimulator(letter, model) for letter, model in models.items())) as rig:
        samples = await polled(rig)
    assert [f"{name}: {one.error}" for name, one in samples.items() if one.status is not Status.OK] == []
    units = {name: one.unit for name, one in samples.items()}
    assert units["A.mass_flow"] == "SCCM"
    assert units["B.mass_flow"] == "SLPM"
    assert units["C.temperature"] == "degC"
    assert units["D.gauge_pressure"] == "PSIG"
    assert samples["A.gas"].value == "N2"
    assert "B.setpoint" not in samples


@pytest.mark.parametrize(
    ("flags", "without_value", "status"),
    [
        ("MOV TMF", {"mass_flow"}, Status.OUT_OF_RANGE),
        ("POV", {"abs_pressure"}, Status.OUT_OF_RANGE),
        ("ADC", {"abs_pressure", "temperature", "volumetric_flow", "mass_flow", "setpoint", "gas"}, Status.FAULT),
        ("HLD LCK", set(), None),
    ],
)
async def test_a_flag_says_which_values_count(flags: str, without_value: set[str], status: Status | None) -> None:
    simulator = AlicatSimulator("A")
    async with opened(simulator) as rig:
        simulator.set("flags", flags)
        samples = await rig.poll()
    assert {one.parameter for one in samples if one.value is None} == without_value
    assert {one.status for one in samples if one.value is None} == ({status} if status else set())
    assert {one.flags for one in samples} == {tuple(flags.lower().split())}


@pytest.mark.parametrize("label", ["SLPM", "SCCM"])
async def test_a_unit_that_is_changed_at_the_panel_is_that_of_the_next_row(label: str) -> None:
    simulator = AlicatSimulator("A")
    async with opened(simulator) as rig:
        await rig.poll()
        simulator.set("unit.mass_flow", label)
        await anyio.sleep(0.1)
        samples = await polled(rig)
    assert samples["A.mass_flow"].unit == label
    assert samples["A.setpoint"].unit == label
    value = samples["A.mass_flow"].value
    assert isinstance(value, float)
    assert 95 <= value * (1000 if label == "SLPM" else 1) <= 120


async def test_a_column_that_is_added_does_not_shift_the_others() -> None:
    simulator = AlicatSimulator("A")
    async with opened(simulator) as rig:
        before = await polled(rig)
        simulator.set("columns", "totalizer")
        after = await polled(rig)
    assert [one.error for one in after.values() if one.status is not Status.OK] == []
    assert after.keys() == before.keys()
    assert after["A.gas"].value == "N2"


async def test_dashes_are_no_value() -> None:
    simulator = AlicatSimulator("A")
    async with opened(simulator) as rig:
        simulator.set("value.mass_flow", "------")
        sample = (await polled(rig))["A.mass_flow"]
    assert (sample.value, sample.status) == (None, Status.MISSING)


@pytest.mark.parametrize("value", ["500.01", "-1", "1.234", "nan", "1e3", "ten"])
async def test_a_set_point_that_the_instrument_cannot_have_is_not_sent(value: str) -> None:
    simulator = AlicatSimulator("A")
    async with opened(simulator) as rig:
        with pytest.raises(WriteRefusedError):
            await device(rig).set_parameter("setpoint", value, confirm=True)
    assert simulator.writes == []


async def test_the_analog_input_is_not_overruled() -> None:
    simulator = AlicatSimulator("A")
    simulator.set("source", "A")
    async with opened(simulator) as rig:
        with pytest.raises(WriteRefusedError, match="analog"):
            await device(rig).set_parameter("setpoint", "10", confirm=True)
    assert simulator.writes == []


async def test_a_set_point_is_not_written_again() -> None:
    """Every write wears the memory of the instrument."""
    simulator = AlicatSimulator("A")
    async with opened(simulator) as rig:
        for _ in range(2):
            sample = await device(rig).set_parameter("setpoint", "12.5", confirm=True)
            assert sample is not None
            assert (sample.value, sample.unit) == (12.5, "SCCM")
    assert simulator.writes == ["12.50"]


async def test_a_set_point_that_is_ignored_is_an_error() -> None:
    simulator = AlicatSimulator("A", "legacy")  # it has no query of the source
    simulator.set("source", "A")
    async with opened(simulator) as rig:
        with pytest.raises(DeviceError, match="not accepted"):
            await device(rig).set_parameter("setpoint", "10", confirm=True)


async def test_a_meter_has_no_set_point() -> None:
    simulator = AlicatSimulator("A", "meter")
    async with opened(simulator) as rig:
        with pytest.raises(UnsupportedError):
            await device(rig).set_parameter("setpoint", "10", confirm=True)


async def test_no_request_is_a_letter_and_a_digit() -> None:
    """`A49408` is a set point: it must never be sent."""
    sent: list[bytes] = []

    class Watched(AlicatSimulator):
        def receive(self, data: bytes, now: float) -> bytes:
            sent.append(data)
            return super().receive(data, now)

    async with opened(Watched("A")) as rig:
        await rig.poll()
        await device(rig).set_parameter("setpoint", "10", confirm=True)
    assert sent
    assert [frame for frame in sent if frame[1:2] in b"0123456789+-."] == []


def device(rig: Manager) -> Alicat:
    found = rig.get("A")
    assert isinstance(found, Alicat)
    return found

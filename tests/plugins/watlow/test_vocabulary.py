"""The same calls for every family, over every protocol."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ConfigError
from riglog.model import Status
from riglog_watlow import Controller, WatlowConfig
from riglog_watlow.identity import part_number, serial_number
from riglog_watlow.simulator import SimulatedPM, StdBusSimulator, simulator
from riglog_watlow.targets import parse_target

MakeBench = Callable[..., Any]
EVERY = [("stdbus", "pm"), ("modbus-rtu", "pm"), ("modbus-tcp", "pm"), ("modbus-rtu", "sd"), ("modbus-ascii", "f4p")]


@pytest.fixture
async def oven(protocol: str, family: str, bench: MakeBench) -> Controller:
    settings = {"protocol": protocol, "family": family}
    peer = simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **settings))  # type: ignore[arg-type]
    controller: Controller = bench(peer).controller(**settings)
    await controller.open()
    return controller


@pytest.mark.parametrize(("protocol", "family"), EVERY)
async def test_a_loop_is_read_and_set_by_the_same_calls(oven: Controller) -> None:
    loop = oven.loop(1)
    assert (await oven.read_pv()).value == pytest.approx(72.0, abs=0.1)
    assert (await loop.read_pv()).unit == "degF"
    assert (await loop.read_setpoint()).value == (await oven.read_setpoint()).value == 75.0
    output = await loop.read_output()
    assert 0 <= float(output.value or 0) <= 100
    assert output.unit == "%"
    assert await loop.set_setpoint(80.0, confirm=True)
    assert (await oven.read_setpoint()).value == 80.0


async def test_the_heat_power_is_read_where_there_is_no_output_power(bench: MakeBench) -> None:
    controller = SimulatedPM()
    del controller.values[parse_target("output_power", controller.registry)]
    controller.set("heat_power", "41.5")
    sample = await bench(StdBusSimulator(controller=controller)).controller().loop(1).read_output()
    assert (sample.parameter, sample.value, sample.unit) == ("heat_power", 41.5, "%")


@pytest.mark.parametrize(("protocol", "family"), EVERY)
async def test_pid_terms_are_read_and_written_by_their_names(oven: Controller) -> None:
    loop = oven.loop(1)
    terms = await loop.read_pid()
    assert {"proportional_band", "integral", "derivative"} <= set(terms)
    assert (terms["proportional_band"].value, terms["proportional_band"].unit) == (25.0, "degF")
    assert terms["integral"].unit in ("s", "min")
    written = await loop.write_pid(proportional_band=30.0, integral=2.5, confirm=True)
    assert {term: sample and sample.value for term, sample in written.items()} == {
        "proportional_band": 30.0,
        "integral": 2.5,
    }
    with pytest.raises(ConfigError, match="bandwidth"):
        await loop.write_pid(bandwidth=1.0, confirm=True)


@pytest.mark.parametrize(("protocol", "family"), EVERY)
async def test_a_loop_that_the_family_does_not_have_is_refused(oven: Controller) -> None:
    with pytest.raises(ConfigError, match="invalid loop 3"):
        oven.loop(3)
    with pytest.raises(ConfigError):
        oven.loop(0)


@pytest.mark.parametrize(("protocol", "family"), [("stdbus", "pm"), ("modbus-rtu", "pm")])
async def test_alarms_that_are_not_in_use_are_not_reported(oven: Controller) -> None:
    assert await oven.read_alarms() == []
    await oven.write_parameter("alarm_type", "process alarm", 2, confirm=True)
    await oven.write_parameter("alarm_high_setpoint", 50.0, 2, confirm=True)
    (state,) = await oven.read_alarms()
    assert (state.instance, state.value, state.text) == (2, 7, "Alarm High")


@pytest.mark.parametrize(("protocol", "family"), [("modbus-rtu", "sd")])
async def test_a_series_sd_reports_all_of_its_alarms(oven: Controller) -> None:
    assert [state.text for state in await oven.read_alarms()] == ["None"] * 6


@pytest.mark.parametrize(("protocol", "family"), EVERY)
async def test_a_controller_is_identified(oven: Controller, protocol: str, family: str) -> None:
    known = await oven.identify()
    serial = {"pm": "123457", "sd": "1234-5601", "f4p": "123401"}[family]
    assert (known.family, known.serial) == (oven.facts.family, serial)
    assert await oven.identity() == serial
    if family == "pm":
        assert (known.hardware, known.firmware) == ("ARM", "5678.12")
    if protocol == "stdbus":
        assert known.model == "EZ-ZONE PM"
        assert known.part_number is not None
        assert (known.part_number.panel, known.part_number.profiles) == ("1/32 DIN", True)


@pytest.mark.parametrize(("protocol", "family"), EVERY)
async def test_a_snapshot_holds_identity_and_everything_that_matters(oven: Controller) -> None:
    snapshot = await oven.snapshot()
    names = [sample.parameter for sample in snapshot.samples]
    assert {"process_value", "setpoint", "output_power", *oven.facts.modes} <= set(names)
    assert all(
        sample.status is Status.OK for sample in snapshot.samples if sample.parameter != "cool_proportional_band"
    )
    assert snapshot.identity.serial


@pytest.mark.parametrize(("protocol", "family"), EVERY)
async def test_several_parameters_are_read_together_and_an_unknown_name_is_refused(oven: Controller) -> None:
    samples = await oven.read_parameters(["setpoint", "process_value"])
    assert [sample.parameter for sample in samples] == ["setpoint", "process_value"]
    with pytest.raises(ConfigError):
        await oven.read_parameters(["setpoint", "nonsense"])


@pytest.mark.parametrize(("protocol", "family"), [("stdbus", "pm"), ("modbus-rtu", "pm")])
async def test_an_absent_parameter_does_not_affect_the_others(oven: Controller) -> None:
    samples = await oven.read_parameters(["timer_elapsed_time", "setpoint"])
    assert [sample.status for sample in samples] == [Status.MISSING, Status.OK]


def test_the_options_of_a_part_number_are_decoded() -> None:
    known = part_number("PM6C1EJ-2AAAAAA")
    assert known is not None
    assert (known.panel, known.profiles, known.second_output, known.modbus) == ("1/16 DIN", False, True, True)
    assert not known.bluetooth
    assert not known.ethernet


@pytest.mark.parametrize("text", ["", "PM3R1CA", "ST12-3456", "PM3R1CA-", "PM3-AAAA"])
def test_a_text_that_is_not_a_part_number_is_not_decoded(text: str) -> None:
    assert part_number(text) is None


def test_half_a_serial_number_is_none() -> None:
    assert serial_number("Series F4P", ["12", None]) is None
    assert serial_number("EZ-ZONE PM", [None, "7"]) == "7"
    assert serial_number("EZ-ZONE PM", [None, None]) is None

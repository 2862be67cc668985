"""A controller over Standard Bus: its channels, values, units, and what it does not have."""

import struct
from collections.abc import Callable
from itertools import groupby
from typing import Any

import anyio
import pytest

from riglog.errors import ConfigError, ReplyTimeoutError
from riglog.manager import Manager
from riglog.model import Status
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.testing import LoopClock
from riglog_watlow.errors import NoSuchInstanceError, NoSuchMemberError
from riglog_watlow.parameters import registry
from riglog_watlow.samples import UnitContext, WireUnits, interpret
from riglog_watlow.simulator import SimulatedPM, StdBusSimulator

MakeBench = Callable[..., Any]


async def test_nothing_is_sent_before_open(bench: MakeBench) -> None:
    rig = bench()
    rig.controller()
    assert rig.transport.sent == 0


async def test_process_value_set_point_and_output_are_polled_by_default(bench: MakeBench) -> None:
    oven = bench().controller()
    await oven.open()
    samples = await oven.poll()
    assert [sample.channel for sample in samples] == list(oven.channels)
    assert [(sample.parameter, sample.value, sample.unit) for sample in samples] == [
        ("process_value", pytest.approx(72.0, abs=0.1), "degF"),
        ("setpoint", 75.0, "degF"),
        ("output_power", pytest.approx(12.4, abs=1), "%"),
    ]
    channel = oven.channels[0]
    assert (channel.device, channel.driver, channel.protocol, channel.address) == ("oven", "watlow", "stdbus", 1)
    assert (channel.parameter_id, channel.instance, channel.unit) == (4001, 1, "degF")


async def test_every_sample_has_the_stamp_of_its_own_transaction(bench: MakeBench) -> None:
    oven = bench().controller()
    samples = await oven.poll()
    stamps = [sample.stamp for sample in samples]
    assert len({stamp.monotonic_ns for stamp in stamps}) == len(stamps)
    assert all(stamp.latency_ns == 2_000_000 for stamp in stamps)


async def test_the_process_value_follows_the_set_point(bench: MakeBench) -> None:
    rig = bench()
    oven = rig.controller(parameters=("process_value",))
    rig.simulators[0].set("setpoint", "200")
    seen = []
    for _ in range(30):
        seen.append((await oven.poll())[0].value)
        await anyio.sleep(5)
    assert seen == sorted(seen)
    assert seen[0] == pytest.approx(72.0, abs=0.5)
    assert seen[-1] == pytest.approx(200, abs=0.5)


@pytest.mark.parametrize(
    ("name", "fahrenheit", "celsius"),
    [("setpoint", "392", 200.0), ("heat_proportional_band", "25.2", 14.0), ("integral_time", "180", 180.0)],
)
async def test_differences_are_converted_without_the_offset(
    name: str, fahrenheit: str, celsius: float, bench: MakeBench
) -> None:
    rig = bench()
    rig.simulators[0].set(name, fahrenheit)
    for unit, expected in (("degF", float(fahrenheit)), ("degC", celsius), (None, float(fahrenheit))):
        sample = await rig.controller(temperature_unit=unit).read_parameter(name)
        assert sample.value == pytest.approx(expected, rel=1e-6)
        assert sample.unit == ("s" if name == "integral_time" else unit or "degF")


async def test_an_enumerated_value_is_code_and_label(bench: MakeBench) -> None:
    sample = await bench().controller().read_parameter("control_mode")
    assert (sample.value, sample.text, sample.unit) == (10, "Auto", None)


async def test_texts_are_read_by_name_or_id(bench: MakeBench) -> None:
    oven = bench().controller()
    for key in ("part_number", 1009, "1009"):
        assert (await oven.read_parameter(key)).value == "PM3R1CA-AAAAAAA"


async def test_an_open_sensor_is_a_fault_without_a_value(bench: MakeBench) -> None:
    rig = bench()
    rig.simulators[0].set("input_error", "open")
    samples = await rig.controller(parameters=("input_error", "process_value", "setpoint")).poll()
    error, measured, setpoint = samples
    assert (error.value, error.text, error.status) == (65, "Open", Status.OK)
    assert (measured.value, measured.status, measured.flags) == (None, Status.FAULT, ("open",))
    assert measured.error == "sensor error: open"
    assert setpoint.value == 75.0


async def test_uninitialised_memory_is_not_a_value(bench: MakeBench) -> None:
    sample = await bench().controller().read_parameter("cool_power")
    assert (sample.value, sample.status) == (None, Status.OUT_OF_RANGE)


def test_uninitialised_memory_is_not_a_value_of_a_parameter_without_a_range_either() -> None:
    parameter = registry().find("profile_step_time_remaining_total")
    assert parameter.range is None
    number = struct.unpack(">f", b"\xcd\xcd\xcd\xcd")[0]
    result = interpret(parameter, number, {}, UnitContext(WireUnits("degF")))
    assert (result.value, result.status) == (None, Status.OUT_OF_RANGE)


def test_a_number_whose_words_are_swapped_is_not_a_value_even_if_it_would_be_converted() -> None:
    context = UnitContext(WireUnits("degF"), "degC")
    result = interpret(registry().find("setpoint"), 2.4e-41, {}, context)
    assert (result.value, result.status) == (None, Status.OUT_OF_RANGE)
    assert interpret(registry().find("setpoint"), 0.0, {}, context).value == pytest.approx(-17.78, abs=0.01)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "10000"])
async def test_a_number_outside_the_range_is_not_a_value(value: str, bench: MakeBench) -> None:
    rig = bench()
    rig.simulators[0].set("process_value", value)
    (sample,) = await rig.controller(parameters=("process_value",)).poll()
    assert (sample.value, sample.status) == (None, Status.OUT_OF_RANGE)


async def test_a_parameter_that_the_model_does_not_have_is_requested_once(bench: MakeBench) -> None:
    rig = bench()
    oven = rig.controller(parameters=("input_units", "setpoint"))
    first = await oven.poll()
    requests = rig.client.counters.requests
    second = await oven.poll()
    assert rig.client.counters.requests == requests + 1
    for sample in (first[0], second[0]):
        assert (sample.value, sample.status) == (None, Status.MISSING)
        assert "no such parameter" in (sample.error or "")
    assert [first[1].value, second[1].value] == [75.0, 75.0]
    with pytest.raises(NoSuchMemberError, match="not requested again"):
        await oven.read_parameter("input_units")
    await oven.open()
    with pytest.raises(NoSuchMemberError) as caught:
        await oven.read_parameter("input_units")
    assert "not requested again" not in str(caught.value)


async def test_the_error_of_a_parameter_known_to_be_absent_is_a_new_one_each_time(bench: MakeBench) -> None:
    oven = bench().controller()
    errors = []
    for _ in range(3):
        with pytest.raises(NoSuchMemberError) as caught:
            await oven.read_parameter("input_units")
        errors.append(caught.value)
    assert len({id(error) for error in errors}) == 3
    assert {error.code for error in errors} == {"83"}
    assert "request" in errors[0].context
    assert "request" not in errors[1].context


async def test_a_controller_that_is_off_is_suspended_although_one_parameter_is_known_to_be_absent() -> None:
    wire = FaultyWire(StdBusSimulator())
    async with Manager(clock=LoopClock()) as rig:
        parameters = ["input_units", "setpoint"]
        await rig.add("oven", SimulatedTransport(wire), driver="watlow", parameters=parameters)
        assert [sample.status for sample in await rig.poll()] == [Status.MISSING, Status.OK]
        wire.plugged = False
        for _ in range(10):
            samples = await rig.poll()
        assert [sample.status for sample in samples] == [Status.SKIPPED] * 2


async def test_a_second_loop_on_a_single_loop_unit_is_refused(bench: MakeBench) -> None:
    with pytest.raises(NoSuchInstanceError) as caught:
        await bench().controller().read_parameter("setpoint", 2)
    assert caught.value.context["parameter"] == "setpoint[2]"
    assert caught.value.context["address"] == 1


async def test_channels_are_parameters_times_the_instances_they_have(bench: MakeBench) -> None:
    simulator = StdBusSimulator(controller=SimulatedPM(loops=2))
    oven = bench(simulator).controller(
        parameters=("process_value", "serial_number", "alarm_state[4]", "7001"), instances=(1, 2)
    )
    await oven.open()
    assert [str(channel) for channel in oven.channels] == [
        "oven.process_value",
        "oven.process_value[2]",
        "oven.serial_number",
        "oven.alarm_state[4]",
        "oven.setpoint",
        "oven.setpoint[2]",
    ]
    assert all(sample.status is Status.OK for sample in await oven.poll())


async def test_a_process_signal_has_no_unit_and_is_never_converted(bench: MakeBench) -> None:
    rig = bench()
    rig.simulators[0].set("sensor_type", "milliamps dc")
    oven = rig.controller(temperature_unit="degC", parameters=("setpoint", "alarm_high_setpoint", "output_power"))
    await oven.open()
    assert [channel.unit for channel in oven.channels] == [None, None, "%"]
    assert [(one.value, one.unit) for one in (await oven.poll())[:2]] == [(75.0, None), (300.0, None)]


@pytest.mark.parametrize(
    ("knobs", "value", "unit"),
    [
        ({"alarm_type": "process alarm"}, pytest.approx(148.8888889), "degC"),
        ({"alarm_type": "deviation alarm"}, pytest.approx(166.6666667), "degC"),
        ({"alarm_source": "current"}, 300.0, "A"),
        ({"alarm_source": "pid power"}, 300.0, "%"),
        ({"alarm_source": "linearization"}, 300.0, None),
    ],
)
async def test_what_an_alarm_set_point_means_depends_on_its_alarm(
    knobs: dict[str, str], value: object, unit: str | None, bench: MakeBench
) -> None:
    rig = bench()
    for name, knob in knobs.items():
        rig.simulators[0].set(name, knob)
    sample = await rig.controller(temperature_unit="degC").read_parameter("alarm_high_setpoint")
    assert (sample.value, sample.unit) == (value, unit)


@pytest.mark.parametrize(("scale", "unit"), [("minutes", "degC/min"), ("hours", "degC/h")])
async def test_a_ramp_rate_is_per_minute_or_per_hour(scale: str, unit: str, bench: MakeBench) -> None:
    rig = bench()
    rig.simulators[0].set("ramp_scale", scale)
    rig.simulators[0].set("ramp_rate", "18")
    sample = await rig.controller(temperature_unit="degC").read_parameter("ramp_rate")
    assert (sample.value, sample.unit) == (pytest.approx(10.0), unit)


async def test_the_identity_is_the_serial_number(bench: MakeBench) -> None:
    rig = bench(StdBusSimulator(1), StdBusSimulator(2))
    assert await rig.controller(address=1).identity() == "123457"
    assert await rig.controller(address=2).identity() == "123458"


async def test_reading_the_identity_requests_the_serial_number_only(bench: MakeBench) -> None:
    rig = bench()
    oven = rig.controller()
    await oven.open()
    requests = rig.client.counters.requests
    await oven.identity()
    assert rig.client.counters.requests == requests + 2  # the text, and the number


async def test_after_an_interruption_the_channels_stay_and_inputs_are_read_again(bench: MakeBench) -> None:
    rig = bench()
    oven = rig.controller(parameters=("setpoint",), temperature_unit="degC")
    await oven.open()
    channels = oven.channels
    assert [sample.unit for sample in await oven.poll()] == ["degC"]
    rig.simulators[0].set("sensor_type", "milliamps dc")
    await oven.reconnected()
    assert [(sample.value, sample.unit) for sample in await oven.poll()] == [(75.0, None)]
    assert oven.channels is channels


async def test_no_request_of_a_neighbour_comes_between_a_process_value_and_its_input_error(bench: MakeBench) -> None:
    rig = bench(StdBusSimulator(1), StdBusSimulator(2))
    ovens = [rig.controller(address=address) for address in (1, 2)]
    for oven in ovens:
        await oven.open()
    rig.bus.requests.clear()
    async with anyio.create_task_group() as tasks:
        for oven in ovens:
            tasks.start_soon(oven.read_parameter, "process_value")
    assert len(rig.bus.requests) == 8  # the error before and after the value, and the kind of the input
    assert len(runs_of_one_address(rig)) == 2


async def test_while_a_controller_is_opened_its_neighbours_get_the_port_in_between(bench: MakeBench) -> None:
    rig = bench(StdBusSimulator(1), StdBusSimulator(2))
    async with anyio.create_task_group() as tasks:
        for address in (1, 2):
            tasks.start_soon(rig.controller(address=address).open)
    assert len(rig.bus.requests) == 4
    assert len(runs_of_one_address(rig)) == 4


def runs_of_one_address(rig: Any) -> list[int]:
    """Return the addresses to which requests were sent; several in a row count once."""
    return [address for address, _ in groupby(frame[3] - 0x0F for frame in rig.bus.requests)]


async def test_a_controller_that_does_not_respond_costs_one_timeout(bench: MakeBench) -> None:
    oven = bench().controller(address=9)
    started = anyio.current_time()
    samples = await oven.poll()
    assert anyio.current_time() - started == pytest.approx(0.5, abs=0.01)
    assert [sample.status for sample in samples] == [Status.MISSING] * 3
    with pytest.raises(ReplyTimeoutError) as caught:
        await oven.open()
    assert caught.value.context["address"] == 9
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parameters": ("proces_value",)}, "unknown parameter 'proces_value'"),
        ({"parameters": ("setpoint", "7001")}, "duplicate parameter setpoint"),
        ({"parameters": ("setpoint[3]",)}, "invalid instance 3"),
        ({"parameters": ("setpoint",), "instances": (7,)}, "invalid instance 7"),
        ({"parameters": ("save_settings_as",)}, "write-only"),
        ({"parameters": ()}, "empty list"),
        ({"address": 17}, "address 17"),
        ({"protocol": "profibus"}, "'profibus'"),
    ],
)
def test_an_invalid_configuration_is_refused(settings: dict[str, Any], message: str, bench: MakeBench) -> None:
    with pytest.raises(ConfigError, match=message):
        bench().controller(**settings)

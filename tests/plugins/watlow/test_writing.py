"""Nothing is written by accident, and what is written is read back."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ConfigError, ConfirmationError, ReplyTimeoutError, WriteRefusedError
from riglog.simulation import Fault, Simulator
from riglog_watlow import Controller, WatlowConfig, registry
from riglog_watlow.errors import AccessDeniedError, StoredOtherwiseError, WrongTypeError
from riglog_watlow.parameters import WireValue
from riglog_watlow.plan import Target
from riglog_watlow.simulator import SimulatedPM, StdBusSimulator, simulator
from riglog_watlow.simulator.controller import Refusal, Refused
from riglog_watlow.writer import LINK_PARAMETERS, TIERS

MakeBench = Callable[..., Any]
PROTOCOLS = ("stdbus", "modbus-rtu")


def slave(**settings: Any) -> Simulator:
    return simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **settings))


async def opened(rig: Any, **settings: Any) -> Controller:
    controller: Controller = rig.controller(**settings)
    await controller.open()
    return controller


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_set_point_is_written_and_read_back(protocol: str, bench: MakeBench) -> None:
    rig = bench(slave(protocol=protocol))
    oven = await opened(rig, protocol=protocol, temperature_unit="degC")
    told: list[str] = []
    oven.on_write = told.append
    sample = await oven.set_setpoint(200.0, confirm=True)
    assert sample is not None
    assert (sample.value, sample.unit) == (pytest.approx(200.0), "degC")
    assert rig.simulators[0].controller.stored("setpoint") == pytest.approx(392.0)
    assert told == ["setpoint = 200.0 degC"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("heat_proportional_band", 14.0, pytest.approx(25.2)),
        ("control_mode", "off", 62),
        ("control_mode", 54, 54),
        ("alarm_delay", 30, 30),
        ("alarm_source_instance", "2", 2),
        ("input_filter_time", 0.5, 0.5),
    ],
)
async def test_numbers_codes_and_labels_are_written_in_the_type_of_the_parameter(
    protocol: str, name: str, value: float | str, stored: object, bench: MakeBench
) -> None:
    rig = bench(slave(protocol=protocol))
    oven = await opened(rig, protocol=protocol, temperature_unit="degC")
    sample = await oven.write_parameter(name, value, confirm=True)
    assert sample is not None
    assert rig.simulators[0].controller.stored(name) == stored
    if isinstance(value, str) and not value.isdigit():
        assert (sample.text or "").lower() == value


async def test_words_are_written_over_standard_bus(bench: MakeBench) -> None:
    rig = bench()
    sample = await rig.controller().write_parameter("device_name", "kiln seven", confirm=True)
    assert sample.value == "kiln seven"


@pytest.mark.parametrize("confirm", [False, None, 1, "yes"])
@pytest.mark.parametrize("name", ["setpoint", "control_mode", "alarm_clear_request", "comm_units", "clock_hours"])
async def test_without_the_word_not_a_byte_is_sent(name: str, confirm: Any, bench: MakeBench) -> None:
    rig = bench()
    with pytest.raises(ConfirmationError):
        await rig.controller().write_parameter(name, 1, confirm=confirm)
    assert rig.transport.sent == 0


async def test_the_refusal_names_the_memory_that_wears_out(bench: MakeBench) -> None:
    with pytest.raises(ConfirmationError, match=r"EEPROM.*1,000,000 writes.*persistent"):
        await bench().controller().set_setpoint(80)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("process_value", 20),
        ("serial_number", "1"),
        ("setpoint", 10_000),
        ("setpoint", float("nan")),
        ("setpoint", float("-inf")),
        ("setpoint", "hot"),
        ("control_mode", 11),
        ("control_mode", "slow"),
        ("alarm_delay", 1.5),
        ("alarm_delay", -1),
        ("manual_power", 101),
        *((name, 1) for name in sorted(LINK_PARAMETERS)),
    ],
)
async def test_what_cannot_be_is_refused_before_a_byte(name: str, value: float | str, bench: MakeBench) -> None:
    rig = bench()
    with pytest.raises(WriteRefusedError):
        await rig.controller().write_parameter(name, value, confirm=True)
    assert rig.transport.sent == 0


async def test_a_parameter_that_is_not_there_is_refused_before_a_byte(bench: MakeBench) -> None:
    rig = bench()
    for name, instance in (("setpint", 1), ("setpoint", 3)):
        with pytest.raises(ConfigError):
            await rig.controller().write_parameter(name, 1, instance, confirm=True)
    assert rig.transport.sent == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("name", "limit", "at", "value"),
    [("setpoint", "setpoint_max", "100", 101.0), ("manual_power", "manual_power_min", "0", -1.0)],
)
async def test_the_controllers_own_limits_hold(
    protocol: str, name: str, limit: str, at: str, value: float, bench: MakeBench
) -> None:
    rig = bench(slave(protocol=protocol))
    rig.simulators[0].set(limit, at)
    oven = await opened(rig, protocol=protocol)
    before = rig.simulators[0].controller.stored(name)
    with pytest.raises(WriteRefusedError, match="own limits"):
        await oven.write_parameter(name, value, confirm=True)
    assert rig.simulators[0].controller.stored(name) == before


async def test_limits_are_compared_in_the_unit_of_the_wire(bench: MakeBench) -> None:
    rig = bench(slave(protocol="modbus-rtu", wire_temperature_unit="degC"))
    rig.simulators[0].set("setpoint_max", "212")
    oven = await opened(rig, protocol="modbus-rtu", temperature_unit="degF")
    assert await oven.set_setpoint(211.0, confirm=True)
    with pytest.raises(WriteRefusedError, match="own limits"):
        await oven.set_setpoint(213.0, confirm=True)


class Counting(SimulatedPM):
    """Counts what is really written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, WireValue]] = []

    def write(self, one: Target, value: WireValue, now: float) -> None:
        self.writes.append((str(one), value))
        super().write(one, value, now)


async def test_what_is_stored_already_is_not_written_again(bench: MakeBench) -> None:
    controller = Counting()
    rig = bench(StdBusSimulator(controller=controller))
    oven = rig.controller(temperature_unit="degC")
    told: list[str] = []
    oven.on_write = told.append
    for value in (20.0, 20.0, 21.0, 21.0):
        sample = await oven.set_setpoint(value, confirm=True)
        assert sample.value == pytest.approx(value)
    assert len(controller.writes) == len(told) == 2


async def test_an_action_is_written_every_time_and_not_read_back(bench: MakeBench) -> None:
    controller = Counting()
    oven = bench(StdBusSimulator(controller=controller)).controller()
    for _ in range(2):
        assert await oven.write_parameter("alarm_clear_request", "clear", 2, confirm=True) is None
    assert controller.writes == [("alarm_clear_request[2]", 0)] * 2


class Clamping(Counting):
    """Takes any set point, and stores one of at most 100."""

    def write(self, one: Target, value: WireValue, now: float) -> None:
        super().write(one, min(float(value), 100.0), now)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_controller_that_clamps_is_caught(protocol: str, bench: MakeBench) -> None:
    peer = slave(protocol=protocol)
    clamping = Clamping()
    if isinstance(peer, StdBusSimulator):
        peer.controller = clamping
    else:
        peer.slave.controller = clamping  # type: ignore[attr-defined]
    oven = await opened(bench(peer), protocol=protocol)
    with pytest.raises(StoredOtherwiseError, match="holds 100"):
        await oven.set_setpoint(150.0, confirm=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.LATE, Fault.CORRUPT])
async def test_a_write_without_a_reply_is_never_repeated_but_read_back(
    protocol: str, fault: Fault, bench: MakeBench
) -> None:
    controller = Counting()
    peer = slave(protocol=protocol)
    (peer if isinstance(peer, StdBusSimulator) else peer.slave).controller = controller  # type: ignore[attr-defined]
    faults: list[Fault | None] = []
    rig = bench(peer, script=iter(faults.pop, "never"), late=1.5)
    faults += [None] * 200
    oven = await opened(rig, protocol=protocol)
    reads = 3 if protocol == "stdbus" else 4  # the limits, the present value, over Modbus also the unit
    faults[:] = [None] * 100 + [fault] + [None] * reads
    sample = await oven.set_setpoint(150.0, confirm=True)
    assert sample is not None
    assert sample.value == 150.0
    assert controller.writes == [("setpoint", 150.0)]
    assert rig.client.counters.timeouts == 1


async def test_an_action_without_a_reply_says_that_nobody_knows(bench: MakeBench) -> None:
    controller = Counting()
    rig = bench(StdBusSimulator(controller=controller), script=[Fault.DROP])
    with pytest.raises(ReplyTimeoutError) as caught:
        await rig.controller().write_parameter("alarm_clear_request", 0, confirm=True)
    assert "may have been done" in str(caught.value.hint)
    assert len(controller.writes) == 1


class Refusing(SimulatedPM):
    """Locked at the panel."""

    def write(self, one: Target, value: WireValue, now: float) -> None:
        raise Refused(Refusal.READ_ONLY)


async def test_what_the_controller_refuses_is_its_own_error(bench: MakeBench) -> None:
    oven = bench(StdBusSimulator(controller=Refusing())).controller()
    with pytest.raises(AccessDeniedError) as caught:
        await oven.set_setpoint(80, confirm=True)
    assert caught.value.context["parameter"] == "setpoint"


async def test_a_write_uses_the_type_of_the_device_where_the_table_is_wrong(bench: MakeBench) -> None:
    peer = StdBusSimulator()
    oven = bench(peer).controller()
    parameter = registry().find("alarm_delay")
    oven.access._tags[parameter] = 0x0F  # as if a read had said so
    with pytest.raises(WrongTypeError):
        await oven.access.write(Target(parameter), 5)
    await oven.write_parameter("alarm_delay", 5, confirm=True)
    assert peer.controller.stored("alarm_delay") == 5


async def test_behind_a_gateway_of_unknown_unit_no_temperature_is_written(bench: MakeBench) -> None:
    rig = bench(slave(protocol="modbus-tcp", zone=1))
    oven = await opened(rig, protocol="modbus-tcp", zone=1)
    with pytest.raises(WriteRefusedError, match="which unit"):
        await oven.set_setpoint(80, confirm=True)
    assert await oven.write_parameter("control_mode", "off", confirm=True)


async def test_a_changed_unit_of_the_wire_is_known_at_once(bench: MakeBench) -> None:
    oven = await opened(bench(slave(protocol="modbus-rtu")), protocol="modbus-rtu")
    await oven.write_parameter("comm_units", "C", confirm=True)
    assert (await oven.read_setpoint()).unit == "degC"
    await oven.write_parameter("modbus_word_order", "High_Low", confirm=True)
    assert (await oven.read_setpoint()).value == pytest.approx(23.88889)


@pytest.mark.parametrize(("family", "value"), [("sd", 68.2), ("f4p", 68.2)])
async def test_scaled_registers_are_written_in_their_scale(family: str, value: float, bench: MakeBench) -> None:
    rig = bench(slave(protocol="modbus-rtu", family=family))
    oven = await opened(rig, protocol="modbus-rtu", family=family)
    sample = await oven.set_setpoint(value, confirm=True)
    assert sample is not None
    assert sample.value == value
    assert rig.simulators[0].controller.stored("setpoint") == pytest.approx(value)


def test_every_parameter_that_can_be_written_has_a_tier() -> None:
    for parameter in registry():
        assert (parameter.write_class in TIERS) == parameter.writable

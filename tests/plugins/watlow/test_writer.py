"""Nothing is written by accident, nothing is written twice, and what is written is read back."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any

import anyio
import pytest

from riglog.errors import ConfigError, ConfirmationError, ReplyTimeoutError, WriteRefusedError
from riglog.simulation import Fault, Simulator
from riglog_watlow import Controller, Loop, WatlowConfig, registry
from riglog_watlow.errors import AccessDeniedError, ReadbackMismatchError, WrongTypeError
from riglog_watlow.families import FACTS
from riglog_watlow.parameters import WireValue
from riglog_watlow.simulator import ControllerServer, ModbusSimulator, SimulatedPM, StdBusSimulator, simulator
from riglog_watlow.simulator.instrument import Refusal, Refused
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import read_request, write_request
from riglog_watlow.targets import Target
from riglog_watlow.writer import LINK_PARAMETERS, TIERS

MakeBench = Callable[..., Any]
PROTOCOLS = ("stdbus", "modbus-rtu")


def peer_of(**settings: Any) -> Simulator:
    return simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **settings))


def peer_with(controller: SimulatedPM, protocol: str) -> Simulator:
    """Return a simulated controller over one of both protocols."""
    if protocol == "stdbus":
        return StdBusSimulator(controller=controller)
    return ModbusSimulator(protocol, 1, ControllerServer(controller, FACTS["pm"]))


async def opened(rig: Any, **settings: Any) -> Controller:
    controller: Controller = rig.controller(**settings)
    await controller.open()
    return controller


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_set_point_is_written_and_read_back(protocol: str, bench: MakeBench) -> None:
    rig = bench(peer_of(protocol=protocol))
    oven = await opened(rig, protocol=protocol, temperature_unit="degC")
    changes: list[str] = []
    oven.on_write = changes.append
    sample = await oven.set_setpoint(200.0, confirm=True)
    assert sample is not None
    assert (sample.value, sample.unit) == (pytest.approx(200.0), "degC")
    assert rig.simulators[0].controller.stored("setpoint") == pytest.approx(392.0)
    assert changes == ["setpoint = 200.0 degC"]


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
    rig = bench(peer_of(protocol=protocol))
    oven = await opened(rig, protocol=protocol, temperature_unit="degC")
    sample = await oven.write_parameter(name, value, confirm=True)
    assert sample is not None
    assert rig.simulators[0].controller.stored(name) == stored
    if isinstance(value, str) and not value.isdigit():
        assert (sample.text or "").lower() == value


async def test_texts_are_written_over_standard_bus(bench: MakeBench) -> None:
    rig = bench()
    sample = await rig.controller().write_parameter("device_name", "kiln seven", confirm=True)
    assert sample.value == "kiln seven"


@pytest.mark.parametrize("confirm", [False, None, 1, "yes"])
@pytest.mark.parametrize("name", ["setpoint", "control_mode", "alarm_clear_request", "comm_units", "clock_hours"])
async def test_without_confirmation_not_a_byte_is_sent(name: str, confirm: Any, bench: MakeBench) -> None:
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
async def test_an_invalid_value_is_refused_before_a_byte(name: str, value: float | str, bench: MakeBench) -> None:
    rig = bench()
    with pytest.raises(WriteRefusedError):
        await rig.controller().write_parameter(name, value, confirm=True)
    assert rig.transport.sent == 0


async def test_an_unknown_parameter_is_refused_before_a_byte(bench: MakeBench) -> None:
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
async def test_the_limits_set_in_the_controller_apply(
    protocol: str, name: str, limit: str, at: str, value: float, bench: MakeBench
) -> None:
    rig = bench(peer_of(protocol=protocol))
    rig.simulators[0].set(limit, at)
    oven = await opened(rig, protocol=protocol)
    before = rig.simulators[0].controller.stored(name)
    with pytest.raises(WriteRefusedError, match="outside the limits"):
        await oven.write_parameter(name, value, confirm=True)
    assert rig.simulators[0].controller.stored(name) == before


async def test_a_value_and_its_limits_are_reported_in_the_unit_that_is_published(bench: MakeBench) -> None:
    rig = bench()
    rig.simulators[0].set("setpoint_max", "392")
    oven = rig.controller(temperature_unit="degC")
    with pytest.raises(WriteRefusedError) as caught:
        await oven.set_setpoint(201.0, confirm=True)
    assert caught.value.message == "201 degC is outside the limits -1128.33 degC to 200 degC set in the controller"
    with pytest.raises(WriteRefusedError) as caught:
        await oven.set_setpoint(6000.0, confirm=True)
    assert caught.value.message == "6000 degC is outside the range -1128.33 degC to 5537.22 degC of setpoint"


async def test_limits_are_compared_in_the_unit_of_the_controller(bench: MakeBench) -> None:
    rig = bench(peer_of(protocol="modbus-rtu", wire_temperature_unit="degC"))
    rig.simulators[0].set("setpoint_max", "212")
    oven = await opened(rig, protocol="modbus-rtu", temperature_unit="degF")
    assert await oven.set_setpoint(211.0, confirm=True)
    with pytest.raises(WriteRefusedError, match="outside the limits"):
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
    changes: list[str] = []
    oven.on_write = changes.append
    for value in (20.0, 20.0, 21.0, 21.0):
        sample = await oven.set_setpoint(value, confirm=True)
        assert sample.value == pytest.approx(value)
    assert len(controller.writes) == len(changes) == 2


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
async def test_a_controller_that_limits_the_value_is_detected(protocol: str, bench: MakeBench) -> None:
    oven = await opened(bench(peer_with(Clamping(), protocol)), protocol=protocol)
    with pytest.raises(ReadbackMismatchError, match="read back 100"):
        await oven.set_setpoint(150.0, confirm=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.LATE, Fault.CORRUPT])
async def test_a_write_without_a_reply_is_never_repeated_but_read_back(
    protocol: str, fault: Fault, bench: MakeBench
) -> None:
    controller = Counting()
    peer = peer_with(controller, protocol)
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


class NoReplyToWrites(Simulator):
    """Executes every write, and does not reply to it. ``writes`` are the frames with which it was requested."""

    def __init__(self, inner: Simulator, protocol: str) -> None:
        self.inner = inner
        self.function_of = FUNCTION_CODES[protocol]
        self.writes: list[bytes] = []

    def receive(self, data: bytes, now: float) -> bytes:
        reply = self.inner.receive(data, now)
        if self.function_of(data) not in (4, 6, 16):
            return reply
        self.writes.append(data)
        return b""


FUNCTION_CODES: dict[str, Callable[[bytes], int]] = {
    "stdbus": lambda frame: frame[9],
    "modbus-rtu": lambda frame: frame[1],
    "modbus-tcp": lambda frame: frame[7],
    "modbus-ascii": lambda frame: int(frame[3:5], 16),
}

WRITING_CALLS: dict[str, tuple[int, Callable[[Controller], Awaitable[object]]]] = {
    "write_parameter": (1, lambda oven: oven.write_parameter("input_filter_time", 1.5, confirm=True)),
    "write_parameter of an action": (1, lambda oven: oven.write_parameter("alarm_clear_request", 0, confirm=True)),
    "write_parameter of communication": (1, lambda oven: oven.write_parameter("comm_units", "C", confirm=True)),
    "set_parameter": (1, lambda oven: oven.set_parameter("control_mode", "off", confirm=True)),
    "set_setpoint": (1, lambda oven: oven.set_setpoint(150.0, confirm=True)),
    "Loop.set_setpoint": (1, lambda oven: oven.loop(1).set_setpoint(150.0, confirm=True)),
    "Loop.write_pid": (2, lambda oven: oven.loop(1).write_pid(integral=2.5, derivative=3.0, confirm=True)),
}


@pytest.mark.parametrize("protocol", FUNCTION_CODES)
@pytest.mark.parametrize(("frames", "call"), WRITING_CALLS.values(), ids=WRITING_CALLS)
async def test_a_write_is_sent_once_even_if_the_client_retries(
    protocol: str, frames: int, call: Callable[[Controller], Awaitable[object]], bench: MakeBench
) -> None:
    peer = NoReplyToWrites(peer_of(protocol=protocol), protocol)
    rig = bench(peer, retries=2)
    oven = await opened(rig, protocol=protocol)
    with suppress(ReplyTimeoutError):
        await call(oven)
    assert len(peer.writes) == len(set(peer.writes)) == frames
    assert rig.client.counters.timeouts == frames


def test_every_call_that_can_be_confirmed_is_among_the_writing_calls() -> None:
    calls = {
        (f"{kind.__name__}.{name}" if kind is Loop else name)
        for kind in (Controller, Loop)
        for name, method in vars(kind).items()
        if "confirm" in getattr(method, "__annotations__", {})
    }
    assert calls <= set(WRITING_CALLS)


async def test_the_retries_of_the_client_apply_to_reads_only(bench: MakeBench) -> None:
    for request, requests in ((read_request(9, 7001), 3), (write_request(9, 7001, 1, message.FLOAT, 80.0), 1)):
        rig = bench(retries=2)
        rig.controller()
        with pytest.raises(ReplyTimeoutError):
            await rig.client.transact(request)
        assert rig.client.counters.requests == requests


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_request_of_a_neighbour_comes_between_a_write_and_its_readback(
    protocol: str, bench: MakeBench
) -> None:
    rig = bench(*(peer_of(protocol=protocol, address=address) for address in (1, 2)))
    one, two = [await opened(rig, protocol=protocol, address=address) for address in (1, 2)]
    rig.bus.requests.clear()
    async with anyio.create_task_group() as tasks:
        for oven in (one, two):
            tasks.start_soon(partial(oven.set_setpoint, 150.0, confirm=True))
    address_at = 3 if protocol == "stdbus" else 0
    assert len(rig.bus.requests) >= 2 * 5
    assert len(list(groupby(rig.bus.requests, key=lambda frame: frame[address_at]))) == 2


async def test_an_action_without_a_reply_may_have_been_executed(bench: MakeBench) -> None:
    controller = Counting()
    rig = bench(StdBusSimulator(controller=controller), script=[Fault.DROP])
    with pytest.raises(ReplyTimeoutError) as caught:
        await rig.controller().write_parameter("alarm_clear_request", 0, confirm=True)
    assert "may have been executed" in str(caught.value.hint)
    assert len(controller.writes) == 1


class Refusing(SimulatedPM):
    """Locked at the panel."""

    def write(self, one: Target, value: WireValue, now: float) -> None:
        raise Refused(Refusal.READ_ONLY)


async def test_a_refusal_by_the_controller_has_its_own_error(bench: MakeBench) -> None:
    oven = bench(StdBusSimulator(controller=Refusing())).controller()
    with pytest.raises(AccessDeniedError) as caught:
        await oven.set_setpoint(80, confirm=True)
    assert caught.value.context["parameter"] == "setpoint"


async def test_a_write_uses_the_type_of_the_device_where_the_table_is_wrong(bench: MakeBench) -> None:
    peer = StdBusSimulator()
    oven = bench(peer).controller()
    parameter = registry().find("alarm_delay")
    oven.protocol.tags[parameter] = 0x0F  # as if the controller had responded with it
    with pytest.raises(WrongTypeError):
        await oven.protocol.write(oven.client, Target(parameter), 5)
    await oven.write_parameter("alarm_delay", 5, confirm=True)
    assert peer.controller.stored("alarm_delay") == 5


async def test_behind_a_gateway_of_unknown_unit_no_temperature_is_written(bench: MakeBench) -> None:
    rig = bench(peer_of(protocol="modbus-tcp", zone=1))
    oven = await opened(rig, protocol="modbus-tcp", zone=1)
    with pytest.raises(WriteRefusedError, match="temperature unit of setpoint is unknown"):
        await oven.set_setpoint(80, confirm=True)
    assert await oven.write_parameter("control_mode", "off", confirm=True)


async def test_a_changed_unit_or_word_order_is_known_at_once(bench: MakeBench) -> None:
    oven = await opened(bench(peer_of(protocol="modbus-rtu")), protocol="modbus-rtu")
    await oven.write_parameter("comm_units", "C", confirm=True)
    assert (await oven.read_setpoint()).unit == "degC"
    await oven.write_parameter("modbus_word_order", "High_Low", confirm=True)
    assert (await oven.read_setpoint()).value == pytest.approx(23.88889)


@pytest.mark.parametrize(("family", "value"), [("sd", 68.2), ("f4p", 68.2)])
async def test_scaled_registers_are_written_in_their_scale(family: str, value: float, bench: MakeBench) -> None:
    rig = bench(peer_of(protocol="modbus-rtu", family=family))
    oven = await opened(rig, protocol="modbus-rtu", family=family)
    sample = await oven.set_setpoint(value, confirm=True)
    assert sample is not None
    assert sample.value == value
    assert rig.simulators[0].controller.stored("setpoint") == pytest.approx(value)


def test_every_parameter_that_can_be_written_has_a_tier() -> None:
    for parameter in registry():
        assert (parameter.write_class in TIERS) == parameter.writable


async def test_a_unit_that_changes_between_check_and_write_is_not_a_success(bench: MakeBench) -> None:
    """For every point at which it can change: either the set point is the wanted one, or the write fails."""
    outcomes = []
    for point in range(14):
        peer = simulator(WatlowConfig(name="x", driver="watlow", port="sim:", protocol="modbus-rtu"))
        assert isinstance(peer, ModbusSimulator)
        oven = bench(peer).controller(protocol="modbus-rtu", temperature_unit="degF")
        await oven.open()
        peer.controller.panel.after(point, lambda peer=peer: peer.set("comm_units", "C"))
        try:
            await oven.set_setpoint(100.0, confirm=True)
        except ReadbackMismatchError:
            outcomes.append("refused")
        else:
            outcomes.append("stored")
            assert peer.controller.number("setpoint") == pytest.approx(100.0, abs=0.01)
    assert {"refused", "stored"} == set(outcomes)

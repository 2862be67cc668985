"""The simulated controller behaves on Standard Bus as captured controllers do. Source: sections 3.2, 5 and 6."""

from typing import Any

import pytest

from riglog.errors import ConfigError
from riglog.protocol.modbus import framing_of
from riglog.simulation import SimulatedBus
from riglog_watlow import WatlowConfig
from riglog_watlow.simulator import SimulatedPM, StdBusSimulator, simulator
from riglog_watlow.stdbus import frames, message
from riglog_watlow.stdbus.codec import StdBusCodec, StdBusRequest, read_request, write_request
from riglog_watlow.targets import parse_target

READ_PV = StdBusCodec().encode(read_request(1, 4001))


def reply_to(payload: str, simulator: StdBusSimulator | None = None) -> str:
    """Return the payload with which the controller at address 1 replies to a payload, as hex."""
    request = frames.frame_bytes(frames.REQUEST, 0x10, 0, bytes.fromhex(payload))
    frame, _ = frames.next_frame((simulator or StdBusSimulator()).receive(request, 0.0), 0)
    return frame.payload.hex(" ").upper() if frame else ""


def pv(controller: SimulatedPM, now: float, loop: int = 1) -> object:
    return controller.read(parse_target(f"process_value[{loop}]", controller.registry), now)


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        ("01 03 01 08 01 01", "02 03 01 08 01 01 0F 01 00 0A"),
        ("01 03 00 08 01 01", "02 03 01 08 01 01 0F 01 00 0A"),
        ("01 03 07 08 01 01", "02 03 01 08 01 01 0F 01 00 0A"),
        ("01 03 01 08 01 01 FF FF", "02 03 01 08 01 01 0F 01 00 0A"),
        ("01 03 02 08 1F 01", ""),
        ("01 05 08 01 01", "02 05 08 01 00"),
        ("01 99 08 01 01", ""),
        ("01 03", ""),
        ("02 03 01 08 01 01", ""),
    ],
)
def test_the_corners_of_the_message_layout(payload: str, reply: str) -> None:
    assert reply_to(payload) == reply


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("01 04 04 01 01 08 42 90 00 00", "80"),
        ("01 04 01 08 03 0F 01 00 01", "80"),
        ("01 03 01 00 01 01", "81"),
        ("01 03 01 63 01 01", "81"),
        ("01 03 01 04 63 01", "83"),
        ("01 03 01 03 01 01", "83"),
        ("01 03 01 04 2A 01", "83"),
        ("01 03 01 07 01 02", "84"),
        ("01 03 01 04 01 63", "84"),
        ("01 03 01 19 1E 01", "83"),
        ("01 04 08 03 01 08 42 90 00 00", "85"),
        ("01 04 08 03 01 01 47", "85"),
        ("01 04 08 03 01 0F 01 00 00 00", "86"),
        ("01 04 08 03 01 0F 00", "86"),
        ("01 04 08 03 01 0F 01 00 3F", "86"),
        ("01 04 07 01 01 08 7F C0 00 00", "86"),
    ],
)
def test_every_error_code_can_be_provoked(payload: str, code: str) -> None:
    assert reply_to(payload) == f"02 {code}"


@pytest.mark.parametrize(
    "data",
    [
        READ_PV[:7] + b"\x00" + READ_PV[8:],
        READ_PV[:-1] + b"\x00",
        READ_PV[:-3],
        StdBusCodec().encode(read_request(2, 4001)),
        *(frames.frame_bytes(kind, 0x10, 0, READ_PV[8:14]) for kind in (1, 3, 6)),
    ],
)
def test_damaged_requests_and_requests_to_others_get_no_reply(data: bytes) -> None:
    assert StdBusSimulator().receive(data, 0.0) == b""


def test_an_incomplete_request_is_kept_for_a_while_and_then_discarded() -> None:
    simulator = StdBusSimulator()
    assert simulator.receive(READ_PV[:9], 0.0) == b""
    assert simulator.receive(READ_PV[9:], 0.01)
    assert simulator.receive(READ_PV[:9], 1.0) == b""
    assert simulator.receive(READ_PV, 2.0)


def test_noise_before_a_request_is_ignored() -> None:
    assert StdBusSimulator().receive(b"\x13\x55" + READ_PV, 0.0)


def test_what_was_written_is_repeated_and_read_back() -> None:
    simulator = StdBusSimulator()
    assert reply_to("01 04 07 01 01 08 43 C4 00 00", simulator) == "02 04 07 01 01 08 43 C4 00 00"
    for parameter in ("07 01 01", "07 07 01"):
        assert reply_to(f"01 03 01 {parameter}", simulator) == f"02 03 01 {parameter} 08 43 C4 00 00"


def test_a_refused_write_changes_nothing() -> None:
    simulator = StdBusSimulator()
    reply_to("01 04 08 03 01 0F 01 00 3F", simulator)
    assert reply_to("01 03 01 08 03 01", simulator).endswith("00 47")


def test_a_set_point_outside_of_its_own_limits_is_refused() -> None:
    simulator = StdBusSimulator()
    simulator.set("setpoint_max", "100")
    assert reply_to("01 04 07 01 01 08 43 C4 00 00", simulator) == "02 86"


def test_an_action_is_executed_and_not_stored() -> None:
    simulator = StdBusSimulator()
    assert reply_to("01 04 09 0D 01 01 00", simulator) == "02 04 09 0D 01 01 00"
    assert reply_to("01 03 01 09 0D 01", simulator) == "02 03 01 09 0D 01 01 FF"


def test_an_open_sensor_reads_as_a_plausible_number() -> None:
    simulator = StdBusSimulator()
    simulator.set("input_error", "Open")
    assert message.decode_value(bytes.fromhex(reply_to("01 03 01 04 01 01", simulator))[6:])[1] == pytest.approx(
        2530.409
    )


def test_cooling_values_of_a_heat_only_controller_are_uninitialised_memory() -> None:
    for parameter in ("08 0C 01", "08 0D 01", "08 0E 01"):
        assert reply_to(f"01 03 01 {parameter}").endswith("CD CD CD CD")


def test_an_alarm_goes_off_above_its_set_point() -> None:
    simulator = StdBusSimulator()
    state = "01 03 01 09 09 02"
    assert reply_to(state, simulator).endswith("00 3D")
    simulator.set("alarm_type[2]", "process alarm")
    simulator.set("alarm_high_setpoint[2]", "70")
    assert reply_to(state, simulator).endswith("00 07")


def test_on_a_bus_only_the_addressed_controller_responds() -> None:
    bus = SimulatedBus([StdBusSimulator(address) for address in range(1, 17)])
    for address in range(1, 17):
        frame, end = frames.next_frame(reply := bus.receive(StdBusCodec().encode(read_request(address, 7001)), 0.0), 0)
        assert frame is not None
        assert (frame.source, end) == (frames.mac(address), len(reply))


def test_a_foreign_reply_is_intact_and_from_another_controller() -> None:
    for address in range(1, 17):
        simulator = StdBusSimulator(address)
        foreign = simulator.foreign(simulator.receive(StdBusCodec().encode(read_request(address, 7001)), 0.0))
        frame, _ = frames.next_frame(foreign, 0)
        assert frame is not None
        assert frame.source != frames.mac(address)
        assert 0x10 <= frame.source <= 0x1F


def test_two_loops_are_two_ovens() -> None:
    controller = SimulatedPM(loops=2)
    controller.set("setpoint[2]", "300")
    pv(controller, 0.0)
    assert [pv(controller, 600.0, loop) for loop in (1, 2)] == [pytest.approx(75), pytest.approx(300)]


@pytest.mark.parametrize("mode", ["off", "manual"])
def test_a_loop_that_is_not_in_auto_does_not_follow(mode: str) -> None:
    controller = SimulatedPM()
    controller.set("control_mode", mode)
    controller.set("manual_power", "50")
    pv(controller, 0.0)
    expected = 72.0 if mode == "off" else 472.0
    assert pv(controller, 3600.0) == pytest.approx(expected, rel=1e-3)
    assert controller.read(parse_target("output_power", controller.registry), 3600.0) == (
        0.0 if mode == "off" else 50.0
    )


def test_a_measured_value_stays_as_set_until_auto() -> None:
    controller = SimulatedPM()
    controller.set("process_value", "25")
    assert pv(controller, 100.0) == 25.0
    controller.set("process_value", "auto")
    assert pv(controller, 100.0) == pytest.approx(72.0)


@pytest.mark.parametrize(
    ("name", "value"), [("setpint", "1"), ("setpoint[2]", "1"), ("setpoint", "hot"), ("control_mode", "on")]
)
def test_an_unknown_setting_is_a_config_error(name: str, value: str) -> None:
    with pytest.raises(ConfigError):
        StdBusSimulator().set(name, value)


def test_a_reply_goes_back_to_the_source_of_its_request() -> None:
    request = StdBusRequest(1, message.selector(7001, 1), None, 0x2A)
    frame, _ = frames.next_frame(StdBusSimulator().receive(StdBusCodec().encode(request), 0.0), 0)
    assert frame is not None
    assert frame.destination == 0x2A


def test_a_write_to_another_controller_changes_nothing_here() -> None:
    simulator = StdBusSimulator(1)
    assert simulator.receive(StdBusCodec().encode(write_request(2, 7001, 1, message.FLOAT, 300.0)), 0.0) == b""
    assert simulator.controller.stored("setpoint") == 75.0


def modbus_reply(simulator: Any, unit: int, pdu: str) -> str:
    framing = framing_of("modbus-rtu")
    frame = framing.unwrap(simulator.receive(framing.wrap(unit, bytes.fromhex(pdu)), 0.0))
    return "" if frame is None else frame.pdu.hex(" ").upper()


def config_of(**settings: Any) -> WatlowConfig:
    return WatlowConfig(name="oven", driver="watlow", port="COM3", **settings)


def test_a_controller_that_was_told_another_address_responds_there_only() -> None:
    controller = simulator(config_of())
    assert isinstance(controller, StdBusSimulator)
    assert reply_to("01 04 11 01 01 01 05", controller) == "02 04 11 01 01 01 05", "with the old address still"
    assert reply_to("01 03 01 11 01 01", controller) == ""
    request = StdBusCodec().encode(read_request(5, 17001))
    assert controller.receive(request, 0.0)


def test_a_controller_that_was_told_to_use_modbus_understands_its_settings_only() -> None:
    controller = simulator(config_of())
    assert isinstance(controller, StdBusSimulator)
    for payload in ("01 04 11 07 01 01 09", "01 04 11 02 01 0F 01 00 BD", "01 04 11 09 01 0F 01 04 21"):
        assert reply_to(payload, controller).startswith("02 04")
    assert reply_to("01 03 01 11 01 01", controller) == ""
    controller.note_port(9600, "N")
    assert modbus_reply(controller, 9, "03 09B2 0001") == ""
    controller.note_port(19200, "N")
    assert modbus_reply(controller, 9, "03 09B2 0001") == "03 02 00 09"
    assert modbus_reply(controller, 1, "03 09B2 0001") == ""


def test_a_controller_on_modbus_that_was_told_another_address_responds_there_only() -> None:
    controller = simulator(config_of(protocol="modbus-rtu", address=4))
    assert modbus_reply(controller, 4, "06 09B2 0007") == "06 09 B2 00 07"
    assert modbus_reply(controller, 4, "03 09B2 0001") == ""
    assert modbus_reply(controller, 7, "03 09B2 0001") == "03 02 00 07"


def test_a_pointer_of_the_programmable_block_shows_a_register_in_the_mirror() -> None:
    controller = simulator(config_of(protocol="modbus-rtu"))
    controller.set("process_value", "-12.5")
    assert modbus_reply(controller, 1, "10 0028 0002 04 0168 0169") == "10 00 28 00 02"
    assert modbus_reply(controller, 1, "03 0028 0002") == "03 04 01 68 01 69"
    assert (
        modbus_reply(controller, 1, "03 00C8 0002")
        == modbus_reply(controller, 1, "03 0168 0002")
        == "03 04 00 00 C1 48"
    )
    assert modbus_reply(controller, 1, "10 0029 0002 04 0168 0169") == "90 03", "a pointer is a pair"


@pytest.mark.parametrize(
    ("family", "parameter", "request_pdu", "reply"),
    [
        ("sd", "setpoint", "03 001B 0002", "03 04 FF FF CF 2C"),
        ("sd", "power_heat", "03 0100 0001", "03 02 FB 1E"),
        ("f4p", "setpoint", "03 012C 0001", "03 02 FF 83"),
    ],
)
def test_negative_numbers_are_signed_words(family: Any, parameter: str, request_pdu: str, reply: str) -> None:
    controller = simulator(config_of(protocol="modbus-rtu", family=family))
    controller.set(parameter, "-12.5")
    assert modbus_reply(controller, 1, request_pdu) == reply

"""Watlow controllers over Modbus: every vector, every layout, and the same readings as over Standard Bus."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from riglog.errors import ConfigError, ReplyTimeoutError, UnsupportedError, WrongInstrumentError
from riglog.model import Sample, Status
from riglog.protocol.modbus import ModbusCodec, ModbusRequest, framing_of
from riglog.simulation import Simulator
from riglog.transport import Link
from riglog_watlow import WatlowConfig, registry
from riglog_watlow.errors import NoSuchRegisterError
from riglog_watlow.families import FACTS, FamilyName
from riglog_watlow.modbus.registers import MAX_READ, block_plan, decode, encode, span_of
from riglog_watlow.parameters import Parameter
from riglog_watlow.simulator import ControllerServer, ModbusSimulator, SimulatedPM, StdBusSimulator, simulator
from riglog_watlow.simulator.modbus import layout
from riglog_watlow.targets import Target

MakeBench = Callable[..., Any]
Vector = dict[str, Any]
RTU = framing_of("modbus-rtu")
CODEC = ModbusCodec(RTU, Link(protocol="modbus-rtu"))
NAMES: dict[str, FamilyName] = {facts.family: name for name, facts in FACTS.items()}
SERIAL = ("modbus-rtu", "modbus-ascii", "modbus-tcp")


def simulated(protocol: str = "modbus-rtu", **settings: Any) -> ModbusSimulator:
    """Return the simulator that a configuration describes."""
    controller = simulator(WatlowConfig(name="x", driver="watlow", port="sim:", protocol=protocol, **settings))
    assert isinstance(controller, ModbusSimulator)
    return controller


def of(meaning: Vector) -> Parameter:
    return registry(FACTS[NAMES[meaning["family"]]].family).find(meaning["name"])


def low_first(meaning: Vector) -> bool:
    return meaning.get("word_order", "low_high") == "low_high"


def test_a_request_vector_has_the_registers_of_the_map(modbus_request_vector: Vector) -> None:
    meaning = modbus_request_vector["meaning"]
    parameter = of(meaning)
    where = span_of(Target(parameter, meaning.get("instance", 1)), meaning.get("register_map", 1))
    assert (where.start, where.count) == (meaning["register"], meaning.get("count", 1))
    pdu = bytes([meaning["function"]]) + where.start.to_bytes(2, "big")
    if "words" in meaning:
        assert meaning["function"] == (6 if where.count == 1 else 16)
        if "value" in meaning:
            assert encode(parameter, meaning["value"], low_word_first=low_first(meaning)) == meaning["words"]
        data = b"".join(word.to_bytes(2, "big") for word in meaning["words"])
        pdu += data if where.count == 1 else where.count.to_bytes(2, "big") + bytes([len(data)]) + data
    else:
        pdu += where.count.to_bytes(2, "big")
    assert RTU.wrap(meaning["address"], pdu).hex().upper() == modbus_request_vector["hex"]


def test_a_reply_vector_gives_its_value(modbus_reply_vector: Vector) -> None:
    meaning, data = modbus_reply_vector["meaning"], bytes.fromhex(modbus_reply_vector["hex"])
    request = ModbusRequest(meaning["address"], request_pdu(meaning))
    if meaning["kind"] == "exception_reply":
        with pytest.raises(Exception, match=f"exception 0x{meaning['exception']:02X}"):
            CODEC.decode(request, bytearray(data))
        return
    pdu = CODEC.decode(request, bytearray(data))
    assert pdu is not None
    if "words" not in meaning:
        return
    words = [int.from_bytes(pdu[at : at + 2], "big") for at in range(2, len(pdu), 2)]
    assert words == meaning["words"]
    value = decode(of(meaning), words, low_word_first=low_first(meaning))
    assert float(value) / 10 ** meaning.get("decimals", 0) == meaning["value"]


def test_a_stream_vector_has_its_outcome(modbus_stream_vector: Vector) -> None:
    meaning, data = modbus_stream_vector["meaning"], bytes.fromhex(modbus_stream_vector["hex"])
    request_meaning = meaning["request"]
    request = ModbusRequest(request_meaning["address"], request_pdu(request_meaning))
    pdu = CODEC.decode(request, bytearray(data), final=True)
    outcome = "ok" if pdu is not None else CODEC.diagnose(request, data)
    assert outcome == meaning["outcome"]


def request_pdu(meaning: Vector) -> bytes:
    """Return a request to which the reply of a vector belongs."""
    function, start = meaning["function"], meaning.get("register", 0).to_bytes(2, "big")
    count = meaning.get("count", len(meaning.get("words", [0]))).to_bytes(2, "big")
    return bytes([function]) + start + count + (bytes([4, 0, 0, 0, 0]) if function == 16 else b"")


def test_the_simulator_responds_to_a_request_vector_byte_for_byte(modbus_answered_vector: Vector) -> None:
    meaning = modbus_answered_vector["meaning"]
    peer = simulated(family=NAMES[meaning["family"]], address=meaning["address"])
    reply = peer.receive(bytes.fromhex(modbus_answered_vector["hex"]), 0.0)
    assert reply.hex().upper() == meaning["expect_reply_hex"]


@pytest.mark.parametrize("family", ["pm", "sd", "f4p"])
@pytest.mark.parametrize("low_word_first", [True, False])
def test_every_parameter_is_encoded_into_registers_and_decoded_again(family: FamilyName, low_word_first: bool) -> None:
    for parameter in registry(FACTS[family].family):
        if parameter.map1 is None or parameter.data_type in ("pointer", "mirror"):
            continue
        value = 12.5 if parameter.data_type == "float32" or parameter.scale < 0.5 else 71
        words = encode(parameter, value, low_word_first=low_word_first)
        assert len(words) == parameter.registers, parameter.name
        assert decode(parameter, words, low_word_first=low_word_first) == value, parameter.name


@pytest.mark.parametrize(
    ("name", "value"), [("control_mode", 65536), ("alarm_source_instance", 256), ("setpoint", 1e39)]
)
def test_a_value_that_does_not_fit_its_registers_is_not_encoded(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(registry().find(name), value, low_word_first=True)


def test_neighbours_are_read_together_across_documented_registers_only() -> None:
    names = ["setpoint", "process_value", "input_error", "ambient_temperature", "input_filter_time", "setpoint_min"]
    blocks = block_plan("EZ-ZONE PM", 1).covering(span_of(Target(registry().find(name)), 1) for name in names)
    assert [[one.parameter.name for one in block.keys] for block in blocks] == [
        ["process_value", "input_error", "ambient_temperature"],  # 364 and 365 are documented
        ["input_filter_time"],  # 384 is not, and it would be a wide gap
        ["setpoint", "setpoint_min"],
    ]


def test_a_block_is_never_longer_than_old_families_allow() -> None:
    usable = [one for one in registry() if one.map1 and one.data_type not in ("pointer", "mirror")]
    unique = list({span.start: span for span in (span_of(Target(one), 1) for one in usable)}.values())
    blocks = block_plan("EZ-ZONE PM", 1).covering(unique)
    assert max(len(block.places) for block in blocks) > 1
    assert all(block.count <= MAX_READ for block in blocks)
    assert sum(len(block.places) for block in blocks) == len(unique)


@pytest.mark.parametrize("protocol", SERIAL)
@pytest.mark.parametrize("word_order", ["low-high", "high-low"])
@pytest.mark.parametrize("register_map", [1, 2])
async def test_every_layout_is_detected(protocol: str, word_order: str, register_map: int, bench: MakeBench) -> None:
    peer = simulated(protocol, word_order=word_order, register_map=register_map)
    oven = bench(peer).controller(protocol=protocol)
    await oven.open()
    setup = oven.protocol.setup
    assert (setup.register_map, setup.low_word_first) == (register_map, word_order == "low-high")
    assert [(one.value, one.unit) for one in (await oven.poll())[:2]] == [
        (pytest.approx(72, abs=0.1), "degF"),
        (75.0, "degF"),
    ]


@pytest.mark.parametrize(
    ("there", "settings"),
    [
        ({}, {"register_map": 2}),
        ({}, {"word_order": "high-low"}),
        ({}, {"family": "sd"}),
        ({}, {"family": "f4p"}),
        ({"family": "sd"}, {}),
        ({"family": "sd"}, {"family": "f4p"}),
        ({"family": "f4p"}, {}),
        ({"family": "f4p"}, {"word_order": "low-high"}),
        ({"family": "f4p"}, {"family": "sd"}),
    ],
)
async def test_another_controller_than_configured_is_refused(
    there: dict[str, Any], settings: dict[str, Any], bench: MakeBench
) -> None:
    rig = bench(simulated(**there))
    with pytest.raises(WrongInstrumentError):
        await rig.controller(protocol="modbus-rtu", **settings).open()


COMMON = (
    "process_value",
    "input_error",
    "setpoint",
    "output_power",
    "control_mode",
    "heat_proportional_band",
    "integral_time",
    "cool_power",
    "alarm_state[2]",
    "alarm_high_setpoint",
    "input_units",
    "ramp_rate",
)


def facts(sample: Sample) -> tuple[object, ...]:
    channel = sample.channel
    return (channel.parameter, channel.parameter_id, channel.instance, channel.unit, *rest(sample))


def rest(sample: Sample) -> tuple[object, ...]:
    return (sample.value, sample.text, sample.unit, sample.status, sample.flags, sample.value is None)


@pytest.mark.parametrize("unit", [None, "degC", "degF"])
@pytest.mark.parametrize("knobs", [{}, {"input_error": "shorted"}, {"alarm_type": "deviation alarm"}])
async def test_both_protocols_give_the_same_rows(unit: str | None, knobs: dict[str, str], bench: MakeBench) -> None:
    controller = SimulatedPM()
    for name, value in {"process_value": "123.25", "output_power": "40.5", **knobs}.items():
        controller.set(name, value)
    modbus = ModbusSimulator("modbus-rtu", 1, ControllerServer(controller, FACTS["pm"], 1))
    rows = []
    for peer, protocol in ((StdBusSimulator(controller=controller), "stdbus"), (modbus, "modbus-rtu")):
        oven = bench(peer).controller(protocol=protocol, parameters=COMMON, temperature_unit=unit)
        await oven.open()
        rows.append([facts(sample) for sample in await oven.poll()])
    assert rows[0] == rows[1]
    assert any(value is not None for *_, value in rows[0])


async def test_values_transmitted_in_celsius_are_published_so_and_converted_on_demand(bench: MakeBench) -> None:
    peer = simulated(wire_temperature_unit="degC")
    peer.set("setpoint", "392")
    peer.set("heat_proportional_band", "25.2")
    expected = {None: (200.0, 14.0, "degC"), "degC": (200.0, 14.0, "degC"), "degF": (392.0, 25.2, "degF")}
    for unit, (setpoint, band, shown) in expected.items():
        oven = bench(peer).controller(protocol="modbus-rtu", temperature_unit=unit)
        await oven.open()
        samples = [await oven.read_parameter(name) for name in ("setpoint", "heat_proportional_band")]
        assert [one.value for one in samples] == [pytest.approx(setpoint), pytest.approx(band)]
        assert {one.unit for one in samples} == {shown}


async def test_a_unit_that_is_changed_at_the_panel_is_detected_at_once(bench: MakeBench) -> None:
    peer = simulated()
    oven = bench(peer).controller(protocol="modbus-rtu", parameters=("setpoint",))
    await oven.open()
    assert [(one.value, one.unit) for one in await oven.poll()] == [(75.0, "degF")]
    peer.set("comm_units", "C")
    assert [(one.value, one.unit) for one in await oven.poll()] == [(pytest.approx(23.88889), "degC")]


async def test_firmware_without_a_unit_setting_is_in_fahrenheit(bench: MakeBench) -> None:
    peer = simulated(family="sd")
    del peer.server.registers[18]
    oven = bench(peer).controller(protocol="modbus-rtu", family="sd", temperature_unit="degC")
    await oven.open()
    sample = await oven.read_setpoint()
    assert (sample.value, sample.unit) == (pytest.approx(23.88889), "degC")


async def test_what_a_poll_reads_is_read_in_as_few_requests_as_the_map_allows(bench: MakeBench) -> None:
    rig = bench(simulated())
    oven = rig.controller(protocol="modbus-rtu", wire_temperature_unit="degF")
    await oven.open()
    await oven.poll()
    before = rig.client.counters.requests
    await oven.poll()
    assert rig.client.counters.requests - before == 3  # process value with its error, set point, output


async def test_the_parameters_of_a_block_that_is_refused_are_read_singly_from_then_on(bench: MakeBench) -> None:
    peer = simulated()
    del peer.server.registers[361 + 2]  # the filler behind input_error
    rig = bench(peer)
    wanted = ("process_value", "setpoint_min", "setpoint_max")
    oven = rig.controller(protocol="modbus-rtu", parameters=wanted, wire_temperature_unit="degF")
    await oven.open()
    assert all(sample.value is not None for sample in await oven.poll())
    del peer.server.registers[2166], peer.server.registers[2167]
    samples = await oven.poll()
    assert [sample.status for sample in samples] == [Status.OK, Status.OK, Status.MISSING]
    before = rig.client.counters.requests
    assert [sample.value for sample in await oven.poll()][1:] == [-1999.0, None]
    assert rig.client.counters.requests - before == 2
    with pytest.raises(NoSuchRegisterError, match="not requested again"):
        await oven.read_parameter("setpoint_max")


async def test_a_parameter_without_a_register_is_refused_before_a_byte(bench: MakeBench) -> None:
    rig = bench(simulated())
    with pytest.raises(ConfigError, match="not available over Modbus"):
        rig.controller(protocol="modbus-rtu", parameters=("part_number",))
    oven = rig.controller(protocol="modbus-rtu")
    await oven.open()
    sent = rig.transport.sent
    for name in ("part_number", "input_units"):
        with pytest.raises(UnsupportedError):
            await oven.read_parameter(name)
    assert rig.transport.sent == sent


@pytest.mark.parametrize("decimals", [0, 1, 2])
async def test_a_series_f4p_scales_by_its_own_decimals_even_if_they_change(decimals: int, bench: MakeBench) -> None:
    peer = simulated(family="f4p")
    oven = bench(peer).controller(protocol="modbus-rtu", family="f4p", temperature_unit="degC")
    await oven.open()
    peer.set("input_1_decimal", str(decimals))
    peer.set("process_value", "212")
    samples = await oven.poll()
    assert [(one.value, one.unit) for one in samples[:2]] == [
        (pytest.approx(100.0), "degC"),
        (pytest.approx(23.889, abs=0.5 / 1.8), "degC"),
    ]


async def test_a_series_sd_gives_the_captured_values(bench: MakeBench) -> None:
    peer = simulated(family="sd")
    for name, value in {"process_value": "68.2", "setpoint": "62.96", "output_power": "82.8"}.items():
        peer.set(name, value)
    oven = bench(peer).controller(protocol="modbus-rtu", family="sd")
    await oven.open()
    assert [(one.value, one.unit) for one in await oven.poll()] == [(68.2, "degF"), (62.96, "degF"), (82.8, "%")]


async def test_a_set_point_that_is_switched_off_is_not_a_temperature(bench: MakeBench) -> None:
    peer = simulated(family="sd")
    peer.set("setpoint", "-200000.001")
    oven = bench(peer).controller(protocol="modbus-rtu", family="sd")
    await oven.open()
    sample = await oven.read_setpoint()
    assert (sample.value, sample.text, sample.flags) == (None, "Off", ("off",))


@pytest.mark.parametrize("family", ["sd", "f4p"])
async def test_a_failed_sensor_gives_no_value_in_any_family(family: str, bench: MakeBench) -> None:
    peer = simulated(family=family)
    peer.set("input_error", "1")
    oven = bench(peer).controller(protocol="modbus-rtu", family=family)
    await oven.open()
    sample = await oven.read_pv()
    assert (sample.value, sample.status) == (None, Status.FAULT)


def zones(*numbers: int) -> Sequence[Simulator]:
    return [simulated("modbus-tcp", zone=number, word_order="high-low") for number in numbers]


async def test_zones_behind_a_gateway_are_distinguished_by_their_offsets(bench: MakeBench) -> None:
    peers = zones(1, 2, 3)
    for number, peer in enumerate(peers, 1):
        peer.set("setpoint", str(100 * number))
    rig = bench(*peers)
    for number in (1, 2, 3):
        oven = rig.controller(name=f"zone{number}", protocol="modbus-tcp", zone=number, wire_temperature_unit="degF")
        await oven.open()
        assert [(one.value, one.unit) for one in await oven.poll()][1] == (100.0 * number, "degF")
        assert oven.channels[0].address == f"1+{(number - 1) * 5000}"


async def test_behind_a_gateway_the_unit_is_unknown_unless_it_is_configured(bench: MakeBench) -> None:
    oven = bench(*zones(2)).controller(protocol="modbus-tcp", zone=2, temperature_unit="degC")
    await oven.open()
    assert [(one.value, one.unit) for one in await oven.poll()][1] == (75.0, None)


async def test_a_zone_can_be_anywhere(bench: MakeBench) -> None:
    rig = bench(simulated("modbus-tcp", register_offset=12_345))
    oven = rig.controller(protocol="modbus-tcp", register_offset=12_345)
    await oven.open()
    assert (await oven.read_setpoint()).value == 75.0


@pytest.mark.parametrize("name", ["pointer_1", "pointer_value_1"])
def test_a_pointer_is_not_read(name: str, bench: MakeBench) -> None:
    with pytest.raises(ConfigError, match="is a pointer"):
        bench(simulated()).controller(protocol="modbus-rtu", parameters=(name,))


async def test_a_map_that_was_changed_during_an_interruption_is_detected_again(bench: MakeBench) -> None:
    wanted = ("process_value", "input_error", "setpoint", "alarm_state", "alarm_type", "control_mode")
    peer = simulated()
    oven = bench(peer).controller(protocol="modbus-rtu", parameters=wanted)
    await oven.open()
    before = [rest(sample) for sample in await oven.poll()]
    peer.set("process_value", str(before[0][0]))
    peer.server.registers = layout(peer.controller, 2)
    peer.set("modbus_word_order", "high_low")
    await oven.reconnected()
    assert await oven.identity() == "123457"
    assert [rest(sample) for sample in await oven.poll()] == before


async def test_a_register_beyond_the_last_register_is_refused_before_a_byte(bench: MakeBench) -> None:
    peer = simulated("modbus-tcp", register_offset=60_000, register_map=2)
    oven = bench(peer).controller(protocol="modbus-tcp", register_offset=60_000)
    await oven.open()
    with pytest.raises(UnsupportedError, match="exceeds 65535"):
        await oven.read_parameter("step_day_of_week", 40)
    assert (await oven.read_setpoint()).value == 75.0


async def test_a_controller_that_does_not_respond_cannot_be_opened(bench: MakeBench) -> None:
    oven = bench(simulated()).controller(protocol="modbus-rtu", address=7)
    with pytest.raises(ReplyTimeoutError):
        await oven.open()
    assert [sample.status for sample in await oven.poll()] == [Status.MISSING] * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"protocol": "stdbus", "family": "sd"}, "not supported by Series SD"),
        ({"protocol": "stdbus", "zone": 2}, "zone"),
        ({"protocol": "stdbus", "word_order": "low-high"}, "word_order"),
        ({"protocol": "modbus-rtu", "family": "f4p", "register_map": 2}, "register_map"),
        ({"protocol": "modbus-rtu", "family": "sd", "parameters": ("heat_power",)}, "heat_power"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings: dict[str, Any], message: str, bench: MakeBench) -> None:
    with pytest.raises(ConfigError, match=message):
        bench(simulated()).controller(**settings)

"""Every golden vector of the wire specification."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ReplyTimeoutError
from riglog.model import Stamp
from riglog.protocol import Connection
from riglog.protocol.modbus import ModbusCodec, ModbusExceptionError, ModbusRequest, connect_modbus, framing_of
from riglog.simulation.modbus_server import unpack_bits
from riglog.testing import LoopClock, scripted, step
from riglog.transport import Link
from riglog_servomex.continuous.codec import BroadcastCodec
from riglog_servomex.continuous.frames import BadFrame, Frame, parse_frame
from riglog_servomex.modbus.registers import ANALYZER_START, decode_analyzer, decode_channel, decode_flags
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS
from riglog_servomex.samples import AnalyzerStatus, Flags, Phase
from riglog_servomex.simulator import ModbusSimulator
from riglog_servomex.units import Unit, decode_name, decode_unit

Vector = dict[str, Any]
Golden = Callable[[str], Vector]
NO_STAMP = Stamp(0, None, 0)
REASONS = {"timeout": "no_reply", "crc_error": "bad_crc", "lrc_error": "bad_lrc", "unexpected_response": "unmatched"}


def protocol_of(vector: Vector) -> str:
    return str(vector["protocol"]).replace("_", "-")


def wire(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"])


def request_of(vector: Vector) -> ModbusRequest:
    frame = framing_of(protocol_of(vector)).unwrap(wire(vector))
    assert frame is not None
    return ModbusRequest(frame.unit, frame.pdu)


def check_flags(flags: Flags, expected: dict[str, Any]) -> None:
    for name in ("fault", "maintenance", "calibrating", "warming_up"):
        assert getattr(flags, name) == expected[name], name
    assert list(flags.alarms) == expected["alarms"]
    assert flags.invalid == expected.get("invalid", False)


def check_unit(unit: Unit, expected: dict[str, Any]) -> None:
    assert (unit.canonical or "unknown") == expected["unit"]
    assert unit.text == expected["unit_text"]


def check_analyzer(status: AnalyzerStatus, expected: dict[str, Any]) -> None:
    assert status.fault == expected["fault"]
    assert status.maintenance == expected["maintenance"]
    assert status.clock == expected.get("clock")
    for phase, group in zip(status.groups, expected["cal_groups"], strict=True):
        assert (phase is not Phase.IDLE) == group["calibrating"]
        assert (phase is Phase.CAL_GAS_2) == (group["calibrating"] and group["gas"] == 2)


def test_a_broadcast_frame_is_checked_and_decoded_as_specified(frame_vector: Vector) -> None:
    meaning, parsed = frame_vector["meaning"], parse_frame(wire(frame_vector))
    if not meaning["accept"]:
        assert isinstance(parsed, BadFrame)
        assert parsed.outcome == meaning["outcome"]
        return
    assert isinstance(parsed, Frame)
    check_analyzer(parsed.analyzer, meaning["analyzer"])
    assert len(parsed.blocks) == meaning["n"]
    for expected, block in zip(meaning["channels"], parsed.blocks.values(), strict=True):
        labels = (block.position.id, block.position.kind, block.name)
        assert labels == (expected["id"], expected["kind"], expected["name"])
        assert block.value == (None if expected["value"] is None else pytest.approx(expected["value"], rel=1e-6))
        check_unit(block.unit, expected)
        check_flags(block.flags, expected)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_stream_gives_its_frames_however_it_is_cut(stream_vector: Vector, size: int) -> None:
    codec, buffer, data, frames = BroadcastCodec(), bytearray(), wire(stream_vector), []
    for at in range(0, len(data), size):
        buffer += data[at : at + size]
        while (frame := codec.unsolicited(buffer)) is not None:
            frames.append(frame)
    expected = stream_vector["meaning"]["lines"]
    outcomes = ["ok" if isinstance(frame, Frame) else frame.outcome for frame in frames]
    assert outcomes == [line["outcome"] for line in expected]
    for frame, line in zip(frames, expected, strict=True):
        if isinstance(frame, Frame):
            assert frame.analyzer.clock == line["clock"]
            assert {name: block.value for name, block in frame.blocks.items()} == line["values"]


async def test_the_client_sends_exactly_the_specified_bytes(request_vector: Vector) -> None:
    meaning = request_vector["meaning"]
    transport = scripted(step(wire(request_vector)))
    link = Link(protocol=protocol_of(request_vector), baudrate=19200)
    unit = connect_modbus(Connection(transport, link, LoopClock())).unit(meaning["unit_id"])
    address, count = meaning.get("address", 0), meaning.get("count", 0)
    calls: dict[int, Callable[[], Any]] = {
        1: lambda: unit.read_coils(address, count=count),
        2: lambda: unit.read_discrete_inputs(address, count=count),
        3: lambda: unit.read_holding_registers(address, count=count),
        4: lambda: unit.read_input_registers(address, count=count),
        5: lambda: unit.write_coil(address, meaning["on"]),
        8: lambda: unit.diag_query_data(bytes.fromhex(meaning["data_hex"])),
        15: lambda: unit.write_coils(address, meaning["coils"]),
    }
    if meaning.get("value_hex") == "1234":  # a request that the client cannot send: only the frame is checked
        pdu = bytes.fromhex("0500001234")
        assert framing_of(link.protocol).wrap(meaning["unit_id"], pdu) == wire(request_vector)
        return
    with pytest.raises(ReplyTimeoutError):
        await calls[meaning["function"]]()
    assert transport.sent == len(wire(request_vector))


def test_a_reply_is_checked_and_decoded_as_specified(reply_vector: Vector, golden: Golden) -> None:
    meaning, protocol = reply_vector["meaning"], protocol_of(reply_vector)
    request = request_of(golden(meaning["in_reply_to"]))
    codec = ModbusCodec(framing_of(protocol), Link(protocol=protocol))
    if meaning["outcome"] == "exception":
        with pytest.raises(ModbusExceptionError) as caught:
            codec.decode(request, bytearray(wire(reply_vector)))
        assert caught.value.code == meaning["exception_code"]
        assert caught.value.meaning.replace(" ", "_") == meaning["exception_name"]
        return
    pdu = codec.decode(request, bytearray(wire(reply_vector)), final=True)
    if meaning["outcome"] != "ok":
        assert pdu is None
        assert codec.diagnose(request, wire(reply_vector)) == REASONS[meaning["outcome"]]
        return
    assert pdu is not None
    check_content(pdu, meaning)


def check_content(pdu: bytes, meaning: dict[str, Any]) -> None:
    """Registers, bits, channels, flags and analyzer of a reply."""
    if "registers_hex" in meaning:
        assert [pdu[at : at + 2].hex().upper() for at in range(2, len(pdu), 2)] == meaning["registers_hex"]
    if "bits" in meaning:
        bits = unpack_bits(pdu[2:])
        assert "".join("01"[bit] for bit in bits)[: len(meaning["bits"])] == meaning["bits"]
        for expected in meaning.get("channel_status", ()):
            at = POSITIONS[expected["id"]].number * BITS - meaning["address"]
            check_flags(decode_flags(POSITIONS[expected["id"]].kind, bits[at : at + BITS]), expected)
        if "analyzer" in meaning:
            before = [False] * (meaning["address"] - ANALYZER_START)
            check_analyzer(
                decode_analyzer([*before, *bits]), {"fault": False, "maintenance": False, **meaning["analyzer"]}
            )
    for expected in meaning.get("channels", ()):
        check_channel(pdu[2:], expected, POSITIONS[expected["id"]].number * REGISTERS - meaning["address"])


def check_channel(data: bytes, expected: dict[str, Any], at: int) -> None:
    """A whole channel, or the part of it that was read."""
    position, whole = POSITIONS[expected["id"]], data[2 * max(at, 0) :][: 2 * REGISTERS]
    if len(whole) == 2 * REGISTERS or "value" in expected:
        registers = [int.from_bytes(whole.ljust(14, b"\0")[byte : byte + 2], "big") for byte in range(0, 14, 2)]
        reading = decode_channel(position, registers, Flags(), NO_STAMP)
        assert reading.value == (None if expected["value"] is None else pytest.approx(expected["value"], rel=1e-6))
        if "name" in expected:
            assert reading.name == expected["name"]
            check_unit(reading.unit, expected)
    elif "name" in expected:
        assert decode_name(data) == expected["name"]
    else:
        check_unit(decode_unit(data), expected)


def test_the_simulator_replies_only_where_the_analyzer_does(received_vector: Vector) -> None:
    meaning = received_vector["meaning"]
    simulator = ModbusSimulator(protocol_of(received_vector), meaning["device_unit"])
    assert simulator.receive(wire(received_vector), 0.0).hex() == (meaning["device_reply_hex"] or "").lower()


def test_the_simulator_replies_to_a_sequence_byte_for_byte(steps_vector: Vector) -> None:
    protocol = "modbus-rtu"
    simulator = ModbusSimulator(protocol, steps_vector["meaning"]["device_unit"])
    for number, sent in enumerate(steps_vector["meaning"]["steps"]):
        assert simulator.receive(bytes.fromhex(sent["send_hex"]), float(number)).hex().upper() == sent["reply_hex"]
        assert simulator.analyzer.stops == sent["stop_requests_total"]


async def test_a_calibration_is_started_by_exactly_the_specified_writes(
    writes_vector: Vector, analyzer_on: Callable[..., Any]
) -> None:
    meaning = writes_vector["meaning"]
    simulator = ModbusSimulator("modbus-rtu", meaning["unit_id"])
    requests: list[bytes] = []
    receive = simulator.receive

    def receive_and_note(data: bytes, now: float) -> bytes:
        requests.append(data)
        return receive(data, now)

    simulator.receive = receive_and_note  # type: ignore[method-assign]
    await analyzer_on(simulator, address=meaning["unit_id"]).start_calibration(1, confirm=True)
    assert [data.hex().upper() for data in requests if data[1] in (5, 15)] == meaning["writes_in_order_hex"]

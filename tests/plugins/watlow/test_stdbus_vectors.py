"""Every golden vector of the Standard Bus."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import DeviceRefusedError
from riglog_watlow.errors import WatlowRefusedError
from riglog_watlow.parameters import registry
from riglog_watlow.simulator import StdBusSimulator
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import StdBusCodec, StdBusReply, StdBusRequest

Vector = dict[str, Any]
TAGS = {parameter.data_type: parameter.tag for parameter in registry() if parameter.tag is not None}


def request_of(meaning: Vector) -> StdBusRequest:
    """Return the request that a vector describes, or to which it is the reply."""
    value = None
    if "write" in meaning.get("kind", "") or meaning.get("service") == "write":
        value = message.encode_value(TAGS[meaning.get("data_type", "enum")], meaning.get("value", 0))
    selector = bytes([meaning["class"], meaning["member"], meaning["instance"]])
    return StdBusRequest(meaning["address"], selector, value, meaning["src_mac"])


def decode(request: StdBusRequest, data: bytes) -> StdBusReply | None:
    return StdBusCodec().decode(request, bytearray(data), final=True)


def test_a_request_vector_is_what_the_codec_sends(stdbus_request_vector: Vector) -> None:
    meaning = stdbus_request_vector["meaning"]
    assert StdBusCodec().encode(request_of(meaning)).hex().upper() == stdbus_request_vector["hex"]
    assert message.selector(meaning["parameter_id"], meaning["instance"]) == request_of(meaning).selector


def test_a_reply_vector_gives_its_value(stdbus_reply_vector: Vector) -> None:
    meaning, data = stdbus_reply_vector["meaning"], bytes.fromhex(stdbus_reply_vector["hex"])
    if meaning["kind"] == "error_reply":
        anything = StdBusRequest(meaning["address"], b"\x04\x01\x01", None, meaning["src_mac"])
        with pytest.raises(WatlowRefusedError) as caught:
            decode(anything, data)
        assert caught.value.code == f"{meaning['error_code']:02X}"
        return
    reply = decode(request_of(meaning), data)
    assert reply is not None
    assert reply.value == meaning["value"]
    assert reply.tag == TAGS[meaning["data_type"]]


def test_a_stream_vector_has_its_outcome(stdbus_stream_vector: Vector) -> None:
    meaning, data = stdbus_stream_vector["meaning"], bytes.fromhex(stdbus_stream_vector["hex"])
    request = request_of(meaning["request"])
    expected = meaning.get("value", meaning.get("error_code"))
    assert outcome(request, [data]) == (meaning["outcome"], expected)


def test_a_stream_byte_by_byte_and_in_every_split_has_the_same_outcome(stdbus_stream_vector: Vector) -> None:
    meaning, data = stdbus_stream_vector["meaning"], bytes.fromhex(stdbus_stream_vector["hex"])
    request = request_of(meaning["request"])
    splits = [[data[:cut], data[cut:]] for cut in range(len(data) + 1)] + [[bytes([byte]) for byte in data]]
    for pieces in splits:
        assert outcome(request, pieces) == outcome(request, [data])


def outcome(request: StdBusRequest, pieces: list[bytes]) -> tuple[str, object]:
    """Return the outcome in the words of the vectors, and the value or code if there is one."""
    buffer, codec = bytearray(), StdBusCodec()
    for index, piece in enumerate(pieces):
        buffer += piece
        try:
            reply = codec.decode(request, buffer, final=index == len(pieces) - 1)
        except DeviceRefusedError as error:
            return "device_error", int(str(error.code), 16)
        if reply is not None:
            return "ok", reply.value
    return codec.diagnose(request, b"".join(pieces)), None


def test_the_simulator_responds_to_a_request_vector_byte_for_byte(stdbus_answered_vector: Vector) -> None:
    meaning, request = stdbus_answered_vector["meaning"], bytes.fromhex(stdbus_answered_vector["hex"])
    simulator = StdBusSimulator(meaning.get("address", 1))
    for parameter_id, value in meaning.get("device_state", {}).items():
        simulator.set(registry().find(parameter_id).name, repr(value))
    assert simulator.receive(request, 0.0).hex().upper() == (meaning["expect_reply_hex"] or "")


def test_the_open_thermocouple_of_the_worked_example_is_a_plausible_number(golden: Callable[[str], Vector]) -> None:
    meaning = golden("wl-002")["meaning"]
    assert meaning["value"] == struct.unpack(">f", bytes.fromhex("451E3CD4"))[0]

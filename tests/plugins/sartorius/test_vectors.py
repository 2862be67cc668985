"""Every golden vector of the Sartorius wire specification."""

import json
from pathlib import Path
from typing import Any

import pytest

from riglog.model import Stamp
from riglog_sartorius.decode import explain, explain_line
from riglog_sartorius.errors import XBPI_ERRORS
from riglog_sartorius.identity import Identity
from riglog_sartorius.sbi.codec import SbiCodec
from riglog_sartorius.sbi.commands import SbiRequest, is_reply_to
from riglog_sartorius.sbi.lines import Kind, parse_line
from riglog_sartorius.xbpi.codec import XbpiCodec, XbpiRequest
from riglog_sartorius.xbpi.codec import is_reply_to as is_frame_reply_to
from riglog_sartorius.xbpi.frames import (
    Item,
    encode_items,
    frame_fault,
    parse_frame,
    parse_items,
    reply_frame,
    request_frame,
    scan,
)
from riglog_sartorius.xbpi.measurement import (
    decode_bcd,
    decode_float40,
    decode_text,
    is_status_block,
    parse_cal_record,
    parse_measurement,
    parse_status_block,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sartorius.json").read_text())
NEVER = Stamp(0, None, 0)


def those(protocol: str, direction: str, **meaning: Any) -> list[Any]:
    found = [
        pytest.param(vector, id=vector["id"])
        for vector in VECTORS
        if vector["protocol"] == protocol
        and vector["direction"] == direction
        and all(vector["meaning"].get(key, None) == value for key, value in meaning.items())
    ]
    assert found
    return found


@pytest.mark.parametrize("vector", those("xbpi", "host_to_balance"))
def test_an_xbpi_request_is_these_bytes(vector: dict[str, Any]) -> None:
    raw, meaning = bytes.fromhex(vector["hex"]), vector["meaning"]
    code = int(meaning["opcode"], 16)
    args = b"".join(
        bytes.fromhex(arg["raw"]) if "raw" in arg else Item(int(arg["type"], 16), bytes([arg["value"]])).encoded()
        for arg in meaning["args"]
    )
    assert request_frame(code, args, src=meaning["src"], dst=meaning["dst"]) == raw
    assert XbpiCodec().encode(XbpiRequest(code, args)) == raw
    (explained,) = explain(raw)
    assert {key: meaning[key] for key in explained} == explained


@pytest.mark.parametrize("vector", those("xbpi", "balance_to_host", valid=True))
def test_an_xbpi_reply_has_these_items(vector: dict[str, Any]) -> None:
    raw, meaning = bytes.fromhex(vector["hex"]), vector["meaning"]
    items = tuple(Item(int(item["type"], 16), bytes.fromhex(item["hex"])) for item in meaning["items"])
    frame = parse_frame(raw)
    assert frame is not None
    assert frame.items == items
    assert not frame.rest
    assert reply_frame(encode_items(items)) == raw
    assert parse_items(encode_items(items)) == (items, b"")


@pytest.mark.parametrize("vector", those("xbpi", "balance_to_host", valid=True))
def test_an_xbpi_reply_is_accepted_for_its_own_request_and_split_anywhere(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["hex"])
    request, codec = XbpiRequest(int(vector["meaning"]["for_opcode"], 16)), XbpiCodec()
    frame = parse_frame(raw)
    assert frame is not None
    assert is_frame_reply_to(request, frame)
    if vector["meaning"]["kind"] == "error":
        return
    for cut in range(len(raw)):
        buffer = bytearray(raw[:cut])
        assert codec.decode(request, buffer) is None
        buffer += raw[cut:]
        assert codec.decode(request, buffer) == frame
        assert not buffer


@pytest.mark.parametrize("vector", those("xbpi", "balance_to_host", valid=True))
def test_an_xbpi_reply_means_this(vector: dict[str, Any]) -> None:
    meaning = vector["meaning"]
    first, *more = [bytes.fromhex(item["hex"]) for item in meaning["items"]]
    match meaning["kind"]:
        case "ack" | "list":
            assert len(more) == meaning.get("count", 0)
        case "error":
            kind, _ = XBPI_ERRORS[first[0]]
            assert f"0x{first[0]:02x}" == meaning["error_code"]
            with pytest.raises(kind) as caught:
                XbpiCodec().decode(XbpiRequest(0x02), bytearray.fromhex(vector["hex"]))
            assert caught.value.code == first[0]
        case "u8" | "u16":
            assert int.from_bytes(first) == meaning["value"]
        case "u16x2":
            assert [int.from_bytes(first[:2]), int.from_bytes(first[2:])] == meaning["values"]
        case "string":
            assert decode_text(first) == meaning["text"]
            if "family" in meaning:
                assert Identity(decode_text(first)).family == meaning["family"]
        case "bcd":
            assert decode_bcd(first) == meaning["serial"]
        case "blob" if "bac_version" in meaning:
            assert first[:3].hex("-") == meaning["bac_version"]
        case "blob":
            assert (first[5], first[6]) == (meaning["decimals"], 0x02)
        case "measurement":
            assert not is_status_block(first)
            weight = parse_measurement(first)
            shown = {key: getattr(weight, key) for key in weight.__struct_fields__} | {"off_scale": weight.off_scale}
            assert shown == {key: meaning[key] for key in shown} | {"flags": int(meaning["flags"], 16)}
        case "status_block":
            assert is_status_block(first)
            block = parse_status_block(first)
            numbers = {key: int(meaning[key], 16) for key in ("aux", "state", "status")}
            shown = {key: getattr(block, key) for key in block.__struct_fields__}
            assert shown == {key: meaning[key] for key in shown} | numbers
        case "status_short":
            assert [f"0x{byte:02x}" for byte in first] == [meaning["state"], meaning["status"]]
        case "parameter":
            assert [first[0], more[0][0]] == [meaning["current"], meaning["max"]]
        case "float":
            value = decode_float40(first)
            assert value == (None if meaning["value"] is None else pytest.approx(meaning["value"], rel=1e-6))
        case "cal_record":
            record = parse_cal_record(first, NEVER)
            assert record.temperature_c == pytest.approx(meaning["temperature_c"], abs=5e-5)  # printed with 4 decimals
            assert record.has_metadata is meaning["has_metadata"]
        case other:
            pytest.fail(f"no check for {other}")


@pytest.mark.parametrize("vector", those("xbpi", "balance_to_host", valid=False))
def test_a_malformed_frame_is_rejected_and_the_scanner_skips_it(vector: dict[str, Any]) -> None:
    raw, meaning = bytes.fromhex(vector["hex"]), vector["meaning"]
    assert frame_fault(raw) == meaning["reason"]
    found = scan(raw)
    assert list(found.frames) == meaning["frames_found_by_scanner"]
    assert found.skipped == meaning["bytes_skipped_by_scanner"]
    assert XbpiCodec().decode(XbpiRequest(0x71), bytearray(raw), final=True) is None


@pytest.mark.parametrize("vector", those("sbi", "host_to_balance"))
def test_an_sbi_command_is_these_bytes(vector: dict[str, Any]) -> None:
    raw, meaning = vector["text"].encode(), vector["meaning"]
    request = SbiRequest(meaning["token"].removeprefix("ESC "), crlf=meaning["terminator"] == "CRLF")
    assert SbiCodec().encode(request) == raw
    assert (request.known.name, request.known.safety.name.lower()) == (meaning["name"], meaning["safety"])
    assert (request.known.reply.value is None) == meaning["reply"].startswith("none")


@pytest.mark.parametrize("vector", those("sbi", "balance_to_host"))
def test_an_sbi_line_means_this(vector: dict[str, Any]) -> None:
    raw, meaning = vector["text"].encode(), vector["meaning"]
    line = parse_line(raw)
    expected = {key: value for key, value in meaning.items() if key in line.__struct_fields__}
    expected["kind"] = meaning.get("as_stream_line", meaning["kind"])
    assert {key: getattr(line, key) for key in expected} == expected
    assert line.body_length == meaning["body_length"]
    if meaning["kind"] == "identity":
        assert line.value is None
        token = meaning["reply_to"].removeprefix("ESC ")
        matching = [other for other in ("x1_", "x2_", "x3_") if is_reply_to(SbiRequest(other), line)]
        assert matching == [token]
        assert not is_reply_to(SbiRequest("P"), line)
    assert explain_line(raw)["kind"] == expected["kind"]


@pytest.mark.parametrize("vector", those("sbi", "balance_to_host"))
def test_an_sbi_line_is_incomplete_until_its_end_and_split_anywhere(vector: dict[str, Any]) -> None:
    raw, codec = vector["text"].encode(), SbiCodec()
    for cut in range(len(raw)):
        assert parse_line(raw[:cut]).kind is Kind.INCOMPLETE
        buffer = bytearray(raw[:cut])
        assert codec.unsolicited(buffer) is None
        buffer += raw[cut:]
        assert codec.unsolicited(buffer) == parse_line(raw)
        assert not buffer

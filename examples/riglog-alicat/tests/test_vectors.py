"""The golden vectors: lines of real and of constructed instruments, and what they mean."""

import json
from pathlib import Path
from typing import Any

import pytest

from riglog.errors import DeviceRefusedError, MalformedReplyError
from riglog.simulation import Simulator
from riglog_alicat import protocol
from riglog_alicat.identity import parse_identity
from riglog_alicat.layout import Layout, parse_layout
from riglog_alicat.protocol import AlicatCodec, Request
from riglog_alicat.simulator import AlicatSimulator

VECTORS = {each["id"]: each for each in json.loads((Path(__file__).parent / "vectors" / "alicat.json").read_text())}
SENT = {key: each for key, each in VECTORS.items() if each["direction"] == "host_to_device"}
RECEIVED = {key: each for key, each in VECTORS.items() if each["direction"] == "device_to_host"}
NOT_SENT = {
    *("alicat-009-gas-set", "alicat-010-gas-legacy-gp", "alicat-011-tare-flow", "alicat-012-tare-gauge"),
    *("alicat-013-stream-start", "alicat-014-stream-stop", "alicat-015-stream-interval"),
}
"""What the driver never sends: gas, tare, streaming."""
NOT_READ = {"alicat-045-gas", "alicat-050-gas-list"}
MODELS = {
    "alicat-020-columns-mfc-10v": "controller",
    "alicat-021-columns-meter-10v": "meter",
    "alicat-022-columns-legacy-5v": "legacy",
    "alicat-023-columns-gauge": "gauge",
    "alicat-024-columns-pressure-controller": "pressure",
}


def layout_of(key: str) -> Layout:
    return parse_layout(VECTORS[key]["text"].split("\r")[:-1])


def request_of(vector: dict[str, Any]) -> Request:
    """The request of the driver that a command is."""
    meaning = vector["meaning"]
    unit_id = meaning["unit_id"]
    match meaning["command"]:
        case "poll":
            return protocol.frame(unit_id)
        case "identity":
            return protocol.identity(unit_id)
        case "columns":
            return protocol.columns(unit_id)
        case "firmware":
            return protocol.firmware(unit_id)
        case "setpoint-query":
            return protocol.setpoint(unit_id)
        case "setpoint-source-query":
            return protocol.setpoint_source(unit_id)
    assert meaning["command"] == "setpoint-set"
    value = f"{meaning['value']:.{meaning['decimals']}f}"
    if "below_firmware" in meaning:
        return protocol.new_setpoint_legacy(unit_id, value, layout_of("alicat-022-columns-legacy-5v").fields)
    return protocol.new_setpoint(unit_id, value)


@pytest.mark.parametrize("key", sorted({*SENT} - NOT_SENT))
def test_a_request_has_the_bytes_of_the_vector(key: str) -> None:
    request = request_of(SENT[key])
    assert AlicatCodec().encode(request) == SENT[key]["text"].encode()
    assert request.changes is (SENT[key]["meaning"]["command"] == "setpoint-set")


def of_kind(*kinds: str) -> list[str]:
    return [key for key, each in RECEIVED.items() if each["meaning"]["kind"] in kinds]


def decoded(key: str, request: Request) -> tuple[str, ...] | None:
    return AlicatCodec().decode(request, bytearray(RECEIVED[key]["text"].encode()), final=True)


@pytest.mark.parametrize("key", of_kind("columns"))
def test_the_columns_are_learnt(key: str) -> None:
    rows = decoded(key, protocol.columns("A"))
    assert rows is not None
    layout, meaning = parse_layout(rows), RECEIVED[key]["meaning"]
    assert layout.dialect == meaning["dialect"]
    assert list(layout.flags) == meaning["flags"]
    assert [
        {
            "key": column.key,
            "name": column.name,
            "stat": column.stat,
            "type": "num" if column.is_number else "text",
            "unit": column.unit,
            "decimals": column.decimals,
        }
        for column in layout.columns
    ] == meaning["columns"]


@pytest.mark.parametrize("key", MODELS)
def test_the_simulator_sends_the_same_table(key: str) -> None:
    simulator: Simulator = AlicatSimulator("A", MODELS[key])
    assert simulator.receive(b"A??D*\r", 0.0).decode() == VECTORS[key]["text"]


@pytest.mark.parametrize("key", [key for key in of_kind("data-frame") if RECEIVED[key]["meaning"]["outcome"] == "ok"])
def test_a_frame_is_read(key: str) -> None:
    meaning = RECEIVED[key]["meaning"]
    fields = layout_of(meaning["context"]["layout"]).fields
    reply = decoded(key, protocol.frame("A", fields))
    if meaning["context"].get("streaming"):  # no letter: nothing tells whose it is
        assert reply is None
        assert AlicatCodec().diagnose(protocol.frame("A"), RECEIVED[key]["text"].encode()) == "streaming"
        return
    assert reply is not None
    values = {c.key: float(t) if c.is_number else t for c, t in zip(fields, reply, strict=False)}
    assert values == meaning["values"]
    assert list(reply[len(fields) :]) == meaning["status"] + meaning["extra"]


def test_a_truncated_frame_is_no_reply() -> None:
    fields = layout_of("alicat-020-columns-mfc-10v").fields
    with pytest.raises(MalformedReplyError):
        decoded("alicat-038-frame-truncated", protocol.frame("A", fields))


def test_a_frame_of_another_unit_is_not_read() -> None:
    fields = layout_of("alicat-020-columns-mfc-10v").fields
    assert decoded("alicat-039-frame-other-unit", protocol.frame("A", fields)) is None


@pytest.mark.parametrize("key", ["alicat-040-rejected", "alicat-041-rejected-with-id"])
def test_a_rejection_is_an_error(key: str) -> None:
    with pytest.raises(DeviceRefusedError):
        decoded(key, protocol.setpoint("A"))


@pytest.mark.parametrize(
    ("key", "request_", "reply"),
    [
        ("alicat-042-setpoint", protocol.new_setpoint("A", "100.00"), ("+000.00", "+100.00", "SCCM")),
        ("alicat-043-setpoint-not-accepted", protocol.setpoint("A"), ("+078.95", "+078.95", "SCCM")),
        ("alicat-044-setpoint-source", protocol.setpoint_source("A"), ("U",)),
        ("alicat-046-unit", protocol.unit("A", 5), ("SCCM",)),
        ("alicat-047-full-scale", protocol.full_scale("A", 5), ("+500.00", "SCCM")),
        ("alicat-048-firmware", protocol.firmware("A"), ("10v20.0-R24",)),
    ],
)
def test_a_line_is_read(key: str, request_: Request, reply: tuple[str, ...]) -> None:
    assert decoded(key, request_) == reply
    for other in (protocol.frame("A", layout_of("alicat-020-columns-mfc-10v").fields), protocol.frame("A")):
        assert decoded(key, other) is None, "it could be taken for a frame"


def test_the_identity_is_read() -> None:
    rows = decoded("alicat-049-identity", protocol.identity("A"))
    assert rows is not None
    identity, meaning = parse_identity(rows), RECEIVED["alicat-049-identity"]["meaning"]
    assert (identity.model, identity.serial, identity.firmware) == tuple(
        meaning[key] for key in ("model", "serial", "firmware")
    )
    assert identity.version == (10, 20)


def test_every_line_of_the_vectors_is_used_or_named() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    used = {*SENT, *of_kind("columns", "data-frame"), *NOT_READ}
    assert [key for key in VECTORS if key not in used and f'"{key}"' not in source] == []

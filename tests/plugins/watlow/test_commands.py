"""``riglog watlow decode`` and ``riglog watlow parameters``."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from riglog_watlow.commands import watlow
from riglog_watlow.decode import explain

Vector = dict[str, Any]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(watlow, list(arguments))
    return result.exit_code, result.output


def test_every_reply_vector_is_explained(stdbus_reply_vector: Vector) -> None:
    meaning = stdbus_reply_vector["meaning"]
    (facts,) = explain(bytes.fromhex(stdbus_reply_vector["hex"]))
    assert facts["address"] == meaning["address"]
    if "error_code" in meaning:
        assert facts["code"] == f"{meaning['error_code']:02X}"
    else:
        assert (facts["id"], facts["instance"]) == (meaning["parameter_id"], meaning["instance"])
        assert facts["value"] == meaning["value"]
        assert facts["parameter"] == meaning["name"]


def test_every_request_vector_is_explained(stdbus_request_vector: Vector) -> None:
    meaning = stdbus_request_vector["meaning"]
    (facts,) = explain(bytes.fromhex(stdbus_request_vector["hex"]))
    assert (facts["kind"], facts["address"], facts["id"]) == ("request", meaning["address"], meaning["parameter_id"])
    assert facts.get("value") == meaning.get("value")


def test_every_modbus_request_vector_is_explained(modbus_request_vector: Vector) -> None:
    meaning = modbus_request_vector["meaning"]
    facts = explain(bytes.fromhex(modbus_request_vector["hex"]))[0]
    assert (facts["kind"], facts["function"], facts["register"]) == (
        "request",
        meaning["function"],
        meaning["register"],
    )


def test_a_modbus_reply_is_explained_in_both_word_orders(modbus_reply_vector: Vector) -> None:
    meaning = modbus_reply_vector["meaning"]
    pieces = explain(bytes.fromhex(modbus_reply_vector["hex"]))
    facts = next(facts for facts in pieces if facts["kind"] == "reply")
    assert facts["address"] == meaning["address"]
    assert facts.get("exception") == meaning.get("exception")
    if meaning.get("data_type") == "float32":
        assert facts[f"as float32, {meaning['word_order'].partition('_')[0]} word first"] == meaning["value"]


def test_bytes_between_frames_are_listed_with_their_damage() -> None:
    data = bytes.fromhex("13 55FF06001000028F0283648B 55FF06001000028F0283648A 99")
    assert [(one["kind"], one.get("reason")) for one in explain(data)] == [
        ("skipped", "bad_data_crc"),
        ("reply", None),
        ("skipped", None),
    ]


@pytest.mark.parametrize("data", ["", "00", "0102030405", "55", "010304977D429C7697"])
def test_bytes_that_are_not_a_frame_are_reported_as_unknown(data: str) -> None:
    (facts,) = explain(bytes.fromhex(data))
    assert facts["kind"] == "unknown"


def test_decode_prints_a_table_or_json() -> None:
    frame = "55 FF 06 00 10 00 0B 88 02 03 01 04 01 01 08 45 1E 3C D4 A7 28"
    code, text = run("decode", frame)
    assert code == 0
    assert "process_value" in text
    assert "2531.8" in text
    code, text = run("decode", "--json", *frame.split())
    assert code == 0
    assert json.loads(text)[0]["value"] == 2531.8017578125


def test_input_that_is_not_hexadecimal_is_a_usage_error() -> None:
    code, text = run("decode", "not hex")
    assert code == 2
    assert "FRAME is not hexadecimal" in text


def test_parameters_are_listed_and_searched() -> None:
    code, text = run("parameters", "7001")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()[2:] if not line.startswith(" ")] == ["setpoint"]
    code, text = run("parameters", "--json")
    assert code == 0
    assert len(json.loads(text)) == 426
    code, text = run("parameters", "--family", "sd", "--json", "setpoint_m")
    assert {one["family"] for one in json.loads(text)} == {"Series SD"}


def test_a_search_without_a_match_is_a_usage_error() -> None:
    code, text = run("parameters", "flux capacitor")
    assert code == 2
    assert "flux capacitor" in text

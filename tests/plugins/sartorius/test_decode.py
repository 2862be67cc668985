"""``riglog sartorius decode``"""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from riglog_sartorius.commands import sartorius
from riglog_sartorius.plugin import riglog_commands


def decoded(data: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(sartorius, ["decode", "--json", data])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert isinstance(found, list)
    return found


def test_the_command_is_added_to_the_command_line() -> None:
    cli = click.Group("riglog")
    riglog_commands(cli)
    assert "decode" in cli.commands["sartorius"].commands  # type: ignore[attr-defined]


def test_a_weight_frame_is_explained() -> None:
    (frame,) = decoded("0B 41 48 BB A3 D7 0A 3D 30 82 45 07")
    (item,) = frame["items"]
    assert (item["kind"], item["value"], item["unit"], item["stable"]) == ("measurement", -0.005, "g", True)


def test_frames_are_found_in_noise_and_the_noise_is_counted() -> None:
    found = decoded("ff 03 41 00 44 00 04 41 01 04 4a")
    assert [entry["kind"] for entry in found] == ["reply", "reply", "skipped"]
    assert found[-1]["bytes"] == 2


def test_a_misprint_of_the_manual_is_malformed() -> None:
    assert decoded("0b4148bba3d70a3d30824555") == [{"kind": "malformed", "reason": "bad_checksum"}]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("N     +    0.006 g  ", "weight"),
        ("N     +    0.006 g  \\r\\n", "weight"),
        ("   Err 101    ", "error"),
        ("0.090 g", "unrecognised"),
        ("\\x1bZ\\r\\n", "command"),
    ],
)
def test_text_is_explained(text: str, kind: str) -> None:
    (entry,) = decoded(text)
    assert entry["kind"] == kind


def test_a_dangerous_command_is_named_as_such() -> None:
    (entry,) = decoded("1b5a0d0a")
    assert (entry["name"], entry["safety"]) == ("internal_adjustment", "dangerous")


def test_without_json_a_table_is_printed() -> None:
    result = CliRunner().invoke(sartorius, ["decode", "0401091e2c"])
    assert "read_net" in result.output

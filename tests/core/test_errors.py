"""Errors: the place in front, once; then the fact; then what else is known."""

import traceback
from typing import Any

import pytest

from riglog.errors import ConfigError, ReplyTimeoutError, RiglogError, StorageError, error_context


@pytest.mark.parametrize(
    ("context", "text"),
    [
        ({}, "no reply within 0.5 s"),
        ({"port": "/dev/ttyUSB0"}, "/dev/ttyUSB0: no reply within 0.5 s"),
        ({"device": "oven"}, "oven: no reply within 0.5 s"),
        ({"address": 0}, "address 0: no reply within 0.5 s"),
        ({"port": "COM3", "address": 1}, "COM3 (address 1): no reply within 0.5 s"),
        ({"address": 1, "port": "COM3", "device": "oven"}, "oven (COM3, address 1): no reply within 0.5 s"),
        ({"device": "oven", "file": "rig.toml"}, "rig.toml: oven: no reply within 0.5 s"),
        ({"path": "run.sqlite"}, "run.sqlite: no reply within 0.5 s"),
        (
            {"device": "oven", "port": None, "request": b"\x03\x0b\xb8", "parameter": "setpoint"},
            "oven: no reply within 0.5 s [request=03 0b b8, parameter=setpoint]",
        ),
    ],
)
def test_the_place_is_in_front_and_the_rest_behind(context: dict[str, Any], text: str) -> None:
    assert str(RiglogError("no reply within 0.5 s", **context)) == text


def test_a_long_reply_is_shown_by_its_first_bytes_and_kept_whole() -> None:
    error = ReplyTimeoutError("no reply", reply=bytes(100), reason="truncated")
    assert str(error) == f"no reply [reason=truncated, reply={'00 ' * 32}… (100 bytes)]"
    assert error.context["reply"] == bytes(100)


def test_the_usual_reason_of_a_timeout_is_not_printed() -> None:
    assert str(ReplyTimeoutError("no reply within 1 s")) == "no reply within 1 s"
    assert ReplyTimeoutError("no reply within 1 s").reason == "no_reply"


def test_an_outer_layer_adds_what_the_inner_one_did_not_know() -> None:
    with pytest.raises(ConfigError) as caught, error_context(device="oven", port="COM3"):
        raise ConfigError("unknown parameter 'x'", port="COM4")
    assert str(caught.value) == "oven (COM4): unknown parameter 'x'"


def test_the_message_is_the_fact_alone() -> None:
    assert StorageError("disk full", path="run.sqlite", hint="Free disk space").message == "disk full"


def printed(error: Exception) -> list[str]:
    return [line.strip() for line in "".join(traceback.format_exception(error)).splitlines()]


def test_a_traceback_shows_the_hint_once_also_one_that_was_added_later() -> None:
    error = StorageError("disk full", hint="Free disk space")
    assert printed(error) == ["riglog.errors.StorageError: disk full", "Free disk space"]
    error.hint = "Use another disk"
    error.add_note("a note of the caller")
    assert printed(error)[1:] == ["Use another disk", "a note of the caller"]
    error.hint = None
    assert printed(error)[1:] == ["a note of the caller"]
    assert error.hint is None


def test_each_error_of_a_group_has_its_hint_in_the_traceback() -> None:
    group = ExceptionGroup("rig.toml", [ConfigError("unknown key", hint="Did you mean 'address'?"), ConfigError("x")])
    assert any("Did you mean 'address'?" in line for line in printed(group))

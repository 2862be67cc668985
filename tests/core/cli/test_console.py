"""How values, times and numbers are printed."""

import pytest

from riglog.cli.console import channel_name, format_age, format_time, format_value, plural
from riglog.model import Channel


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        (None, None, "-"),
        (1 / 3, None, "0.3333333"),
        (1234567.89, None, "1234568"),
        (3, None, "3"),
        (True, None, "True"),
        (62, "heat", "62 (heat)"),
        ("7O1", None, "7O1"),
    ],
)
def test_a_value_has_seven_digits_and_its_text(value: float | str | None, text: str | None, expected: str) -> None:
    assert format_value(value, text) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (12, "12 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_an_age_has_the_unit_that_fits(seconds: float, expected: str) -> None:
    assert format_age(seconds) == expected


def test_a_channel_name_has_its_instance_but_not_its_device() -> None:
    channel = Channel(device="oven", driver="toy", protocol="toy", address=1, parameter="setpoint", instance=2)
    assert channel_name(channel) == "setpoint[2]"


def test_a_time_has_milliseconds_and_no_letters() -> None:
    assert format_time("2026-11-20T12:00:00.123456789Z") == "2026-11-20 12:00:00.123"


@pytest.mark.parametrize(("number", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_number_has_its_noun(number: int, expected: str) -> None:
    assert plural(number, "row") == expected

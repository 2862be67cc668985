"""Names that people use for parameters: found without guessing; every mistake is reported."""

import pytest

from riglog.errors import ConfigError
from riglog.plugin import Names, try_each

NAMES = Names(
    {"process_value": ("pv",), "setpoint": ("sp",), "panel_units": ("units",), "wire_units": ("units",)},
    manual={"process_value": ("Analog Input - Value", "Value"), "setpoint": ("Set Point",), "panel_units": ("SP",)},
    meanings={"wire_units": "Communications"},
)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("process_value", "process_value"),
        ("pv", "process_value"),
        ("PV", "process_value"),
        ("Process-Value", "process_value"),
        ("analog input - value", "process_value"),
        (" Set  Point", "setpoint"),
        ("sp", "setpoint"),  # an alias goes before a name of the manual
        ("p_v", None),
        ("", None),
    ],
)
def test_an_alias_stands_for_the_name_under_which_the_parameter_is_recorded(name: str, known: str | None) -> None:
    assert NAMES.find(name) == known


def test_an_alias_of_several_parameters_is_refused_with_all_of_them() -> None:
    with pytest.raises(ConfigError, match="ambiguous parameter name 'Units'") as caught:
        NAMES.find("Units")
    assert caught.value.hint == "Use panel_units or wire_units (Communications)"


@pytest.mark.parametrize(("name", "meant"), [("proces_value", "process_value"), ("SETPONT", "setpoint"), ("pvv", "pv")])
def test_a_misspelt_name_has_a_suggestion(name: str, meant: str) -> None:
    assert NAMES.suggestion(name) == f"Did you mean {meant!r}? "
    assert NAMES.suggestion("xyz") == ""


def test_every_item_is_checked_and_several_mistakes_are_reported_together() -> None:
    def check(item: int) -> int:
        if item < 0:
            raise ConfigError(f"wrong {item}")
        return 2 * item

    assert try_each(check, [1, 2]) == [2, 4]
    with pytest.raises(ConfigError, match="wrong -1"):
        try_each(check, [1, -1, 2])
    with pytest.raises(ExceptionGroup) as caught:
        try_each(check, [-1, 1, -2])
    assert [str(error) for error in caught.value.exceptions] == ["wrong -1", "wrong -2"]

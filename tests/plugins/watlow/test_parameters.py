"""The parameter table: complete, quick to load, found by name and by id."""

import time

import pytest

from riglog.errors import ConfigError
from riglog_watlow.parameters import F4P, PM, SD, Family, Parameter, Registry, read_table, registry


@pytest.mark.parametrize(("family", "count"), [(PM, 426), (SD, 58), (F4P, 70)])
def test_every_family_is_complete(family: Family, count: int) -> None:
    assert len(list(registry(family))) == count


@pytest.mark.real_time
def test_the_table_loads_within_ten_milliseconds() -> None:
    def load() -> float:
        started = time.perf_counter()
        Registry(PM, [parameter for parameter in read_table() if parameter.family == PM])
        return time.perf_counter() - started

    assert min(load() for _ in range(5)) < 0.010


@pytest.mark.parametrize("key", ["process_value", 4001, "4001"])
def test_a_parameter_is_found_by_name_and_by_id(key: str | int) -> None:
    parameter = registry().find(key)
    assert (parameter.name, parameter.id, parameter.tag, parameter.unit_kind) == (
        "process_value",
        4001,
        8,
        "temperature",
    )


@pytest.mark.parametrize(("key", "hint"), [("proces_value", "'process_value'"), (9999, "SEARCH"), ("", "SEARCH")])
def test_an_unknown_parameter_is_an_error_with_a_suggestion(key: str | int, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry().find(key)
    assert hint in str(caught.value.hint)


def test_search_looks_into_names_labels_and_ids() -> None:
    assert [one.name for one in registry().search("7001")] == ["setpoint"]
    assert "heat_power" in [one.name for one in registry().search("Heat Power")]
    assert registry().search("flux capacitor") == []


def test_registers_of_an_instance_follow_the_stride_of_the_map() -> None:
    process_value = registry().find("process_value")
    assert process_value.map1 is not None
    assert process_value.map2 is not None
    assert [process_value.map1.of(2), process_value.map2.of(2)] == [440, 450]


@pytest.mark.parametrize("family", [PM, SD, F4P])
def test_every_row_is_consistent(family: Family) -> None:
    for one in registry(family):
        assert one.writable == (one.access != "R"), one.name
        assert (one.storage == "none") == (not one.writable), one.name
        assert (one.data_type == "enum") <= (one.unit_kind == "enumeration"), one.name
        assert one.id is None or one.tag is not None or one.data_type in ("pointer", "mirror"), one.name
        assert on_a_wire(one), one.name


def on_a_wire(one: Parameter) -> bool:
    return one.tag is not None or one.map1 is not None or one.map2 is not None


@pytest.mark.parametrize("family", [PM, SD, F4P])
@pytest.mark.parametrize(
    ("name", "known"),
    [("pv", "process_value"), ("SP", "setpoint"), ("set_point", "setpoint"), ("Set Point", "setpoint")],
)
def test_the_names_that_people_use_are_those_of_the_table(family: Family, name: str, known: str) -> None:
    assert registry(family).find(name).name == known


def test_the_names_of_the_manual_are_understood() -> None:
    assert registry(PM).find("Analog Input - Analog Input Value").name == "process_value"
    assert registry(SD).find("Temperature Units").name == "units"


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("display_units", "panel_units (Display - Units)", "comm_units (Communications - Display Units)"),
        ("calibration_offset", "input_calibration_offset", "process_output_calibration_offset"),
        ("Units", "panel_units", "input_units"),
    ],
)
def test_a_name_that_means_another_parameter_elsewhere_is_refused(name: str, one: str, other: str) -> None:
    with pytest.raises(ConfigError, match="ambiguous") as caught:
        registry(PM).find(name)
    assert one in str(caught.value.hint)
    assert other in str(caught.value.hint)
    assert [registry(PM).find(number).name for number in (3005, 17050)] == ["panel_units", "comm_units"]


def test_an_alias_is_never_the_name_of_another_parameter() -> None:
    for family in (PM, SD, F4P):
        names = {one.name for one in registry(family)}
        assert not [alias for one in registry(family) for alias in one.aliases if alias in names - {one.name}]

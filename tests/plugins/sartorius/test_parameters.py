"""The parameter table: names, labels, what is refused here and what the balance refuses."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.device import Safety
from riglog.errors import ConfigError, ConfirmationError, UnsupportedError
from riglog_sartorius.errors import ValueOutOfRangeError
from riglog_sartorius.parameters import BY_INDEX, BY_NAME, TABLE, parameter


def test_names_and_indices_are_unique_and_labels_are_within_bounds() -> None:
    assert len(BY_NAME) == len(BY_INDEX) == len(TABLE)
    for known in TABLE:
        assert all(1 <= code <= known.highest for code in known.labels), known.name
        assert len(set(known.labels.values())) == len(known.labels), known.name


def test_what_can_interrupt_the_connection_is_dangerous() -> None:
    dangerous = {known.index for known in TABLE if known.safety is Safety.DANGEROUS}
    assert dangerous == {31, 32, 33, 34, 35, 61, 63, 64, 65, 66, 67}
    assert parameter(62).safety is Safety.DANGEROUS  # undocumented


def test_a_label_that_is_a_number_is_the_label() -> None:
    assert parameter("baud_rate").code_of("9600") == 7
    assert parameter("baud_rate").code_of(7) == 7
    assert [parameter("data_bits").code_of(value) for value in ("7", "8", 1, 2)] == [1, 2, 1, 2]
    with pytest.raises(ConfigError):
        parameter("baud_rate").code_of(9600)


async def test_a_person_sets_a_parameter_by_name_and_label(new_bench: Callable[..., Any]) -> None:
    balance = new_bench(protocol="xbpi").balance
    await balance.open()
    sample = await balance.set_parameter("display_unit", "kg", confirm=True)
    assert (sample.parameter, sample.value, sample.text, sample.unit) == ("display_unit", 3, "kg", None)
    with pytest.raises(ConfirmationError):
        await balance.set_parameter("7", "2")
    with pytest.raises(ConfigError, match="instance must be 1"):
        await balance.set_parameter("display_unit", "kg", 2, confirm=True)


async def test_a_parameter_is_read_by_name_or_index(new_bench: Callable[..., Any]) -> None:
    balance = new_bench(protocol="xbpi").balance
    await balance.open()
    for which in ("display_unit", 7, "7"):
        read = await balance.read_parameter(which)
        assert (read.index, read.name, read.value, read.label, read.highest) == (7, "display_unit", 2, "g", 24)


async def test_a_written_parameter_is_read_back_saved_and_reloaded(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi")
    written: list[str] = []
    balance = bench.balance
    balance.on_write = written.append
    await balance.open()
    for name, label in (("auto_zero", "off"), ("isocal", "off"), ("tare_behaviour", "at_stability")):
        assert (await balance.write_parameter(name, label, confirm=True)).label == label
    await balance.save_menu(confirm=True)
    await balance.write_parameter("menu_access", 2, confirm=True)
    await balance.set_filter_mode("unstable", confirm=True)
    assert (await balance.read_parameter("filter_mode")).label == "unstable"
    await balance.reload_menu(confirm=True)
    assert (await balance.read_parameter("menu_access")).label == "edit"
    assert (await balance.read_parameter("auto_zero")).label == "off"
    assert written == [
        "auto_zero = off",
        "isocal = off",
        "tare_behaviour = at_stability",
        "save_menu",
        "menu_access = read_only",
        "filter_mode = unstable",
        "reload_menu",
    ]


async def test_capacity_and_increment_follow_the_display_unit(new_bench: Callable[..., Any]) -> None:
    balance = new_bench(protocol="xbpi").balance
    await balance.open()
    await balance.write_parameter("display_unit", "kg", confirm=True)
    capacity, increment = await balance.capacity(), await balance.increment()
    assert (capacity.value, capacity.unit) == (pytest.approx(1.2, rel=1e-6), "kg")
    assert (increment.value, increment.unit) == (pytest.approx(1e-6, rel=1e-6), "kg")


@pytest.mark.parametrize(
    ("which", "value"),
    [("display_unti", "kg"), ("display_unit", "stone"), ("display_unit", 0), ("display_unit", 25), (80, 1)],
)
async def test_an_invalid_parameter_or_value_is_refused_before_anything_is_sent(
    new_bench: Callable[..., Any], which: str | int, value: str | int
) -> None:
    bench = new_bench(protocol="xbpi")
    with pytest.raises(ConfigError) as caught:
        await bench.balance.write_parameter(which, value, confirm=True)
    assert bench.transport.sent == 0
    assert caught.value.hint


async def test_a_parameter_that_the_balance_does_not_have_is_a_refusal(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi")
    bench.simulator.set("family", "oem_weigh_cell")
    await bench.balance.open()
    with pytest.raises(ValueOutOfRangeError):
        await bench.balance.read_parameter("isocal")
    assert (await bench.balance.read_parameter("filter_mode")).label == "very_stable"


async def test_sbi_has_no_parameters_but_can_switch_the_filter(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="sbi")
    await bench.balance.open()
    with pytest.raises(UnsupportedError, match="SBI"):
        await bench.balance.read_parameter("isocal")
    await bench.balance.set_filter_mode("stable", confirm=True)
    assert bench.log.replies[-1][0] == b"\x1bL\r\n"

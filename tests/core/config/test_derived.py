"""``[[derived]]``: what is read, and every mistake with its place and the next step."""

from pathlib import Path

import pytest

from riglog.config import RigConfig, load_rig
from riglog.errors import ConfigError
from riglog.plugin import Registry

RIG = """
[[sink]]
type = "memory"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
[[device]]
name = "fast-1"
driver = "toy"
port = "sim:bus2"
rate_hz = 10
"""


def load(folder: Path, registry: Registry, text: str) -> RigConfig:
    path = folder / "rig.toml"
    path.write_text(RIG + text)
    return load_rig(path, registry=registry)


def table(name: str, formula: str, more: str = "") -> str:
    return f'[[derived]]\nname = "{name}"\nformula = "{formula}"\n{more}\n'


def mistakes(folder: Path, registry: Registry, *tables: str) -> list[tuple[str, str | None]]:
    with pytest.raises(ExceptionGroup) as caught:
        load(folder, registry, "".join(tables))
    return [(error.message, error.hint) for error in caught.value.exceptions if isinstance(error, ConfigError)]


def test_derived_channels_are_in_the_order_in_which_they_need_each_other(tmp_path: Path, registry: Registry) -> None:
    rig = load(
        tmp_path,
        registry,
        table("ratio", "derived.sum / 'fast-1.level'", 'unit = "%"\ninput_units = { "fast-1.level" = "mm" }')
        + table("sum", "oven.level + oven.flow")
        + table("far", "mean(derived.ratio, 2)", 'device = "trend"')
        + '[[alarm]]\nname = "a"\nchannel = ["derived.sum", "trend.far"]\nhigh = 1\n',
    )
    total, ratio, far = rig.derived
    assert (total.name, total.leads, total.period_s, total.unit) == ("sum", ("oven.level", "oven.flow"), 1, None)
    assert (ratio.leads, ratio.period_s, ratio.unit) == (("fast-1.level",), 0.1, "%")
    assert ratio.periods == {"derived.sum": 1, "fast-1.level": 0.1}
    assert ratio.input_units == {"fast-1.level": "mm"}
    assert (str(far.channel), far.leads, far.period_s) == ("trend.far", ("derived.ratio",), 0.1)
    assert rig.alarms[0].stale_s == 60


def test_all_mistakes_are_reported_at_once(tmp_path: Path, registry: Registry) -> None:
    found = mistakes(
        tmp_path,
        registry,
        table("a", "oven.levle + ovne.level + oven.level[2]"),
        table("b", "__import__('os') + oven.level"),
        table("c", "mean(oven.level, 1.5) + mean('fast-1.level', 5000)"),
        table("d", "oven.level", 'device = "oven"'),
        table("e", "oven.level", 'input_units = { "oven.flow" = "mm" }'),
        table("e", "oven.level"),
        '[[derived]]\nname = "two words"\nformula = "oven.level"\n',
        '[[derived]]\nname = "f"\nform = "oven.level"\nunits = "K"\n',
    )
    messages = [message for message, _ in found]
    assert ("derived 1.formula: unknown channel 'oven.levle'", "Did you mean 'oven.level'?") in found
    assert ("derived 1.formula: unknown channel 'ovne.level'", "Did you mean 'oven.level'?") in found
    assert ("derived 1.formula: unknown channel 'oven.level[2]'", "Did you mean 'oven.level'?") in found
    assert "derived 2.formula: unknown function '__import__'" in messages
    assert "derived 4.device: 'oven' is a device of the rig" in messages
    assert ("derived 5.input_units: 'oven.flow' is not in the formula", "Channels of the formula: oven.level") in found
    assert "duplicate derived channel 'derived.e'" in messages
    assert any(message.startswith("derived 7.name") for message in messages)
    assert len([message for message in messages if message.startswith("derived 8")]) == 2


def test_a_window_has_two_periods_at_least_and_a_limited_number_of_rows(tmp_path: Path, registry: Registry) -> None:
    assert mistakes(tmp_path, registry, table("c", "mean(oven.level, 1.5) + mean('fast-1.level', 5000)")) == [
        ("derived 1.formula: 1.5 s of oven.level are shorter than two of its periods", "Use 2 s or more"),
        ("derived 1.formula: 5000 s of fast-1.level have more than 10000 rows", "Use 1000 s or less"),
    ]


def test_channels_that_need_each_other_are_refused(tmp_path: Path, registry: Registry) -> None:
    ((message, _),) = mistakes(tmp_path, registry, table("a", "derived.b + 1"), table("b", "oven.level + derived.a"))
    assert message.startswith("derived: a circle: derived.")
    ((message, _),) = mistakes(tmp_path, registry, table("a", "derived.a + 1"))
    assert message == "derived: a circle: derived.a needs derived.a"

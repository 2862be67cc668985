"""The progress display: the latest value of every channel, with its age when it is old."""

import pytest
from rich.text import Text

from riglog.acquire import AcquisitionSummary, ChannelSummary
from riglog.cli.freshness import Freshness
from riglog.cli.progress import latest_values
from riglog.model import NS, Channel


def channel(parameter: str, device: str = "oven") -> Channel:
    return Channel(device=device, driver="toy", protocol="toy", address=1, parameter=parameter)


SUMMARY = AcquisitionSummary(
    0,
    0,
    sources={},
    channels={
        channel("level"): ChannelSummary(rows=10, last_value=1.25, unit="mm", last_value_ns=99 * NS),
        channel("flow"): ChannelSummary(rows=10, last_value=2.5, unit="l/min", last_value_ns=88 * NS),
        channel("mode"): ChannelSummary(rows=10, last_value=62, text="heat", last_value_ns=99 * NS),
        channel("mass"): ChannelSummary(rows=10, rows_without_value=10),
    },
)
EVERY_SECOND = Freshness({"oven": 1.0})


def dimmed(text: Text) -> list[str]:
    return [text.plain[span.start : span.end] for span in text.spans if span.style == "dim"]


def test_an_old_value_is_dimmed_and_has_its_age_and_without_a_value_there_are_dashes() -> None:
    shown = latest_values(SUMMARY, 100 * NS, 200, EVERY_SECOND)
    assert shown.plain == "oven.level 1.25 mm   oven.flow 2.5 l/min (12 s old)   oven.mode 62 (heat)   oven.mass --"
    assert dimmed(shown) == ["oven.flow 2.5 l/min (12 s old)", "oven.mass --"]


def test_lines_are_broken_between_channels() -> None:
    assert latest_values(SUMMARY, 100 * NS, 42, EVERY_SECOND).plain.splitlines() == [
        "oven.level 1.25 mm",
        "oven.flow 2.5 l/min (12 s old)",
        "oven.mode 62 (heat)   oven.mass --",
    ]


@pytest.mark.parametrize(
    ("period", "age", "old"),
    [(1.0, 1.9, False), (1.0, 2.1, True), (60.0, 119, False), (60.0, 121, True), (0.02, 0.9, False), (0.02, 1.1, True)],
)
def test_a_value_is_old_after_two_periods(period: float, age: float, old: bool) -> None:
    seen = ChannelSummary(rows=5, last_value=1.0, last_value_ns=100 * NS)
    assert Freshness({"oven": period}).is_old(channel("level"), seen, round((100 + age) * NS)) is old


@pytest.mark.parametrize(("age", "old"), [(7.9, False), (8.1, True)])
def test_the_period_of_a_device_that_sets_its_pace_is_measured(age: float, old: bool) -> None:
    seen = ChannelSummary(rows=30, rows_without_value=5, last_value=1.0, last_value_ns=110 * NS)  # 25 values in 100 s
    assert Freshness({}, 10 * NS).is_old(channel("net", "balance"), seen, round((110 + age) * NS)) is old


def test_a_text_of_an_instrument_is_shown_without_control_characters() -> None:
    hostile = AcquisitionSummary(
        0, 0, sources={}, channels={channel("serial"): ChannelSummary(last_value="\x1b[2J", unit="\x07")}
    )
    assert latest_values(hostile, 0, 80, EVERY_SECOND).plain == "oven.serial \\x1b[2J \\x07"

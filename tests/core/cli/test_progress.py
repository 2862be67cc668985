"""The progress display: the last value of every channel with its age, and the status of its last row."""

import pytest

from riglog.acquire import AcquisitionSummary, ChannelSummary, SourceSummary
from riglog.cli.freshness import Freshness
from riglog.cli.progress import Screen
from riglog.model import NS, Batch, Channel, Sample, Stamp, Status, missing_sample


def channel(parameter: str, device: str = "oven") -> Channel:
    return Channel(device=device, driver="toy", protocol="toy", address=1, parameter=parameter)


EVERY_SECOND = Freshness({"oven": 1.0})


def summary(**channels: ChannelSummary) -> AcquisitionSummary:
    found = {channel(name): seen for name, seen in channels.items()}
    return AcquisitionSummary(0, 0, sources={}, channels=found)


def test_every_channel_has_its_last_value_and_age_and_no_value_is_shown_where_there_is_none() -> None:
    shown = Screen(EVERY_SECOND).lines(
        summary(
            level=ChannelSummary(rows=10, last_value=1.25, unit="mm", last_value_ns=99 * NS),
            flow=ChannelSummary(rows=10, last_value=2.5, unit="l/min", last_value_ns=88 * NS, status=Status.MISSING),
            mode=ChannelSummary(rows=10, last_value=62, text="heat", last_value_ns=99 * NS),
            serial=ChannelSummary(rows=1, last_value="A7", last_value_ns=99 * NS),
            mass=ChannelSummary(rows=10, rows_without_value=10, status=Status.SKIPPED, error="port lost"),
        ),
        100 * NS,
    )
    assert [(line.channel, line.value, line.text, line.age, line.old, line.status) for line in shown] == [
        ("level", 1.25, None, 1.0, False, "ok"),
        ("flow", 2.5, None, 12.0, True, "missing"),
        ("mode", 62, "heat", 1.0, False, "ok"),
        ("serial", None, "A7", 1.0, False, "ok"),
        ("mass", None, None, None, False, "skipped"),
    ]
    assert shown[-1].error == "port lost"


def test_the_trend_has_each_value_once() -> None:
    screen = Screen(EVERY_SECOND)
    for at, value in ((1, 1.0), (1, 1.0), (2, 3.0), (2, 3.0)):
        (line,) = screen.lines(summary(level=ChannelSummary(rows=1, last_value=value, last_value_ns=at * NS)), 3 * NS)
    assert list(line.trend) == [1.0, 3.0]


def test_the_status_is_that_of_the_last_row() -> None:
    counted, source = AcquisitionSummary(0, 0, sources={}, channels={}), SourceSummary("bus", 1.0)
    stamp = Stamp(0, None, NS)
    value = Sample(channel=channel("level"), stamp=stamp, value=1.0, unit=None, status=Status.SUSPECT)
    counted.count(source, Batch("bus", 0, [value]))
    assert counted.channels[channel("level")].status is Status.SUSPECT
    counted.count(source, Batch("bus", 1, [missing_sample(channel("level"), stamp, Status.MISSING, "no reply")]))
    seen = counted.channels[channel("level")]
    assert (seen.status, seen.error, seen.last_value) == (Status.MISSING, "no reply", 1.0)


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

"""The progress display: the latest value of every channel, with its age when it is old."""

from riglog.acquire import AcquisitionSummary, ChannelSummary
from riglog.cli.progress import latest_values
from riglog.model import NS, Channel


def channel(parameter: str) -> Channel:
    return Channel(device="oven", driver="toy", protocol="toy", address=1, parameter=parameter)


SUMMARY = AcquisitionSummary(
    0,
    0,
    sources={},
    channels={
        channel("level"): ChannelSummary(rows=10, last_value=1.25, unit="mm", last_value_ns=99 * NS),
        channel("flow"): ChannelSummary(rows=10, last_value=2.5, unit="l/min", last_value_ns=88 * NS),
        channel("mass"): ChannelSummary(rows=10, rows_without_value=10),
    },
)


def test_a_recent_value_has_no_age_an_old_one_has_and_without_a_value_there_is_a_dash() -> None:
    assert latest_values(SUMMARY, 100 * NS, width=200).plain == (
        "oven.level 1.25 mm   oven.flow 2.5 l/min (12 s old)   oven.mass -"
    )


def test_lines_are_broken_between_channels() -> None:
    assert latest_values(SUMMARY, 100 * NS, width=40).plain.splitlines() == [
        "oven.level 1.25 mm",
        "oven.flow 2.5 l/min (12 s old)",
        "oven.mass -",
    ]

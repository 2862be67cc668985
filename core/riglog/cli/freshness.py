"""How old a value may be before it is shown as old."""

from collections.abc import Mapping, Sequence

from riglog.acquire import ChannelSummary
from riglog.config import RigConfig
from riglog.config.derived import derived_periods
from riglog.manager import DeviceSpec
from riglog.model import NS, Channel

PERIODS = 2.0
LEAST_SECONDS = 1.0
"""Age below which no value is old: the display itself is not faster."""


def age_of(seen: ChannelSummary, now_ns: int) -> float | None:
    """Return the age of the last value in seconds; None without a value."""
    return None if seen.last_value is None else max(0.0, (now_ns - seen.last_value_ns) / NS)


class Freshness:
    """The periods of the channels of a rig: configured, or measured where the device sets the pace."""

    def __init__(self, periods: Mapping[str, float] | None = None, anchor_ns: int = 0) -> None:
        self._periods = periods or {}
        self._anchor_ns = anchor_ns

    def is_old(self, channel: Channel, seen: ChannelSummary, now_ns: int) -> bool:
        """Return True if the last value is older than two periods."""
        age = age_of(seen, now_ns)
        return age is not None and age > max(LEAST_SECONDS, PERIODS * self._period(channel, seen))

    def _period(self, channel: Channel, seen: ChannelSummary) -> float:
        if channel.device in self._periods:
            return self._periods[channel.device]
        values = seen.rows - seen.rows_without_value
        return (seen.last_value_ns - self._anchor_ns) / NS / values if values else 0.0


def periods(rig: RigConfig, device_paced: Sequence[DeviceSpec]) -> dict[str, float]:
    """Return the period of every device that is polled, in seconds."""
    polled = {spec.name: 1 / (spec.config.rate_hz or rig.rate_hz) for spec in rig.specs if spec not in device_paced}
    return derived_periods(each for each in rig.derived if each.leads) | polled

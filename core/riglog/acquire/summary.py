"""What a recording did, live and at its end. Durations in seconds, times in UTC nanoseconds."""

from msgspec import Struct, field

from riglog.acquire.quantile import Quantiles
from riglog.model import NS, Batch, Channel, Status, Value


class ChannelSummary(Struct):
    """Of one channel: how many rows, how many of them without a value, and the last value there was.

    ``last_ns`` is when that was, on the monotonic clock; ``longest_gap_s`` the longest time between two values.
    """

    rows: int = 0
    missing: int = 0
    last: Value = None
    text: str | None = None
    unit: str | None = None
    last_ns: int = 0
    longest_gap_s: float = 0.0

    def gap_until(self, now_ns: int) -> float:
        """The longest time without a value, one that lasts until ``now_ns`` (monotonic) included; seconds."""
        return max(self.longest_gap_s, (now_ns - self.last_ns) / NS)


class SourceSummary(Struct):
    """Of one poll source, usually a port. ``ticks`` are slots served, ``ticks_missed`` those passed over."""

    name: str
    rate_hz: float | None
    ticks: int = 0
    ticks_missed: int = 0
    samples: int = 0
    samples_missing: int = 0
    lateness: Quantiles = field(default_factory=Quantiles)
    poll_time: Quantiles = field(default_factory=Quantiles)
    busy_s: float = 0.0

    def as_dict(self) -> dict[str, object]:
        return {
            "source": self.name,
            "rate_hz": self.rate_hz,
            "ticks": self.ticks,
            "ticks_missed": self.ticks_missed,
            "samples": self.samples,
            "samples_missing": self.samples_missing,
            "late_max_s": self.lateness.maximum,
            "late_p99_s": self.lateness.at(0.99),
            "poll_p50_s": self.poll_time.at(0.50),
            "poll_p99_s": self.poll_time.at(0.99),
            "busy_s": self.busy_s,
        }


class AcquisitionSummary(Struct):
    """Of a whole recording; a source's own figures stand in ``sources``, a channel's in ``channels``."""

    started_ns: int
    anchor_ns: int
    finished_ns: int | None = None
    samples_dropped: int = 0
    disconnects: int = 0
    sources: dict[str, SourceSummary] = {}
    channels: dict[Channel, ChannelSummary] = {}

    @property
    def ticks(self) -> int:
        return sum(source.ticks for source in self.sources.values())

    @property
    def ticks_missed(self) -> int:
        return sum(source.ticks_missed for source in self.sources.values())

    @property
    def samples(self) -> int:
        return sum(source.samples for source in self.sources.values())

    @property
    def samples_missing(self) -> int:
        return sum(source.samples_missing for source in self.sources.values())

    def count(self, source: SourceSummary, batch: Batch) -> None:
        """Enter the samples of one batch."""
        for sample in batch.samples:
            channel = self.channels.get(sample.channel)
            if channel is None:
                channel = self.channels[sample.channel] = ChannelSummary(
                    unit=sample.channel.unit, last_ns=self.anchor_ns
                )
            channel.rows += 1
            source.samples += 1
            if sample.value is None:
                channel.missing += 1
                source.samples_missing += sample.status in (Status.MISSING, Status.SKIPPED)
            else:
                channel.longest_gap_s = channel.gap_until(sample.stamp.monotonic_ns)
                channel.last_ns = sample.stamp.monotonic_ns
                channel.last, channel.text, channel.unit = sample.value, sample.text, sample.unit

"""Counts and times of a run, updated while it is recorded. Durations in seconds, times in nanoseconds."""

from datetime import datetime

from msgspec import Struct, field

from riglog.acquire.quantile import Quantiles
from riglog.model import NS, Batch, Channel, Status, Value, utc

MOST_UNIT_CHANGES = 20
"""Of one channel that become events; every row has its unit."""
NO_CHANGES: dict[str, list[str]] = {}


class ChannelSummary(Struct):
    """Summary of one channel.

    ``rows_without_value`` counts every row without a value, whatever its status. ``text`` and ``unit`` belong to
    ``last_value``, which was received at ``last_value_ns`` (monotonic clock). ``longest_gap_s`` is the longest time
    between two values. ``status`` and ``error`` are those of the last row. ``known_unit`` is the last unit that was not
    empty, ``unit_changes`` how often it changed.
    """

    rows: int = 0
    rows_without_value: int = 0
    last_value: Value = None
    text: str | None = None
    unit: str | None = None
    last_value_ns: int = 0
    longest_gap_s: float = 0.0
    status: Status = Status.OK
    error: str | None = None
    known_unit: str | None = None
    unit_changes: int = 0

    def gap_until(self, now_ns: int) -> float:
        """Return the longest time without a value, in seconds, up to ``now_ns`` on the monotonic clock."""
        return max(self.longest_gap_s, (now_ns - self.last_value_ns) / NS)


class SourceSummary(Struct):
    """Summary of one poll source, usually a port.

    ``rate_hz`` is None if the device sets the pace. ``samples_missing_or_skipped`` counts the samples with one of these
    two statuses; out-of-range and fault samples are not in it. ``start_delay`` is how late polls started. ``ended``: it
    is polled no longer.
    """

    name: str
    rate_hz: float | None
    slots_polled: int = 0
    slots_skipped: int = 0
    samples: int = 0
    samples_missing_or_skipped: int = 0
    start_delay: Quantiles = field(default_factory=Quantiles)
    poll_time: Quantiles = field(default_factory=Quantiles)
    busy_s: float = 0.0
    ended: bool = False

    def as_dict(self) -> dict[str, object]:
        return {
            "source": self.name,
            "rate_hz": self.rate_hz,
            "slots_polled": self.slots_polled,
            "slots_skipped": self.slots_skipped,
            "samples": self.samples,
            "samples_missing_or_skipped": self.samples_missing_or_skipped,
            "start_delay_max_s": self.start_delay.maximum,
            "start_delay_p99_s": self.start_delay.at(0.99),
            "poll_p50_s": self.poll_time.at(0.50),
            "poll_p99_s": self.poll_time.at(0.99),
            "busy_s": self.busy_s,
        }


class AcquisitionSummary(Struct):
    """Summary of a run; ``sources`` and ``channels`` hold those of each source and channel."""

    started_ns: int
    anchor_ns: int
    finished_ns: int | None = None
    samples_dropped: int = 0
    port_losses: int = 0
    sources: dict[str, SourceSummary] = {}
    channels: dict[Channel, ChannelSummary] = {}
    _unit_changes: dict[str, list[str]] = {}

    @property
    def started_at(self) -> datetime:
        return utc(self.started_ns)

    @property
    def finished_at(self) -> datetime | None:
        """When polling ended; None while it goes on."""
        return None if self.finished_ns is None else utc(self.finished_ns)

    @property
    def samples_emitted(self) -> int:
        """The number of slots that were polled. Unlike ``samples`` it counts batches, as other libraries do."""
        return self.slots_polled

    @property
    def samples_late(self) -> int:
        """The number of slots that were due and not polled."""
        return self.slots_skipped

    @property
    def max_drift_ms(self) -> float:
        """How late a poll started at most, in milliseconds."""
        return 1000 * max((source.start_delay.maximum or 0.0 for source in self.sources.values()), default=0.0)

    @property
    def disconnects(self) -> int:
        """How often the connection of a port was lost."""
        return self.port_losses

    @property
    def slots_polled(self) -> int:
        return sum(source.slots_polled for source in self.sources.values())

    @property
    def slots_skipped(self) -> int:
        return sum(source.slots_skipped for source in self.sources.values())

    @property
    def samples(self) -> int:
        return sum(source.samples for source in self.sources.values())

    @property
    def samples_missing_or_skipped(self) -> int:
        return sum(source.samples_missing_or_skipped for source in self.sources.values())

    def add_unrecorded(self, ns: int) -> None:
        """Add a time that the monotonic clock has not counted to the gap of every channel."""
        for channel in self.channels.values():
            channel.last_value_ns -= ns

    def count(self, source: SourceSummary, batch: Batch) -> None:
        """Count the samples of one batch."""
        source.samples += len(batch.samples)
        channels = self.channels
        for sample in batch.samples:
            channel = channels.get(sample.channel)
            if channel is None:
                channel = self._add(sample.channel)
                channels = self.channels
            channel.rows += 1
            channel.status, channel.error = sample.status, sample.error
            if sample.value is None:
                channel.rows_without_value += 1
                source.samples_missing_or_skipped += sample.status in (Status.MISSING, Status.SKIPPED)
            else:
                now_ns = sample.stamp.monotonic_ns
                gap_s = (now_ns - channel.last_value_ns) / NS
                if gap_s > channel.longest_gap_s:
                    channel.longest_gap_s = gap_s
                channel.last_value_ns = now_ns
                if sample.unit != channel.unit and sample.unit:
                    self._note_unit(sample.channel, channel, sample.unit)
                channel.last_value, channel.text, channel.unit = sample.value, sample.text, sample.unit

    def _note_unit(self, channel: Channel, summary: ChannelSummary, unit: str) -> None:
        """Keep a change of unit for ``take_unit_changes``. From or to an empty unit, which is unknown, is none."""
        before, summary.known_unit = summary.known_unit, unit
        if before and before != unit:
            summary.unit_changes += 1
            if summary.unit_changes <= MOST_UNIT_CHANGES:
                last = "; further changes of it are not reported" if summary.unit_changes == MOST_UNIT_CHANGES else ""
                text = f"{channel}: unit changed from {before} to {unit}{last}"
                self._unit_changes.setdefault(channel.device, []).append(text)

    def take_unit_changes(self) -> dict[str, list[str]]:
        """Remove and return the changes since the last call: texts for the user, by device."""
        if not self._unit_changes:
            return NO_CHANGES
        taken, self._unit_changes = self._unit_changes, {}
        return taken

    def _add(self, channel: Channel) -> ChannelSummary:
        """Return the summary of a channel that is new, or whose unit was not known while its device was absent."""
        series = channel.device, channel.parameter, channel.instance
        for other, seen in self.channels.items():
            if (other.device, other.parameter, other.instance) == series:
                self.channels = {channel if key is other else key: value for key, value in self.channels.items()}
                return seen
        added = self.channels[channel] = ChannelSummary(
            unit=channel.unit, known_unit=channel.unit, last_value_ns=self.anchor_ns
        )
        return added

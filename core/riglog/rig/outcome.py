"""The result of recording a rig."""

from msgspec import Struct

from riglog.acquire import AcquisitionSummary, SinkResult
from riglog.errors import StorageError
from riglog.model import Channel, Run


class LongestGap(Struct, frozen=True):
    """The longest time in seconds that a channel had no value, and that channel; None if there are no channels."""

    seconds: float
    channel: Channel | None


class Outcome(Struct):
    """The run with its summary, and one result per sink.

    ``devices`` are those of each source of the summary.
    ``finished_monotonic_ns`` is the end of the recording on the monotonic clock. ``storage_error`` is set if not all
    samples were stored; ``sinks`` is empty if no sink could be opened. ``absent`` are the devices that could not be
    opened until the end, with the reason.
    """

    run: Run
    summary: AcquisitionSummary
    sinks: list[SinkResult]
    finished_monotonic_ns: int
    storage_error: StorageError | None = None
    devices: dict[str, tuple[str, ...]] = {}
    absent: dict[str, str] = {}

    @property
    def longest_gap(self) -> LongestGap:
        """The longest gap of all channels, including a gap that lasted until the end of the recording."""
        end = self.finished_monotonic_ns
        gaps = [LongestGap(seen.gap_until(end), channel) for channel, seen in self.summary.channels.items()]
        return max(gaps, key=lambda gap: gap.seconds, default=LongestGap(0.0, None))

    @property
    def devices_without_value(self) -> list[str]:
        """The devices that were opened and have rows, but not one value."""
        channels = self.summary.channels
        valued = {channel.device for channel, seen in channels.items() if seen.rows > seen.rows_without_value}
        return sorted({channel.device for channel in channels} - valued - {*self.absent})

"""How many bytes a rig writes in a day, and how long the disk lasts."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from riglog.config import RigConfig
from riglog.device import Pace
from riglog.manager.declared import declared_channels
from riglog.model import Sink
from riglog.sinks.files import FileSink
from riglog.sinks.sqlite.sink import SqliteSink

DAY = 86_400
BYTES_PER_ROW: Mapping[str, int] = {"sqlite": 46, "csv": 215, "jsonl": 450, "parquet": 30}
"""Measured with four controllers at 30 Hz; SQLite with ten channels at 10 Hz (decision 17), seals included."""
CARD_BYTES_PER_ROW = 56
KEPT_BYTES_PER_ROW = 6
"""Requests and replies, with ten channels in one transaction; 12 with one channel."""


class RowsPerDay(Struct, frozen=True):
    """``rows`` of the devices whose channels and pace are known; ``unknown`` names the others."""

    rows: float
    unknown: tuple[str, ...]


def rows_per_day(rig: RigConfig) -> RowsPerDay:
    """Return how many rows the devices and derived channels of a rig give in a day. Nothing is opened."""
    rows, unknown = 0.0, []
    for spec in rig.specs:
        channels = declared_channels(spec)
        if not channels or spec.driver.pace(spec.config) is not Pace.HOST:
            unknown.append(spec.name)
        else:
            rows += len(channels) * (spec.config.rate_hz or rig.rate_hz) * DAY
    rows += sum(DAY / derived.period_s for derived in rig.derived if derived.leads)
    return RowsPerDay(rows, tuple(unknown))


def bytes_per_row(sink: Sink) -> int | None:
    """Return what a row takes in a sink; None if it is no file, or of a plugin."""
    if not isinstance(sink, FileSink):
        return None
    stored = getattr(sink, "present", sink)
    if not isinstance(stored, SqliteSink):
        return BYTES_PER_ROW.get(sink.name)
    size = CARD_BYTES_PER_ROW if stored.profile == "card" else BYTES_PER_ROW["sqlite"]
    return size + KEPT_BYTES_PER_ROW if stored.keeps_bytes else size


def folders(rig: RigConfig) -> dict[Path, int]:
    """Return the folders into which the rig records, each with the bytes of a row in all of its sinks together."""
    found: dict[Path, int] = {}
    for sink in rig.sinks:
        size = bytes_per_row(sink)
        if size is not None and isinstance(sink, FileSink):
            folder = sink.path.absolute().parent
            found[folder] = found.get(folder, 0) + size
    return found

"""Gaps, availability and absences of SQLite recordings, read as stretches; of all others, from all of their rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from riglog.model import iso
from riglog.recordings.absences import AbsenceFinder
from riglog.recordings.gaps import Availability, Gap, GapFinder, Key
from riglog.recordings.parts import has_readings
from riglog.recordings.reading import read
from riglog.recordings.selection import Selection
from riglog.recordings.slot_order import Stretch
from riglog.recordings.stored_channels import ChannelTime, all_of_schema_2, in_order, selected_channels
from riglog.recordings.stretches import StretchReader
from riglog.sinks.formats import format_of
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import SQLITE_FORMAT
from riglog.sinks.sqlite.recorded import LATEST_NS, nanoseconds


class FoundGaps(Struct):
    """``gaps`` are in the order of their ends, at most so many as were wanted; ``count`` is the number of all."""

    channels: dict[Key, Availability]
    gaps: list[Gap]
    count: int


def find_gaps(
    paths: Sequence[str | Path], absences: AbsenceFinder, *, run: str | None = None, device: str | None = None
) -> FoundGaps:
    """Return the gaps in a recording of any format; several files, such as those of a rotation, in any order.

    Raises:
        ConfigError, NotARecordingError, NewerSchemaError, StorageError: as for ``read``.
    """
    rows = read(paths, run=run, device=device)
    files = [Path(path) for path in paths]
    if not all(format_of(path) is SQLITE_FORMAT for path in files) or not all_of_schema_2(files):
        return gaps_of_rows(rows, absences)
    selection = Selection(run, device)
    return gaps_of_files(in_order(files, selection), selection, absences)


def gaps_of_rows(rows: Iterable[Row], absences: AbsenceFinder, most: int | None = None) -> FoundGaps:
    """Return the gaps in rows that are ordered by time."""
    finder = GapFinder()
    gaps: list[Gap] = []
    count = 0
    for gap in finder.find(absences.watch(rows)):
        count += 1
        if most is None or count <= most:
            gaps.append(gap)
    return FoundGaps(finder.channels, gaps, count)


def gaps_of_files(
    paths: Sequence[Path],
    selection: Selection,
    absences: AbsenceFinder,
    *,
    most: int | None = None,
    each: Callable[[ChannelTime], None] = lambda _: None,
    progress: Callable[[float], None] = lambda _: None,
) -> FoundGaps:
    """Return the gaps in files of schema 2, which are in the order of their first rows.

    Args:
        most: so many gaps are wanted.
        each: called with each channel, while it can be read.
    """
    runs: dict[str, int] = {}
    lasts: dict[tuple[int, int], int] = {}  # of each segment of a file

    def stretches() -> Iterator[Stretch]:
        reader: StretchReader | None = None
        for channel in selected_channels(paths, selection, progress):
            if reader is None or reader.database is not channel.database:
                reader = StretchReader(channel.database)
                lasts.clear()
            runs.setdefault(channel.key.run, len(runs))
            segment = channel.stored.run_id, channel.segment
            lasts[segment] = max(channel.end - 1, lasts.get(segment, 0))
            _watch(absences, channel, iso(lasts[segment]))
            yield from reader.stretches(channel.stored.run_id, channel.stored.id, channel.start, channel.end)
            each(channel)

    finder = GapFinder()
    found: list[tuple[tuple[bool, int, str], Gap]] = []
    count = 0
    for gap, row in finder.find_in_stretches(stretches()):
        count += 1
        found.append(((row is None, runs[gap.channel.run], "" if row is None else row.received_at), gap))
        if most is not None and len(found) > 2 * most:
            found = _first(found, most)
    return FoundGaps(finder.channels, [gap for _, gap in _first(found, most)], count)


def _first(found: list[tuple[tuple[bool, int, str], Gap]], most: int | None) -> list[tuple[tuple[bool, int, str], Gap]]:
    return sorted(found, key=lambda each: each[0])[:most]


def _watch(absences: AbsenceFinder, channel: ChannelTime, last: str) -> None:
    """Look for rows of a channel in the absences of its device."""

    def has_rows(since: str, until: str) -> bool:
        first = max(channel.start, nanoseconds(since))
        last = min(channel.end, nanoseconds(until) if until else LATEST_NS)
        return has_readings(channel.database, channel.stored.run_id, channel.stored.id, first, last)

    absences.add_channel(channel.key.run, channel.key.device, last, has_rows)

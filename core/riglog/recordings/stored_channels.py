"""The channels of files of schema 2, one after the other in the order of recording: each in one short transaction."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from riglog.errors import error_context
from riglog.recordings.gaps import Key
from riglog.recordings.parts import span_of_channel
from riglog.recordings.units import StoredChannel
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.recorded import EARLIEST_NS, LATEST_NS, Recorded2, Selection, recorded
from riglog.sinks.sqlite.schema import sqlite_errors

CHANNELS = """
SELECT run.run, device, parameter, instance, channel.id, channel.run_id, channel.unit, segment
FROM channel JOIN series ON series.id = channel.series_id JOIN run ON run.id = channel.run_id
WHERE {where} ORDER BY channel.run_id, segment, channel.id"""


class ChannelTime(Struct, frozen=True):
    """A channel of one segment in an open file: its selected rows, the first at ``start``, all before ``end``."""

    database: sqlite3.Connection
    key: Key
    stored: StoredChannel
    segment: int
    start: int
    end: int


def all_of_schema_2(paths: Sequence[Path]) -> bool:
    """Return True if no file has schema 1."""

    def is_schema_2(path: Path) -> bool:
        with _opened(path) as database:
            return isinstance(recorded(database), Recorded2)

    return all(is_schema_2(path) for path in paths)


def in_order(paths: Sequence[Path], selection: Selection) -> list[Path]:
    """Return files in the order of their first selected rows."""
    firsts: dict[Path, int] = {}
    for path in paths:
        with _opened(path) as database:
            firsts[path] = min((each.start for each in _channels(database, selection)), default=EARLIEST_NS)
    return sorted(paths, key=firsts.__getitem__)


def selected_channels(
    paths: Sequence[Path], selection: Selection, progress: Callable[[float], None] = lambda _: None
) -> Iterator[ChannelTime]:
    """Return the channels that have selected rows, each while its file is open and does not change for the reader.

    Within a segment they are in the order of their first rows.
    """
    for number, path in enumerate(paths):
        with _opened(path) as database:
            found = _channels(database, selection)
            for done, each in enumerate(found, 1):
                database.execute("BEGIN")
                yield each
                database.execute("COMMIT")
                progress((number + done / len(found)) / len(paths))


def _channels(database: sqlite3.Connection, selection: Selection) -> list[ChannelTime]:
    where, values = Selection(selection.run, selection.device, selection.parameter).condition("")
    start = EARLIEST_NS if selection.start_ns is None else selection.start_ns
    end = LATEST_NS if selection.end_ns is None else selection.end_ns
    found = []
    for run, device, parameter, instance, *stored, segment in database.execute(
        CHANNELS.format(where=where), values
    ).fetchall():
        channel = StoredChannel(*stored)
        if (span := span_of_channel(database, channel.run_id, channel.id, start, end)) is not None:
            key = Key(run, device, parameter, instance)
            found.append(ChannelTime(database, key, channel, segment, span[0], span[1] + 1))
    return sorted(found, key=lambda each: (each.stored.run_id, each.segment, each.start, each.stored.id))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        yield database

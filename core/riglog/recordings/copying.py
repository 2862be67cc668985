"""Copies the rows of a recording into an empty one of schema 2, out of a file of any schema."""

import sqlite3
from collections.abc import Sequence

from riglog.model import Channel
from riglog.recordings.damaged import Columns, Damaged
from riglog.sinks.sqlite.overviews import rebuild
from riglog.sinks.sqlite.places import Places

REBUILT = {"meta", "block", "reading", "flush", "minute", "hour", "seal", "burst"}
"""What is not copied row by row: it belongs to the file as it was, or follows from the readings."""
READING = "INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
Counts = tuple[int, int, int]
"""Runs, events and readings that were copied."""


def copy_2(source: Damaged, target: sqlite3.Connection) -> Counts:
    """Copy a recording of schema 2. The readings of a run are in one block there."""
    for name in source.shapes:
        if name not in REBUILT:
            for row in source.rows(name):
                _insert(target, name, row)
                if name == "run":
                    _insert(target, "block", (row[0], row[0], 1))
    runs = dict(target.execute("SELECT id, run_id FROM channel"))
    blocks = {row[0] for row in source.rows("block")} | set(runs.values())
    source.known.pop("block")  # readings are found through their block, and belong to a channel
    for block in sorted(blocks):
        for channel, run in runs.items():
            target.executemany(READING, ((run, *row[1:]) for row in source.clustered(block, channel)))
    return _counts(target)


def copy_1(source: Damaged, target: sqlite3.Connection) -> Counts:
    """Copy a recording of schema 1: annotations were called notes, and times were relative to the start of the run."""
    started, places = {}, {}
    for row in source.rows("run"):
        _insert(target, "run", (*row, None))
        _insert(target, "block", (row[0], row[0], 1))
        started[row[0]] = row[3]
        places[row[0]] = Places(target, row[0])
    channels = {row[0]: (row[1], channel_1(row)) for row in source.rows("channel")}
    for row in source.rows("note"):
        _insert(target, "annotation", row)
    for row in source.rows("event"):
        _insert(target, "event", (*row, None, None))
    for _, channel_id, tick, received, latency, skew, value, annotation in source.rows("reading"):
        run, channel = channels[channel_id]
        received += started[run]
        place = places[run].next(channel, received)
        columns = run, place.channel_id, received, place.n, value, annotation, tick, latency, skew, None
        target.execute(READING, columns)
    return _counts(target)


def channel_1(row: Columns) -> Channel:
    """Return the channel in a row of schema 1."""
    _, _, device, driver, protocol, address, parameter, parameter_id, instance, unit = row
    return Channel(
        device=device,
        driver=driver,
        protocol=protocol,
        address=address,
        parameter=parameter,
        parameter_id=parameter_id,
        instance=instance,
        unit=unit,
    )


def _insert(target: sqlite3.Connection, table: str, row: Sequence[object]) -> None:
    target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - constants


def _counts(target: sqlite3.Connection) -> Counts:
    """Note the flushes of the copy, ten seconds in each, write its overviews, and count what is in it."""
    target.execute(
        "INSERT INTO flush (run_id, segment, first_ns, last_ns, rows)"
        " SELECT run_id, segment, min(received_ns), max(received_ns), count(*)"
        " FROM reading JOIN channel ON channel.id = channel_id"
        " GROUP BY run_id, segment, received_ns / 10000000000 ORDER BY run_id, segment, min(received_ns)"
    )
    rebuild(target)
    counts: Counts = target.execute(
        "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM event), (SELECT count(*) FROM reading)"
    ).fetchone()
    return counts

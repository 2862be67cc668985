"""A recording of any size in little time: rows by bulk SQL, in the layout in which the recorder leaves them.

    python benchmarks/bulk.py FILE ROWS [desk|card]     # 10 channels at 10 Hz

Rows are the same as those of ``storage.py``, and so are the tables: one run, flushes of one second, overviews. Each
channel is added to in pieces, side by side with the others, so that pages are as full as after a recording.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from riglog.model import NS, Run, new_run
from riglog.sinks.sqlite.blocks import MERGED_OF_A_CHANNEL, Profile
from riglog.sinks.sqlite.overviews import Overviews
from riglog.sinks.sqlite.places import Place
from riglog.sinks.sqlite.run_file import RunFile
from riglog.sinks.sqlite.schema import create_tables

CHANNELS, RATE_HZ = 10, 10
PIECE_TICKS = 1_000
CARD_TICKS = max(MERGED_OF_A_CHANNEL["card"], 20_000 // CHANNELS)
READINGS = f"""
INSERT INTO reading
WITH RECURSIVE slot (tick) AS (VALUES (:first) UNION ALL SELECT tick + 1 FROM slot WHERE tick < :last),
numbered AS (SELECT tick, tick * 7 + :place AS number FROM slot),
sample AS (SELECT tick, number, 8000000 + number * 7919 % 6000000 AS latency FROM numbered)
SELECT :block, :channel, :started + tick * {NS} / {RATE_HZ} + :place * 321987 + latency, 0,
    round(20 + number % 1013 / 7.0, 2), NULL, tick, latency, number % 997 * 37, NULL
FROM sample"""  # noqa: S608 - constants of this file
FLUSHES = f"""
INSERT INTO flush (run_id, segment, first_ns, last_ns, rows)
WITH RECURSIVE second (at) AS (VALUES (0) UNION ALL SELECT at + 1 FROM second WHERE at + 1 < :seconds)
SELECT 1, 0, :started + at * {NS} + 8000000, :started + at * {NS} + 916000000, {CHANNELS * RATE_HZ}
FROM second"""  # noqa: S608 - constants of this file


def build_in_bulk(path: Path, count: int, profile: Profile = "desk") -> Run:
    """Write a finished recording of ten channels at 10 Hz."""
    run = new_run("questions")
    ticks = count // CHANNELS
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        create_tables(database)
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -100000")
        _insert_names(database, run)
        done = Overviews(database, 1)
        for block, first, last in _pieces(profile, ticks):
            database.execute("BEGIN")
            database.execute("INSERT OR IGNORE INTO block (id, run_id, merged) VALUES (?, 1, 1)", (block,))
            for place in range(CHANNELS):
                values = {"block": block, "channel": place + 1, "place": place, "first": first, "last": last}
                database.execute(READINGS, values | {"started": run.started_ns})
            done.complete(_newest(run, last))
            database.execute("COMMIT")
        database.execute(FLUSHES, {"seconds": ticks // RATE_HZ, "started": run.started_ns})
    RunFile(path, run, durable=False, profile=profile).close()  # in WAL mode, as the recorder leaves it
    return run


def _insert_names(database: sqlite3.Connection, run: Run) -> None:
    database.execute(
        "INSERT INTO run (id, run, name, started_ns, anchor_ns, rate_hz, host, versions)"
        " VALUES (1, ?, ?, ?, ?, ?, '', '{}')",
        (run.id, run.name, run.started_ns, run.anchor_ns, RATE_HZ),
    )
    for place in range(CHANNELS):
        database.execute("INSERT INTO series VALUES (?, ?, 'p', 1)", (place + 1, f"device{place}"))
        database.execute(
            "INSERT INTO channel VALUES (?, 1, ?, 0, 'd', 'x', ?, NULL, 'degC')", (place + 1, place + 1, place)
        )


def _newest(run: Run, tick: int) -> list[Place]:
    """Return the newest reading of each channel, as far as the overviews need it: the minute in which it is."""
    return [Place(place + 1, run.started_ns + tick * NS // RATE_HZ) for place in range(CHANNELS)]


def _pieces(profile: Profile, ticks: int) -> Iterator[tuple[int, int, int]]:
    """Return pieces of time: the block that takes them, and their first and last tick."""
    size = PIECE_TICKS if profile == "desk" else CARD_TICKS
    for number, first in enumerate(range(0, ticks, size)):
        yield (1 if profile == "desk" else number + 1), first, min(first + size, ticks) - 1


if __name__ == "__main__":
    build_in_bulk(Path(sys.argv[1]), int(float(sys.argv[2])), sys.argv[3] if len(sys.argv) > 3 else "desk")  # type: ignore[arg-type]

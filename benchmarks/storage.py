"""SQLite recordings beside a flat table in the same run: bytes, CPU of a row, and the questions that readers ask.

    python benchmarks/storage.py [ROWS]     # default 1,000,000 rows for the questions

Each row goes through the sink: content, keys, one transaction and one sync per flush. ``wr`` is what is handed to the
operating system, write-ahead log included. The flat table has the twenty columns as text and numbers.
"""

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bulk import build_in_bulk
from figure import ROUNDS, Extent, Figure
from measuring import pin
from msgspec import structs

from riglog.model import NS, Batch, Channel, Run, Sample, Stamp, new_run
from riglog.recordings import read
from riglog.recordings.overview import Bucket
from riglog.sinks import COLUMNS, rows
from riglog.sinks.sqlite.blocks import Profile
from riglog.sinks.sqlite.run_file import RunFile

COST_ROWS = 100_000
SHORT_ROWS = 10_000
BULK_ROWS = 1_000_000
"""From here on the tables are made in bulk (``bulk.py``): the recorder would take hours."""
FLAT_ROWS = 10_000_000
"""A flat table of more rows would fill the disk: the floor is that of so many."""
LONG_SECONDS = 5.0
BUCKETS = 1000
FLAT_BUCKETS = "SELECT min(value), max(value), avg(value) FROM samples WHERE device = 'device3' AND parameter = 'p'"
QUESTIONS = {
    "average of each channel": "SELECT device, parameter, AVG(value) FROM samples GROUP BY device, parameter",
    "newest row of every channel": "SELECT * FROM latest",
    "ten minutes of one channel": (
        "SELECT received_at, value FROM samples WHERE device = 'device3' AND parameter = 'p'"
        " AND received_ns BETWEEN {middle} AND {middle} + 600000000000"
    ),
}
FLAT = {
    "newest row of every channel": "SELECT *, max(received_at) FROM samples GROUP BY device, parameter, instance",
    "ten minutes of one channel": (
        "SELECT received_at, value FROM samples WHERE device = 'device3' AND parameter = 'p'"
        " AND received_at BETWEEN strftime('%Y-%m-%dT%H:%M:%S', {middle} / 1000000000, 'unixepoch')"
        " AND strftime('%Y-%m-%dT%H:%M:%S', {middle} / 1000000000 + 600, 'unixepoch')"
    ),
}


def batches(run: Run, channels: int, rate_hz: int, count: int) -> Iterator[list[Batch]]:
    """Flushes of one second; times and values with the digits that real ones have."""
    named = [
        Channel(device=f"device{n}", driver="d", protocol="x", address=n, parameter="p", unit="degC")
        for n in range(channels)
    ]
    for second in range(count // (channels * rate_hz)):
        yield [
            Batch(
                "port",
                tick,
                [
                    _sample(run, channel, tick * NS // rate_hz + n * 321_987, tick * 7 + n)
                    for n, channel in enumerate(named)
                ],
            )
            for tick in range(second * rate_hz, (second + 1) * rate_hz)
        ]


def _sample(run: Run, channel: Channel, after_ns: int, number: int) -> Sample:
    latency = 8_000_000 + number * 7_919 % 6_000_000
    at = after_ns + latency
    stamp = Stamp(run.started_ns + at, latency, run.anchor_ns + at - latency // 2 + number % 997 * 37)
    return Sample(channel=channel, stamp=stamp, value=round(20 + number % 1013 / 7, 2), unit="degC")


def written() -> int:
    """Bytes that this process has handed to the operating system (Linux)."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def cost(path: Path, channels: int, rate_hz: int, profile: Profile, count: int = COST_ROWS) -> str:
    run = new_run("cost")
    file = RunFile(path, run, durable=True, profile=profile)
    cpu, before = 0.0, written()
    for flush in batches(run, channels, rate_hz, count):
        start = time.process_time()
        file.write(flush, [])
        cpu += time.process_time() - start
    file.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size, handed = path.stat().st_size, written() - before
    file.close()
    return f"{cpu / count * 1e6:.2f} us CPU, {handed / count:.0f} bytes handed over, {size / count:.1f} bytes, per row"


def flat_cost(path: Path, channels: int, rate_hz: int, count: int = COST_ROWS) -> str:
    """The floor: tuples that are ready, by executemany, into a table of numbers in the order of recording."""
    run, cpu, before = new_run("floor"), 0.0, written()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("CREATE TABLE reading (a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f REAL, g INTEGER)")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        for flush in batches(run, channels, rate_hz, count):
            found = [
                (n, batch.tick, sample.stamp.received_ns, sample.stamp.latency_ns, 4321, sample.value, None)
                for batch in flush
                for n, sample in enumerate(batch.samples)
            ]
            start = time.process_time()
            file.execute("BEGIN")
            file.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", found)
            file.execute("COMMIT")
            cpu += time.process_time() - start
    return f"{cpu / count * 1e6:.2f} us CPU, {(written() - before) / count:.0f} bytes handed over, per row"


def timed(path: Path, sql: str) -> float:
    """Seconds of CPU: the median of five, each with a new connection."""

    def ask() -> object:
        with closing(sqlite3.connect(path)) as file:
            return file.execute(sql).fetchall()

    return median_cpu(ask)


def median_cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU: the median of five; once if that takes long."""
    found: list[float] = []
    while len(found) < ROUNDS and sum(found) < LONG_SECONDS:
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return statistics.median(found)


def build(folder: Path, count: int) -> int:
    """Write the same rows into a recording and into a flat table; return the time in their middle."""
    if count >= BULK_ROWS:
        return build_large(folder, count)
    run = new_run("questions")
    file = RunFile(folder / "desk", run, durable=False, profile="desk")
    with closing(sqlite3.connect(folder / "flat", isolation_level=None)) as flat:
        flat.execute("PRAGMA synchronous = OFF")
        flat.execute(f"CREATE TABLE samples ({', '.join(COLUMNS)})")
        for flush in batches(run, 10, 10, count):
            file.write(flush, [])
            flat.execute("BEGIN")
            marks = ", ".join("?" * len(COLUMNS))
            insert = f"INSERT INTO samples VALUES ({marks})"  # noqa: S608 - question marks
            flat.executemany(insert, map(structs.astuple, rows(run.id, flush)))
            flat.execute("COMMIT")
    file.close()
    return run.started_ns + count // 200 * NS


def build_large(folder: Path, count: int) -> int:
    """As ``build``, in bulk: the flat table is what the view of the recording gives."""
    run = build_in_bulk(folder / "desk", count)
    with closing(sqlite3.connect(folder / "flat", isolation_level=None)) as flat:
        flat.execute("PRAGMA journal_mode = OFF")
        flat.execute("PRAGMA synchronous = OFF")
        flat.execute(f"CREATE TABLE samples ({', '.join(COLUMNS)})")
        flat.execute("ATTACH ? AS recording", (str(folder / "desk"),))
        copied = f"INSERT INTO main.samples SELECT {', '.join(COLUMNS)} FROM recording.samples"  # noqa: S608 - names
        for second in range(0, min(count, FLAT_ROWS) // 100 + 1, 1000):
            start = run.started_ns + second * NS
            flat.execute(f"{copied} WHERE received_ns >= ? AND received_ns < ?", (start, start + 1000 * NS))
    return run.started_ns + min(count, FLAT_ROWS) // 200 * NS


def answers(folder: Path, middle: int) -> Iterator[tuple[str, float, float]]:
    """Return each question with the seconds of CPU that the recording and the flat table take for it."""
    for name, sql in QUESTIONS.items():
        took = timed(folder / "desk", sql.format(middle=middle))
        yield name, took, timed(folder / "flat", FLAT.get(name, sql).format(middle=middle))
    seconds = _span(folder / "desk") / BUCKETS
    flat = f"{FLAT_BUCKETS} GROUP BY strftime('%s', received_at) / {max(1, round(seconds))}"
    yield (
        f"{BUCKETS} buckets of one channel",
        median_cpu(lambda: buckets(folder / "desk")),
        timed(folder / "flat", flat),
    )


def buckets(path: Path) -> list[Bucket]:
    return read(path, device="device3").overview(buckets=BUCKETS)


def _span(path: Path) -> float:
    """Return how many seconds were recorded."""
    with closing(sqlite3.connect(path)) as file:
        first, last = file.execute("SELECT min(first_ns), max(last_ns) FROM flush").fetchone()
    return float(last - first) / NS


def figures(extent: Extent) -> Iterator[Figure]:
    for count in (10**exponent for exponent in range(4, 9)):
        if count > (extent.rows if extent.long else SHORT_ROWS):
            break
        with tempfile.TemporaryDirectory() as name:
            middle = build(Path(name), count)
            size = f"{(Path(name) / 'desk').stat().st_size / count:.1f} bytes a row"
            floor_name = "a flat table" if count <= FLAT_ROWS else f"a flat table of {FLAT_ROWS} rows"
            for question, took, floor in answers(Path(name), middle):
                yield Figure(f"{question}, {count} rows", took * 1e3, "ms CPU", floor * 1e3, floor_name, size)


def questions(folder: Path, count: int, say: Callable[[str], None]) -> None:
    for name, took, floor in answers(folder, build(folder, count)):
        say(f"{name}: {took / floor:.4f} of the flat table ({took * 1e3:.1f} ms, {floor * 1e3:.0f} ms)")
    size, flat_size = (os.path.getsize(folder / name) / count for name in ("desk", "flat"))
    say(f"size: {size:.1f} bytes per row; flat {flat_size:.0f}")


def main() -> None:
    pin()
    say = print
    with tempfile.TemporaryDirectory() as name:
        for channels, rate_hz in ((10, 10), (100, 1)):
            floor = flat_cost(Path(name, f"floor{channels}"), channels, rate_hz)
            say(f"{channels} channels at {rate_hz} Hz, floor: {floor}")
            for profile in ("desk", "card"):
                found = cost(Path(name, f"{profile}{channels}"), channels, rate_hz, profile)
                say(f"{channels} channels at {rate_hz} Hz, {profile}: {found}")
        questions(Path(name), int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, say)


if __name__ == "__main__":
    main()

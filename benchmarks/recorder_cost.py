"""Samples into SQLite, CSV and JSON Lines: CPU and bytes per row; and what a whole recording adds to that.

The sink alone is given what waits in batches, about 512 samples at a time. The whole recording has ten channels that
cost nothing to read, at 500 Hz: schedule, summary, buffer, pipe and sink. The floors write the same numbers of columns
without riglog: ``executemany``, ``csv.writer``, the JSON encoder; that of the recording is a loop of sleeps that makes
the same samples and writes them with ``executemany``.
"""

import csv
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio
import msgspec
from figure import Extent, Figure, in_turns
from measuring import pin

from riglog.acquire import ActiveRun, pipe, record
from riglog.device import Pace
from riglog.model import Batch, Channel, Sample, Sink, Stamp, new_run
from riglog.sinks import CsvSink, JsonlSink, SqliteSink
from riglog.sinks.rows import row

CHANNELS = [
    Channel(
        device=f"device{n // 4}",
        driver="driver",
        protocol="protocol",
        address=n,
        parameter=f"parameter{n % 4}",
        unit="degC",
    )
    for n in range(10)
]
ROWS = 20_000
FLUSHED = 510
PERIOD_NS = 100_000_000
RATE_HZ, SECONDS = 500.0, 1.0


def batches(start_ns: int, anchor_ns: int, ticks: range) -> list[Batch]:
    """Ten channels at 10 Hz; times and values with the digits that real ones have."""
    return [
        Batch("port", tick, _samples(start_ns + tick * PERIOD_NS, anchor_ns + tick * PERIOD_NS, tick)) for tick in ticks
    ]


def _samples(received_ns: int, monotonic_ns: int, tick: int) -> Sequence[Sample]:
    return [
        Sample(
            channel=channel,
            stamp=Stamp(received_ns + n * 4_321_987, 4_012_345 + n * 1_001 + tick % 977, monotonic_ns + n * 4_321_987),
            value=20.0 + n + tick % 1013 / 7,
            unit="degC",
        )
        for n, channel in enumerate(CHANNELS)
    ]


async def sink_cost(sink: Sink, rows: int) -> float:
    """Return microseconds of CPU per row."""
    run = new_run("cost")
    ticks, step, cpu = rows // len(CHANNELS), FLUSHED // len(CHANNELS), 0.0
    await sink.open(run)
    for tick in range(0, ticks, step):
        found = batches(run.started_ns, run.anchor_ns, range(tick, min(ticks, tick + step)))
        began = time.process_time()
        await sink.write(found, ())
        cpu += time.process_time() - began
    began = time.process_time()
    await sink.aclose()
    return (cpu + time.process_time() - began) / rows * 1e6


def of_sink(make: Callable[[Path], Sink], path: Path, rows: int) -> float:
    path.unlink(missing_ok=True)
    return anyio.run(sink_cost, make(path), rows)


def executemany(path: Path, rows: int) -> float:
    """Return microseconds of CPU per row of seven numbers, in transactions of as many rows as the sink's."""
    database = table_of_readings(path)
    cpu = 0.0
    for at in range(0, rows, FLUSHED):
        found = [(n % 10, n // 10, n * 4_321_987, n, n % 977, n % 1013 / 7, None) for n in range(at, at + FLUSHED)]
        began = time.process_time()
        insert(database, found)
        cpu += time.process_time() - began
    database.close()
    return cpu / rows * 1e6


def table_of_readings(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE reading (a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f REAL, g INTEGER)")
    return database


def insert(database: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    database.execute("BEGIN")
    database.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    database.execute("COMMIT")


def columns(rows: int) -> list[tuple[object, ...]]:
    """Return rows as tuples of their twenty columns."""
    samples = [sample for batch in batches(0, 0, range(rows // len(CHANNELS))) for sample in batch.samples]
    return [msgspec.structs.astuple(row("run", n // 10, sample)) for n, sample in enumerate(samples)]


def csv_writer(path: Path, rows: int) -> float:
    records = columns(rows)
    began = time.process_time()
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(records)
    return (time.process_time() - began) / rows * 1e6


def json_encoder(path: Path, rows: int) -> float:
    names = [f"column{n}" for n in range(20)]
    records = [dict(zip(names, record, strict=True)) for record in columns(rows)]
    began = time.process_time()
    path.write_bytes(msgspec.json.Encoder().encode_lines(records))
    return (time.process_time() - began) / rows * 1e6


class Ready:
    """A source whose samples are there at once."""

    name = "ready"
    channels = CHANNELS
    pace = Pace.HOST
    rate_hz = None

    async def poll(self) -> Sequence[Sample]:
        return _samples(time.time_ns(), time.monotonic_ns(), 0)


async def recording_cost(path: Path) -> float:
    """Return microseconds of CPU per row while it records, waiting for slots included; without its start and end."""
    seen: list[tuple[float, int]] = []

    async def watch(recording: ActiveRun) -> None:
        for _ in range(2):
            await anyio.sleep(SECONDS * 0.45)
            seen.append((time.process_time(), recording.summary.samples))

    path.unlink(missing_ok=True)  # noqa: ASYNC240
    async with (
        anyio.create_task_group() as tasks,
        record(Ready(), rate_hz=RATE_HZ, duration=SECONDS) as recording,
    ):
        tasks.start_soon(watch, recording)
        await pipe(recording, SqliteSink(path), run=new_run("cost"))
    (cpu, rows), (later, more) = seen
    return (later - cpu) / (more - rows) * 1e6


async def bare_recording(path: Path) -> float:
    """Microseconds of CPU per row of a loop that sleeps, makes the samples, and inserts seven columns of each."""
    database = table_of_readings(path)
    waiting: list[tuple[object, ...]] = []
    ready, rows, cpu, start = Ready(), 0, time.process_time(), anyio.current_time()
    for tick in range(round(RATE_HZ * SECONDS)):
        await anyio.sleep_until(start + tick / RATE_HZ)
        for number, sample in enumerate(await ready.poll()):
            stamp = sample.stamp
            waiting.append((number, tick, stamp.received_ns, stamp.latency_ns, stamp.monotonic_ns, sample.value, None))
        if len(waiting) >= FLUSHED:
            insert(database, waiting)
            rows, waiting = rows + len(waiting), []
    database.close()
    return (time.process_time() - cpu) / rows * 1e6


def figures(extent: Extent) -> Iterator[Figure]:
    pin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores: dict[str, tuple[Callable[[Path], Sink], Callable[[Path, int], float], str]] = {
            "SQLite": (SqliteSink, executemany, "executemany of 7 columns"),
            "CSV": (CsvSink, csv_writer, "csv.writer of 20 columns"),
            "JSON Lines": (JsonlSink, json_encoder, "JSON encoder, 20 columns"),
        }
        for store, (make, floor, floor_name) in stores.items():
            file = folder / f"recording.{store}"
            took, least = in_turns([lambda: of_sink(make, file, ROWS), lambda: floor(folder / "floor", ROWS)])  # noqa: B023
            note = f"{file.stat().st_size / ROWS:.0f} bytes a row"
            yield Figure(f"{store} sink alone", took, "us CPU a row", least, floor_name, note)
        took, least = in_turns(
            [
                lambda: anyio.run(recording_cost, folder / "whole.sqlite"),
                lambda: anyio.run(bare_recording, folder / "bare.sqlite"),
            ]
        )
        yield Figure("whole recording, ten free channels at 500 Hz", took, "us CPU a row", least, "a bare loop")
        for exponent in range(4, 9) if extent.long else ():
            rows = 10**exponent
            if rows <= extent.rows:
                took, least = of_sink(SqliteSink, folder / "large.sqlite", rows), executemany(folder / "floor", rows)
                yield Figure(
                    f"SQLite sink, 10^{exponent} rows", took, "us CPU a row", least, "executemany of 7 columns"
                )

"""Samples into SQLite: CPU and bytes per row, rows per second; and what a whole recording adds to that.

The sink alone is given what waits in batches, about 512 samples at a time. The whole recording has ten channels that
cost nothing to read, at 500 Hz: schedule, summary, buffer, pipe and sink.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
from measuring import ROUNDS, pin

from riglog.acquire import pipe, record
from riglog.device import Pace
from riglog.model import Batch, Channel, Sample, Stamp, new_run
from riglog.sinks import SqliteSink

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
ROWS = 200_000
FLUSHED = 510
PERIOD_NS = 100_000_000
RATE_HZ, SECONDS = 500.0, 2.0


def batches(start_ns: int, anchor_ns: int, rows: int) -> list[Batch]:
    """Ten channels at 10 Hz; times and values with the digits that real ones have."""
    return [
        Batch("port", tick, _samples(start_ns + tick * PERIOD_NS, anchor_ns + tick * PERIOD_NS, tick))
        for tick in range(rows // len(CHANNELS))
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


async def sink_cost(folder: Path) -> tuple[float, float, float]:
    """Microseconds of CPU and bytes per row, rows per second."""
    run = new_run("cost")
    path = folder / "recording.sqlite"
    sink = SqliteSink(path, overwrite=True)
    found = batches(run.started_ns, run.anchor_ns, ROWS)
    step = FLUSHED // len(CHANNELS)
    await sink.open(run)
    cpu, wall = time.process_time(), time.perf_counter()
    for at in range(0, len(found), step):
        await sink.write(found[at : at + step], ())
    await sink.aclose()
    took, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return cpu / ROWS * 1e6, size(path) / ROWS, ROWS / took


def size(path: Path) -> int:
    return path.stat().st_size


class Ready:
    """A source whose samples are there at once."""

    name = "ready"
    channels = CHANNELS
    pace = Pace.HOST
    rate_hz = None

    async def poll(self) -> Sequence[Sample]:
        return _samples(time.time_ns(), time.monotonic_ns(), 0)


async def recording_cost(folder: Path) -> float:
    """Microseconds of CPU per row, waiting for slots included."""
    run = new_run("cost")
    cpu = time.process_time()
    async with record(Ready(), rate_hz=RATE_HZ, duration=SECONDS) as recording:
        await pipe(recording, SqliteSink(folder / "whole.sqlite"), run=run)
    return (time.process_time() - cpu) / recording.summary.samples * 1e6


def main() -> None:
    pin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = [anyio.run(sink_cost, folder) for _ in range(ROUNDS)]
        whole = statistics.median(anyio.run(recording_cost, folder) for _ in range(ROUNDS))
    us, size, rate = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    print(f"sink alone: {us:.2f} us CPU per row, {size:.1f} bytes per row, {rate:,.0f} rows/s")  # noqa: T201
    print(f"whole recording: {whole:.1f} us CPU per row")  # noqa: T201


if __name__ == "__main__":
    main()

"""One hour to one year of recording in virtual time: neither CPU nor memory may grow with what is recorded already.

One device, one slot a minute, all of the recorder with what it watches each second, and a sink that counts. The floor
is the first hour. A year takes minutes of CPU: it is measured with the largest tables only.
"""

import statistics
import time
from collections.abc import Iterator, Sequence

import anyio
from figure import ROUNDS, Extent, Figure
from measuring import resident

from riglog.acquire import pipe, record
from riglog.device import Pace
from riglog.model import Batch, Channel, Event, Run, Sample, Sink, Stamp, new_run
from riglog.testing import LoopClock, virtual_backend

HOUR = 3600.0
TIMES = {
    "an hour": HOUR,
    "six hours": 6 * HOUR,
    "a day": 24 * HOUR,
    "a week": 168 * HOUR,
    "a month": 730 * HOUR,
    "a year": 8766 * HOUR,
}
YEAR_FROM_ROWS = 10**8
RATE_HZ = 1 / 60


class Counting(Sink):
    name = "counting"
    rows = 0

    async def open(self, run: Run) -> None:
        return None

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        self.rows += sum(len(batch.samples) for batch in batches)

    async def aclose(self) -> None:
        return None


class Source:
    """One channel, read at once."""

    name = "source"
    channels = (Channel(device="oven", driver="d", protocol="p", address=1, parameter="value"),)
    pace = Pace.HOST
    rate_hz = None

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock

    async def poll(self) -> Sequence[Sample]:
        stamp = Stamp(self.clock.utc_ns(), 1000, self.clock.monotonic_ns())
        return [Sample(channel=self.channels[0], stamp=stamp, value=20.0, unit=None)]


async def recording(seconds: float) -> float:
    """Return microseconds of CPU for each recorded second."""
    clock, sink = LoopClock(), Counting()
    run = new_run("time", clock)
    began = time.process_time()
    async with record(Source(clock), rate_hz=RATE_HZ, duration=seconds, clock=clock) as active_run:
        await pipe(active_run, sink, run=run, clock=clock)
    assert sink.rows == round(seconds * RATE_HZ)
    return (time.process_time() - began) / seconds * 1e6


def figures(extent: Extent) -> Iterator[Figure]:
    backend, options = virtual_backend("asyncio")
    longest = 6 * HOUR if not extent.long else TIMES["a year" if extent.rows >= YEAR_FROM_ROWS else "a month"]
    first = statistics.median(
        anyio.run(recording, HOUR, backend=backend, backend_options=options) for _ in range(ROUNDS)
    )
    before = resident()
    for name, seconds in TIMES.items():
        if HOUR < seconds <= longest:
            took = anyio.run(recording, seconds, backend=backend, backend_options=options)
            note = f"{resident() - before:+.1f} MB resident"
            yield Figure(
                f"{name} of recording in virtual time", took, "us CPU a recorded second", first, "an hour", note
            )

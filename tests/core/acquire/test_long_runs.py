"""Long recordings: nothing drifts in a week, and memory does not grow in an hour."""

import gc
import sys
from itertools import chain

import anyio
import pytest
from toy import Metronome, Metronomes

from riglog.acquire import AcquisitionSummary, SourceSummary, pipe, record
from riglog.acquire.schedule import Schedule, Slot
from riglog.model import NS, Batch, Channel, Run, Sample, Stamp
from riglog.sinks import MemorySink
from riglog.testing import LoopClock

pytestmark = pytest.mark.slow

WEEK_OF_TICKS = 7 * 86400 * 10


def test_in_a_week_at_ten_hertz_every_slot_is_served_on_time() -> None:
    """The first and the last hour, and every 101st slot between them."""
    schedule, period = Schedule(0, 10.0, ticks=WEEK_OF_TICKS), NS // 10
    hour = 36_000
    for tick in chain(range(hour), range(hour, WEEK_OF_TICKS - hour, 101), range(WEEK_OF_TICKS - hour, WEEK_OF_TICKS)):
        schedule.mark_served(tick - 1)
        assert schedule.next((tick - 1) * period + 20_000_000) == Slot(tick, range(tick, tick))
        assert schedule.latest(tick * period) == tick
    schedule.mark_served(WEEK_OF_TICKS - 1)
    assert schedule.next(WEEK_OF_TICKS * period).tick is None
    assert schedule.due_ns(WEEK_OF_TICKS) == 7 * 86400 * NS


def test_a_summary_is_as_large_after_a_day_as_after_a_minute() -> None:
    summary = AcquisitionSummary(0, 0)
    source = SourceSummary("source", 10.0)
    channel = Channel(device="d", driver="toy", protocol="toy", address=1, parameter="p")
    sizes = []
    for tick in range(864_000):
        if tick % 86_400 == 1_200:
            sizes.append(source.start_delay.bins + len(summary.channels))
        if tick % 100 == 0:
            stamp = Stamp(tick * NS // 10, 2_000_000, tick * NS // 10)
            summary.count(source, Batch("source", tick, [Sample(channel=channel, stamp=stamp, value=1.0, unit=None)]))
        source.start_delay.add(tick % 977 * 1e-6)
    assert len(set(sizes)) == 1


class CountingSink(MemorySink):
    """Counts samples and stores nothing."""

    rows_seen = 0

    async def write(self, batches, events):  # type: ignore[no-untyped-def]
        self.rows_seen += sum(len(batch.samples) for batch in batches)


async def test_an_hour_of_sixty_four_devices_needs_no_more_memory_than_ten_minutes() -> None:
    sixty_four = Metronomes(Metronome(f"d{number}") for number in range(64))
    sink = CountingSink()
    blocks = []

    async def weigh() -> None:
        await anyio.sleep(4.0)
        for _ in range(5):
            await anyio.sleep(83 * 8.0)  # whole slots: always at the same point of one
            gc.collect()
            blocks.append(sys.getallocatedblocks())

    async with (
        record(sixty_four, rate_hz=0.125, duration=3600, clock=LoopClock()) as active_run,  # type: ignore[arg-type]
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(weigh)
        await pipe(active_run, sink, run=Run("r", "r", 0, 0, None, "h", {}), clock=LoopClock())
    assert sink.rows_seen == 64 * 450
    assert max(blocks) - min(blocks) < 1000

"""A device that delivers bursts is recorded: each sample with its own time, each lost one as a row, on both loops."""

import csv
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from riglog import Manager
from riglog.acquire import pipe, record
from riglog.acquire.summary import AcquisitionSummary
from riglog.cli.freshness import Freshness, age_of
from riglog.device import Device, DeviceContext, Pace, burst_samples
from riglog.model import NS, Run, Sample, Stamp, Status
from riglog.plugin import DirectConfig, DirectDriver
from riglog.recordings import GapFinder, export, read
from riglog.sinks import SqliteSink
from riglog.sinks.sqlite import open_recording
from riglog.testing import LoopClock

RATE_HZ, VALUES, LOST = 1000, 100, 40


class Card(Device):
    """Sends 100 values ten times a second, by its own clock; ``losses`` says before which bursts 40 are lost."""

    pace = Pace.DEVICE

    def __init__(self, context: DeviceContext, losses: Sequence[int]) -> None:
        self.name, self.context, self.losses = context.device, context, losses
        self.sent = self.bursts = 0

    async def open(self) -> None:
        self.channels = (self.context.channel("voltage", unit="V"), self.context.channel("current", unit="A"))

    async def poll(self) -> Sequence[Sample]:
        await anyio.sleep(VALUES / RATE_HZ)
        lost = LOST if self.bursts in self.losses else 0
        first = self.sent + lost
        self.sent, self.bursts = first + VALUES, self.bursts + 1
        clock = self.context.clock
        stamp = Stamp(clock.utc_ns(), None, clock.monotonic_ns())
        samples: list[Sample] = []
        for channel in self.channels:
            values = [float(number) for number in range(first, first + VALUES)]
            own_ns = first * NS // RATE_HZ  # since its own start, in 1970
            samples += burst_samples(
                channel, values, stamp, rate_hz=RATE_HZ, unit=channel.unit, own_ns=own_ns, lost=lost
            )
        return samples


class CardDriver(DirectDriver[DirectConfig]):
    name, summary, config = "card", "A card", DirectConfig
    losses: Sequence[int] = ()

    def pace(self, config: DirectConfig) -> Pace:
        return Pace.DEVICE

    async def open(self, config: DirectConfig, context: DeviceContext) -> Card:
        return Card(context, self.losses)


async def recorded(path: Path, clock: LoopClock, losses: Sequence[int] = ()) -> AcquisitionSummary:
    """Record 20 bursts."""
    driver = CardDriver()
    driver.losses = losses
    async with Manager(clock=clock) as rig:
        await rig.add("card", driver=driver)
        async with record(rig, rate_hz=1, duration=2.05, clock=clock) as active_run:
            summary = active_run.summary
            run = Run("r", "r", summary.started_ns, summary.anchor_ns, 1.0, "here", {}, "")
            await pipe(active_run, SqliteSink(path), run=run, clock=clock)
    return summary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


async def test_every_sample_of_a_burst_is_a_row_with_its_own_time(path: Path) -> None:
    summary = await recorded(path, LoopClock())
    assert summary.samples == 2 * 20 * VALUES
    assert summary.samples_missing_or_skipped == 0
    rows = [row for row in read(path) if row.parameter == "voltage"]
    assert [row.value for row in rows] == [float(number) for number in range(20 * VALUES)]
    assert rows[1].midpoint_at == "1970-01-01T00:00:00.001000Z"
    assert {b.monotonic_ns - a.monotonic_ns for a, b in pairwise(rows)} == {NS // RATE_HZ}
    assert len({row.received_at for row in rows}) == 20
    with closing(open_recording(path)) as database:
        assert database.execute("SELECT max(own_ns) FROM reading").fetchone()[0] < 0  # from the time of receipt
        query = "SELECT count(DISTINCT own_ns), min(own_ns), max(own_ns) FROM samples WHERE parameter = 'voltage'"
        assert database.execute(query).fetchone() == (2000, 0, 1999 * NS // RATE_HZ)


async def test_lost_samples_are_counted_and_found_as_gaps(path: Path) -> None:
    summary = await recorded(path, LoopClock(), losses=(3, 11))
    assert summary.samples_missing_or_skipped == 2 * 2 * LOST
    finder = GapFinder()
    gaps = [gap for gap in finder.find(read(path)) if gap.channel.parameter == "voltage"]
    assert [(gap.slots, round(gap.seconds, 3)) for gap in gaps] == [(LOST, LOST / RATE_HZ)] * 2
    assert gaps[0].started_at == "1970-01-01T00:00:00.300000Z"
    shares = {key.parameter: seen.share for key, seen in finder.channels.items()}
    assert shares["voltage"] == pytest.approx(2000 / 2080)
    for channel in summary.channels.values():
        assert channel.longest_gap_s == pytest.approx((LOST + 1) / RATE_HZ, abs=0.06)


async def test_an_export_has_every_sample_long_and_wide(path: Path, tmp_path: Path) -> None:
    """In the wide form a row is one step of the card, not one slot of the run, which would hide 999 of 1000 values."""
    await recorded(path, LoopClock(), losses=(3,))
    long = export(path, tmp_path / "long.csv", format="csv")
    assert long.rows == 2 * (20 * VALUES + LOST)
    wide = export(path, tmp_path / "wide.csv", format="csv", wide=True)
    assert wide.every == 1 / RATE_HZ
    with (tmp_path / "wide.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header[2:] == ["card.voltage[1] [V]", "card.current[1] [A]"]
    numbers = [float(number) for number in range(20 * VALUES + LOST)]
    del numbers[3 * VALUES : 3 * VALUES + LOST]
    assert [float(line[2]) for line in lines if line[2]] == numbers
    assert [line[2] for line in lines] == [line[3] for line in lines]
    seconds = export(path, tmp_path / "slow.csv", format="csv", wide=True, every=1.0)
    assert seconds.rows <= 4


async def test_overviews_count_every_sample(path: Path) -> None:
    await recorded(path, LoopClock(), losses=(3,))
    buckets = [one for one in read(path).overview(buckets=4) if one.parameter == "voltage"]
    assert sum(one.rows for one in buckets) == 20 * VALUES + LOST
    assert sum(one.count for one in buckets) == 20 * VALUES
    assert (buckets[0].first, buckets[-1].last) == (0.0, 20.0 * VALUES + LOST - 1)
    assert min(one.low for one in buckets if one.low is not None) == 0.0


async def test_the_live_table_shows_the_last_sample_and_its_age(path: Path) -> None:
    summary = await recorded(path, LoopClock(), losses=(3,))
    freshness = Freshness({}, summary.anchor_ns)
    for channel, seen in summary.channels.items():
        arrived_ns = seen.last_value_ns
        assert (seen.last_value, seen.status, seen.unit) == (20.0 * VALUES + LOST - 1, Status.OK, channel.unit)
        assert (seen.rows, seen.rows_without_value) == (20 * VALUES + LOST, LOST)
        assert age_of(seen, arrived_ns + NS // 10) == 0.1  # the last value is as old as its burst
        assert not freshness.is_old(channel, seen, arrived_ns + NS // 10)


async def test_a_clock_that_steps_neither_loses_nor_reorders_a_sample(path: Path) -> None:
    class Stepping(LoopClock):
        """The UTC clock of the computer is set back by an hour after a second."""

        def utc_ns(self) -> int:
            now = super().utc_ns()
            return now - 3600 * NS if anyio.current_time() - self.began > 1.0 else now

        def __init__(self) -> None:
            self.began = anyio.current_time()

    summary = await recorded(path, Stepping())
    assert summary.samples == 2 * 20 * VALUES
    rows = [row for row in read(path) if row.parameter == "current"]
    assert [row.value for row in rows] == [float(number) for number in range(20 * VALUES)]
    assert {b.monotonic_ns - a.monotonic_ns for a, b in pairwise(rows)} == {NS // RATE_HZ}

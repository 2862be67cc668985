"""Recording: every due slot is a row, sources do not wait for each other, and a stop keeps what was taken."""

import asyncio
import gc
import math

import anyio
import pytest
from msgspec import structs
from toy import Metronome

from riglog.acquire import Overflow, record
from riglog.acquire.source_task import SLOW_SINKS
from riglog.errors import ConfigError
from riglog.model import NS, Batch, EventKind, Run, Sample, Status
from riglog.testing import LoopClock


async def all_of(active_run: object) -> list[Batch]:
    return [batch async for batch in active_run.stream]  # type: ignore[attr-defined]


async def test_sixty_seconds_at_ten_hertz_are_six_hundred_slots() -> None:
    source = Metronome(channels=3)
    async with record(source, rate_hz=10, duration=60, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(600))
    assert (active_run.summary.samples, active_run.summary.slots_skipped) == (1800, 0)


async def test_slots_fall_on_the_grid_and_nothing_drifts() -> None:
    source = Metronome(seconds=0.03)
    async with record(source, rate_hz=10, duration=30, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    times = [batch.samples[0].stamp.monotonic_ns for batch in batches]
    assert {round((time - times[0]) / 1e6) % 100 for time in times} == {0}


async def test_a_slow_source_has_its_skipped_slots_as_rows_of_status_skipped() -> None:
    source = Metronome(seconds=0.25)
    async with record(source, rate_hz=10, duration=2, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(20))
    skipped = [batch.tick for batch in batches if batch.samples[0].status is Status.SKIPPED]
    reasons = {sample.error for batch in batches for sample in batch.samples if batch.tick in skipped}
    assert reasons == {"slot skipped: the previous poll overran"}
    assert len(skipped) == active_run.summary.slots_skipped == 12
    assert all(batch.samples[0].value is None for batch in batches if batch.tick in skipped)


class Rig:
    """Sources side by side, as a Manager has them."""

    closed = False

    def __init__(self, *sources: Metronome) -> None:
        self.members = list(sources)
        self._changed = anyio.Event()

    def sources(self, names: object = None) -> list[Metronome]:
        return self.members

    def subscribe(self, listener: object) -> object:
        return lambda: None

    async def changed(self) -> None:
        await self._changed.wait()

    def change(self, *sources: Metronome) -> None:
        self.members = list(sources)
        self._changed.set()
        self._changed = anyio.Event()


async def test_a_slow_source_costs_the_others_nothing() -> None:
    rig = Rig(Metronome("quick"), Metronome("slow", seconds=5.0))
    async with record(rig, rate_hz=10, duration=20, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    quick = active_run.summary.sources["quick"]
    assert (quick.slots_polled, quick.slots_skipped) == (200, 0)
    assert sum(batch.source == "slow" for batch in batches) == 200


async def test_a_source_may_have_a_rate_of_its_own() -> None:
    rig = Rig(Metronome("usual"), Metronome("fast", rate_hz=50))
    async with record(rig, rate_hz=2, duration=10, clock=LoopClock()) as active_run:
        await all_of(active_run)
    assert {name: source.slots_polled for name, source in active_run.summary.sources.items()} == {
        "usual": 20,
        "fast": 500,
    }


async def test_sources_may_be_added_and_removed_during_a_run() -> None:
    first, second = Metronome("first"), Metronome("second")
    rig = Rig(first)
    seen: list[Batch] = []

    async def take() -> None:
        async for batch in active_run.stream:
            seen.append(batch)

    async with (
        record(rig, rate_hz=10, duration=10, clock=LoopClock()) as active_run,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(take)
        await anyio.sleep(3.05)
        rig.change(first, second)
        await anyio.sleep(3)
        rig.change(second)
    ticks = {name: [batch.tick for batch in seen if batch.source == name] for name in ("first", "second")}
    assert ticks["first"] == list(range(61))
    assert ticks["second"] == list(range(31, 100))


async def test_stop_ends_the_stream_after_the_polls_that_are_under_way() -> None:
    source = Metronome(seconds=0.05)
    async with record(source, rate_hz=10, clock=LoopClock()) as active_run:
        seen = []
        async for batch in active_run.stream:
            seen.append(batch.tick)
            if batch.tick == 7:
                active_run.stop()
    assert seen[:8] == list(range(8))
    assert source.polls == len(seen) <= 9


@pytest.mark.slow
async def test_memory_stays_bounded_when_no_batches_are_taken() -> None:
    source = Metronome()
    async with record(
        source, rate_hz=100, duration=100, overflow=Overflow.DROP_OLDEST, buffer_size=10, clock=LoopClock()
    ) as active_run:
        await anyio.sleep(101)
        kept = [batch.tick for batch in active_run.stream.drain()]
    assert kept == list(range(9990, 10000))
    assert active_run.summary.samples_dropped == 9990


async def test_a_clock_that_is_set_is_an_event() -> None:
    clock = LoopClock()
    async with record(Metronome(clock=clock), rate_hz=1, duration=10, clock=clock) as active_run:
        await anyio.sleep(5.5)
        clock.step_ns = 3_600_000_000_000
        await all_of(active_run)
    assert [event.message for event in active_run.events[1:]] == [
        "system clock (UTC) stepped by +3600.000 s: the computer was suspended, or its clock was set;"
        " slots in between have no rows"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_hz": 0},
        {"rate_hz": math.inf},
        {"rate_hz": math.nan},
        {"rate_hz": -1},
        {"rate_hz": 1, "duration": 0},
        {"rate_hz": 1, "buffer_size": 0},
    ],
)
async def test_arguments_out_of_range_are_refused_before_anything_is_polled(wrong: dict[str, float]) -> None:
    source = Metronome()
    with pytest.raises(ConfigError, match="greater than 0"):
        async with record(source, clock=LoopClock(), **wrong):  # type: ignore[arg-type]
            pass
    assert source.polls == 0


async def test_a_resumed_run_keeps_the_numbers_and_times_of_its_slots() -> None:
    clock = LoopClock()
    run = Run("kiln.1", "kiln", clock.utc_ns(), clock.monotonic_ns(), 10.0, "host", {})
    await anyio.sleep(7.05)
    async with record(Metronome(), rate_hz=10, duration=3, resumed_from=run, clock=clock) as active_run:
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(71, 101))
    assert active_run.events[0].message == "run resumed 7.050 s after its start; samples due in between are missing"


async def test_the_garbage_collector_does_not_traverse_what_existed_at_the_start() -> None:
    assert gc.get_freeze_count() == 0
    async with record(Metronome(), rate_hz=10, duration=1, clock=LoopClock()) as active_run:
        assert gc.get_freeze_count() > 10_000
        async for _ in active_run.stream:
            pass
    assert gc.get_freeze_count() == 0


async def test_the_time_a_source_was_busy_is_measured() -> None:
    async with record(Metronome(seconds=0.025), rate_hz=10, duration=10, clock=LoopClock()) as active_run:
        async for _ in active_run.stream:
            pass
    summary = active_run.summary.sources["metronome"].as_dict()
    assert summary["busy_s"] == pytest.approx(100 * 0.025)
    assert summary["poll_p50_s"] == pytest.approx(0.025, rel=0.05)


class Slow(Metronome):
    """Every poll takes 1.55 seconds."""

    def __init__(self) -> None:
        super().__init__("slow", seconds=1.55)


@pytest.mark.parametrize("stop_after", [0.31, 1.0, 1.56, 3.2])
async def test_every_slot_that_was_due_before_a_stop_has_one_row(stop_after: float) -> None:
    async with record(Slow(), rate_hz=10, clock=LoopClock()) as active_run:
        await anyio.sleep(stop_after)
        active_run.stop()
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(int(stop_after * 10 + 1e-6) + 1))
    assert active_run.summary.samples == len(batches)


async def test_a_poll_that_is_cancelled_after_a_stop_leaves_a_row() -> None:
    async with record(Metronome(seconds=60), rate_hz=1, clock=LoopClock()) as active_run:
        await anyio.sleep(2.5)
        active_run.stop()
        batches = await all_of(active_run)
    assert [(batch.tick, batch.samples[0].status, batch.samples[0].error) for batch in batches] == [
        (0, Status.MISSING, "no value: the poll was cancelled when polling stopped"),
        (1, Status.SKIPPED, "slot skipped: the previous poll overran"),
        (2, Status.SKIPPED, "slot skipped: polling stopped before it was served"),
    ]


@pytest.mark.parametrize(
    "error",
    [SystemExit(3), asyncio.CancelledError(), BaseExceptionGroup("two", [asyncio.CancelledError(), KeyError()])],
)
async def test_a_source_without_a_manager_that_raises_the_end_of_a_task_has_missing_rows(error: BaseException) -> None:
    class Failing(Metronome):
        async def poll(self) -> list[Sample]:
            raise error

    async with record(Failing(), rate_hz=10, duration=1, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    assert [(batch.tick, batch.samples[0].status) for batch in batches] == [(n, Status.MISSING) for n in range(10)]
    assert [event.kind for event in active_run.events[1:]] == [EventKind.DRIVER_FAILED]


async def test_slots_due_while_no_batches_are_taken_have_their_rows_after_a_stop() -> None:
    async with record(Metronome(), rate_hz=10, buffer_size=4, clock=LoopClock()) as active_run:
        await anyio.sleep(5.05)
        active_run.stop()
        await anyio.sleep(10)
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(51))


async def test_a_source_that_is_removed_and_added_again_has_no_slot_twice() -> None:
    source, other = Metronome("one"), Metronome("other")
    rig = Rig(source, other)
    seen: list[int | None] = []

    async def take() -> None:
        async for batch in active_run.stream:
            if batch.source == "one":
                seen.append(batch.tick)

    async with record(rig, rate_hz=1, duration=6, clock=LoopClock()) as active_run, anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.sleep(2.2)
        rig.change(other)
        await anyio.sleep(0.2)
        rig.change(source, other)
    assert seen == [0, 1, 2, 3, 4, 5]


async def test_of_two_active_runs_the_last_one_releases_the_garbage_collector() -> None:
    async with record(Metronome(), rate_hz=1, duration=9, clock=LoopClock()):
        async with record(Metronome(), rate_hz=1, duration=1, clock=LoopClock()) as inner:
            await all_of(inner)
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


async def test_a_run_is_not_resumed_at_another_rate() -> None:
    run = Run("kiln.1", "kiln", 0, 0, 10.0, "host", {})
    with pytest.raises(ConfigError, match="cannot resume at 1 Hz: the run was recorded at 10 Hz"):
        async with record(Metronome(), rate_hz=1, resumed_from=run, clock=LoopClock()):
            pass


async def test_skipped_slots_are_reported_once_a_minute_and_stamped_with_the_time_they_were_due() -> None:
    clock = LoopClock()
    async with record(Metronome(seconds=0.25), rate_hz=10, duration=150, clock=clock) as active_run:
        batches = await all_of(active_run)
    messages = [event.message for event in active_run.events if event.kind is EventKind.SLOTS_SKIPPED]
    assert len(messages) == 3
    assert messages[0] == "metronome: slots skipped so far: 1"
    start = active_run.summary.anchor_ns
    skipped = [batch for batch in batches if batch.samples[0].status is Status.SKIPPED]
    assert skipped
    for batch in skipped:
        assert batch.tick is not None
        assert batch.samples[0].stamp.monotonic_ns - start == batch.tick * 100_000_000


async def test_samples_dropped_by_the_overflow_are_reported() -> None:
    async with record(
        Metronome(), rate_hz=10, duration=5, overflow=Overflow.DROP_NEWEST, buffer_size=4, clock=LoopClock()
    ) as active_run:
        await anyio.sleep(6)
    (event,) = [event for event in active_run.events if event.kind is EventKind.SAMPLES_DROPPED]
    assert event.message == "1 samples dropped so far: the sinks are slower than polling"


class Hanging(Metronome):
    """The polls with these numbers, counted from 1, do not return, or only after ``seconds``."""

    def __init__(self, *polls: int, seconds: float = math.inf, rate_hz: float | None = None) -> None:
        super().__init__("hanging", rate_hz=rate_hz)
        self.hanging = polls
        self.hang_s = seconds

    async def poll(self) -> list[Sample]:
        if self.polls + 1 in self.hanging:
            self.polls += 1
            await (anyio.sleep_forever() if self.hang_s == math.inf else anyio.sleep(self.hang_s))
            self.polls -= 1
        return await super().poll()


@pytest.mark.parametrize("group", [True, False], ids=["in a group", "alone"])
async def test_the_duration_ends_a_recording_whose_source_hangs(group: bool) -> None:
    clock = LoopClock()
    source = Hanging(31)
    async with record(Rig(source) if group else source, rate_hz=10, duration=20, clock=clock) as active_run:
        batches = await all_of(active_run)
    assert clock.monotonic_ns() - active_run.summary.anchor_ns == 22_000_000_000
    assert [batch.tick for batch in batches] == list(range(200))
    reasons = [batch.samples[0].error for batch in batches]
    assert reasons[:30] == [None] * 30
    assert reasons[30] == "no value: the poll has not returned"
    assert set(reasons[31:]) == {"slot skipped: the previous poll has not returned"}


async def test_a_reader_sees_a_hang_while_it_lasts_and_no_other_source_is_affected() -> None:
    other, seen = Metronome("other"), []

    async def take() -> None:
        async for batch in active_run.stream:
            seen.append(batch)

    async with (
        record(Rig(Hanging(31), other), rate_hz=10, duration=60, clock=LoopClock()) as active_run,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(take)
        await anyio.sleep(30.05)
        hanging = [batch for batch in seen if batch.source == "hanging"]
        assert hanging[-1].tick in range(288, 300)
        assert [batch.tick for batch in hanging] == list(range(len(hanging)))
        messages = [event.message for event in active_run.events if event.kind is EventKind.SLOTS_SKIPPED]
        assert messages[0] == "hanging: a poll has not returned for 10 s; slots are skipped until it returns"
    values = [batch.tick for batch in seen if batch.source == "other" and batch.samples[0].value is not None]
    assert values == list(range(600))


async def test_what_a_hanging_poll_returns_later_is_not_recorded_and_polling_goes_on() -> None:
    async with record(Hanging(31, seconds=25), rate_hz=10, duration=60, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(600))
    with_value = [batch.tick for batch in batches if batch.samples[0].value is not None]
    assert with_value == [*range(30), *range(280, 600)]
    messages = [event.message for event in active_run.events if "returned after" in event.message]
    assert messages == ["hanging: the poll returned after 25 s; its values are not recorded, because its slot is over"]


async def test_a_source_that_is_always_slow_does_not_hang() -> None:
    """Its first poll is taken for one that hangs; from then on its time is known."""
    async with record(Metronome(seconds=25), rate_hz=1, duration=200, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    with_value = [batch.tick for batch in batches if batch.samples[0].value is not None]
    assert with_value == [25, 50, 75, 100, 125, 150, 175]
    assert sum("has not returned" in event.message for event in active_run.events) == 1


async def test_a_poll_that_takes_longer_than_ten_seconds_within_its_slot_does_not_hang() -> None:
    async with record(Metronome(seconds=50), rate_hz=1 / 60, duration=180, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    assert [batch.samples[0].value for batch in batches] == [1.0, 2.0, 3.0]


class Deaf(Metronome):
    """A poll that ignores its cancellation, as one in a worker thread does."""

    async def poll(self) -> list[Sample]:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(100)
        return await super().poll()


async def test_the_stream_ends_also_if_a_poll_cannot_be_cancelled() -> None:
    clock = LoopClock()
    async with record(Deaf(), rate_hz=1, duration=5, clock=clock) as active_run:
        batches = await all_of(active_run)
        assert clock.monotonic_ns() - active_run.summary.anchor_ns == 7_000_000_000
    assert [batch.tick for batch in batches] == list(range(5))
    assert len(active_run.stream) == 0, "what the poll returns later is not recorded"


async def test_the_clock_of_a_run_starts_when_the_block_waits_for_the_first_time() -> None:
    """What the block does before that, and the collection of garbage, costs no slot."""

    class Busy(LoopClock):
        busy_ns = 0

        def monotonic_ns(self) -> int:
            return super().monotonic_ns() + self.busy_ns

    clock = Busy()
    async with record(Metronome(clock=clock), rate_hz=10, duration=3, clock=clock) as active_run:
        clock.busy_ns += 2_000_000_000  # work without waiting
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(30))
    assert {batch.samples[0].status for batch in batches} == {Status.OK}


async def test_a_computer_that_was_busy_has_that_reason() -> None:
    class Busy(LoopClock):
        busy_ns = 0

        def monotonic_ns(self) -> int:
            return super().monotonic_ns() + self.busy_ns

    clock = Busy()
    async with record(Metronome(clock=clock), rate_hz=10, duration=3, clock=clock) as active_run:
        await anyio.sleep(1.05)
        clock.busy_ns += 500_000_000
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(30))
    skipped = [(batch.tick, batch.samples[0].error) for batch in batches if batch.samples[0].value is None]
    assert skipped == [(tick, "slot skipped: the computer was busy or stopped") for tick in range(11, 16)]


async def test_a_channel_that_is_added_during_a_slow_poll_has_the_slots_from_then_on() -> None:
    """And one that is removed has the row of the poll in progress, and none later."""
    source = Metronome("port", channels=2, seconds=2.5)
    first, second = source.channels
    rig, seen = Rig(source), []

    async def take() -> None:
        async for batch in active_run.stream:
            seen.append((batch.tick, [sample.channel.parameter for sample in batch.samples]))

    async with record(rig, rate_hz=2, duration=6, clock=LoopClock()) as active_run, anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.sleep(1.2)
        source.channels = [second]
        rig.change(source)
        await anyio.sleep(0.5)
        source.channels = [first, second]
        rig.change(source)
    without_first = [tick for tick, parameters in seen if parameters == ["p1"]]
    assert without_first == [3]
    assert [tick for tick, _ in seen] == list(range(12))


async def test_after_a_suspend_slots_keep_their_times_and_the_longest_gap_includes_it() -> None:
    clock, source = LoopClock(), Metronome()
    source.clock = clock
    async with record(source, rate_hz=2, duration=20, clock=clock) as active_run:
        await anyio.sleep(10.2)
        clock.step_ns += 3600 * NS
        batches = await all_of(active_run)
    ticks = [batch.tick for batch in batches]
    assert ticks == [*range(21), *range(7221, 7240)]
    for batch in batches:
        assert batch.tick is not None
        late_s = (batch.samples[0].stamp.received_ns - active_run.summary.started_ns) / NS - batch.tick / 2
        assert late_s == pytest.approx(0, abs=1e-6)
    (channel,) = active_run.summary.channels.values()
    assert channel.longest_gap_s == pytest.approx(3600.5)


async def test_a_clock_that_is_set_back_and_forward_again_moves_no_slot() -> None:
    clock = LoopClock()
    async with record(Metronome(clock=clock), rate_hz=2, duration=20, clock=clock) as active_run:
        await anyio.sleep(5.2)
        clock.step_ns -= 3600 * NS
        await anyio.sleep(5)
        clock.step_ns += 3600 * NS
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == list(range(40))
    assert [event.message for event in active_run.events if event.kind is EventKind.CLOCK_STEP] == [
        "system clock (UTC) stepped by -3600.000 s",
        "system clock (UTC) stepped by +3600.000 s",
    ]


async def test_a_clock_that_drifts_has_not_stepped() -> None:
    class Drifting(LoopClock):
        def utc_ns(self) -> int:
            return super().utc_ns() + self.monotonic_ns() // 1000

    async with record(Metronome(), rate_hz=2, duration=2000, clock=Drifting()) as active_run:
        await all_of(active_run)
    assert not [event for event in active_run.events if event.kind is EventKind.CLOCK_STEP]


async def test_a_run_that_starts_in_the_future_is_not_resumed() -> None:
    clock = LoopClock()
    run = Run("kiln.1", "kiln", clock.utc_ns() + 60 * NS, 0, 10.0, "host", {})
    with pytest.raises(ConfigError, match="is behind the start of the run"):
        async with record(Metronome(), rate_hz=10, resumed_from=run, clock=clock):
            pass


async def test_a_slot_that_is_due_earlier_after_a_suspend_is_polled_then() -> None:
    clock, source = LoopClock(), Metronome()
    source.clock = clock
    async with record(source, rate_hz=1 / 60, duration=100, clock=clock) as active_run:
        await anyio.sleep(10.2)
        clock.step_ns += 30 * NS
        batches = await all_of(active_run)
    assert [batch.tick for batch in batches] == [0, 1, 2]
    times = [(batch.samples[0].stamp.received_ns - active_run.summary.started_ns) / NS for batch in batches]
    assert times == pytest.approx([0, 60, 120])


async def test_a_slot_that_was_due_before_a_suspend_has_its_row_although_the_sinks_were_slow() -> None:
    clock, source = LoopClock(), Metronome()
    source.clock = clock
    async with record(source, rate_hz=0.1, duration=100, buffer_size=1, clock=clock) as active_run:
        await anyio.sleep(35)  # slots 0 and 1 fill the stream, slots 2 and 3 wait
        clock.step_ns += 60 * NS
        await anyio.sleep(5)
        batches = await all_of(active_run)
    ticks = [batch.tick for batch in batches]
    assert ticks == [0, 1, 2, 3, *range(10, 16)]
    waited = [sample for batch in batches for sample in batch.samples if batch.tick in (2, 3)]
    assert {(sample.status, sample.error) for sample in waited} == {(Status.SKIPPED, SLOW_SINKS)}


async def test_a_slot_that_was_due_before_the_clock_was_set_has_the_time_of_then() -> None:
    """It waited for slow sinks meanwhile. The clock was set back before, so that this is no suspend."""
    clock, source = LoopClock(), Metronome()
    source.clock = clock
    async with record(source, rate_hz=0.1, duration=60, buffer_size=1, clock=clock) as active_run:
        await anyio.sleep(1)
        clock.step_ns -= 3600 * NS
        await anyio.sleep(34)  # slots 0 and 1 fill the stream, slots 2 and 3 wait
        clock.step_ns += 60 * NS
        await anyio.sleep(5)
        batches = await all_of(active_run)
    stamps = {batch.tick: batch.samples[0].stamp.received_ns - active_run.summary.started_ns for batch in batches}
    assert [stamps[tick] / NS for tick in (2, 3)] == pytest.approx([20 - 3600, 30 - 3600])


class Panel(Metronome):
    """Its unit is what is next in ``units``; each is used once, the last one again and again."""

    def __init__(self, *units: str | None, channels: int = 1) -> None:
        super().__init__(channels=channels)
        self.units = units

    async def poll(self) -> list[Sample]:
        unit = self.units[min(self.polls, len(self.units) - 1)]
        return [structs.replace(sample, unit=unit) for sample in await super().poll()]


async def units_reported(*units: str | None) -> list[str]:
    """Return the events about units; every row has its own unit."""
    async with record(Panel(*units), rate_hz=10, duration=10, clock=LoopClock()) as active_run:
        batches = await all_of(active_run)
    assert [batch.samples[0].unit for batch in batches] == [*units, *units[-1:] * (100 - len(units))]
    assert {batch.samples[0].status for batch in batches} == {Status.OK}
    changes = [event for event in active_run.events if event.kind is EventKind.UNIT_CHANGED]
    assert {event.device for event in changes} <= {"metronome"}
    return [event.message.removeprefix("metronome.p0: unit changed from ") for event in changes]


async def test_a_change_of_unit_is_one_event() -> None:
    assert await units_reported("V") == []
    assert await units_reported("V", "mV") == ["V to mV"]
    assert await units_reported("V", "V", "mV", "mV", "V") == ["V to mV", "mV to V"]


async def test_channels_of_a_device_that_change_together_are_one_event() -> None:
    async with record(Panel("V", "mV", channels=2), rate_hz=10, duration=1, clock=LoopClock()) as active_run:
        await all_of(active_run)
    (change,) = (event.message for event in active_run.events if event.kind is EventKind.UNIT_CHANGED)
    assert change == "metronome.p0: unit changed from V to mV; metronome.p1: unit changed from V to mV"


async def test_an_unknown_unit_is_no_change() -> None:
    assert await units_reported("V", None, "V", "", "V") == []
    assert await units_reported("V", None, "mV") == ["V to mV"]


async def test_units_that_change_all_the_time_are_reported_until_it_is_known() -> None:
    reported = await units_reported(*["V", "mV"] * 40)
    assert len(reported) == 20
    assert reported[-2:] == ["V to mV", "mV to V; further changes of it are not reported"]

"""Piping into sinks: by size, by time, with sinks that fail, and without losing received samples."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest
from toy import Metronome

from riglog.acquire import ActiveRun, SamplesLostError, open_sinks, pipe, record
from riglog.device import Pace
from riglog.errors import StorageError
from riglog.model import Batch, Channel, Event, EventKind, Run, Sample, Sink, Stamp
from riglog.sinks import MemorySink
from riglog.testing import LoopClock


class MoodySink(MemorySink):
    """Fails while ``failing``; takes ``seconds`` for each write; keeps the size of each write in ``sizes``."""

    name = "moody"

    def __init__(self, *, seconds: float = 0.0, failing: bool = False) -> None:
        super().__init__()
        self.seconds = seconds
        self.failing = failing
        self.sizes: list[int] = []

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        await anyio.sleep(self.seconds)
        if self.failing:
            raise StorageError("disk full")
        self.sizes.append(sum(len(batch.samples) for batch in batches))
        await super().write(batches, events)


@pytest.fixture
def run() -> Run:
    return Run("test", "test", 0, 0, None, "host", {})


async def record_into(run: Run, *sinks: Sink, rate_hz: float = 10, duration: float = 10, **options: Any) -> ActiveRun:
    async with record(Metronome(channels=2), rate_hz=rate_hz, duration=duration, clock=LoopClock()) as active_run:
        await pipe(active_run, *sinks, run=run, clock=LoopClock(), **options)
    return active_run


async def test_everything_recorded_is_in_the_sink_with_the_events_around_it(run: Run) -> None:
    sink = MemorySink()
    await record_into(run, sink)
    assert [batch.tick for batch in sink.batches] == list(range(100))
    assert [event.kind for event in sink.events] == [EventKind.RUN_STARTED, EventKind.RUN_FINISHED]
    assert sink.events[1].message == "run finished: 200 samples, 0 missing or skipped, 0 slots skipped"
    assert sink.closed


async def test_a_warning_of_the_check_is_in_the_result_and_no_event(run: Run) -> None:
    sink = MemorySink()
    sink.warning = "the password crosses the network without encryption"  # the user has seen it
    async with record(Metronome(channels=2), rate_hz=10, duration=10, clock=LoopClock()) as active_run:
        (result,) = await pipe(active_run, sink, run=run, clock=LoopClock())
    assert result.warning == "the password crosses the network without encryption"
    assert [event.kind for event in sink.events] == [EventKind.RUN_STARTED, EventKind.RUN_FINISHED]


async def test_a_sink_writes_when_there_are_enough_samples(run: Run) -> None:
    sink = MoodySink()
    await record_into(run, sink, rate_hz=100, batch_size=64, flush_interval=60)
    assert set(sink.sizes[:-1]) == {64}


async def test_a_sink_writes_when_time_is_up(run: Run) -> None:
    sink = MoodySink()
    await record_into(run, sink, rate_hz=2, batch_size=10_000, flush_interval=1.0)
    assert len(sink.sizes) >= 9


async def test_a_failing_sink_does_not_stop_the_others_and_loses_nothing_when_it_recovers(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    healthy, moody = MemorySink(), MoodySink(failing=True)

    async def repair() -> None:
        await anyio.sleep(6)
        assert healthy.batches
        moody.failing = False

    with caplog.at_level(logging.INFO, "riglog.acquire"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(repair)
            await record_into(run, healthy, moody)
    assert len(healthy.samples) == len(moody.samples) == 200
    assert [batch.tick for batch in moody.batches] == list(range(100))
    failures = [event for event in healthy.events if event.kind in (EventKind.SINK_FAILED, EventKind.SINK_RECOVERED)]
    assert [(event.kind, event.message) for event in failures] == [
        (EventKind.SINK_FAILED, "sink moody: write failed: disk full; samples are buffered in memory"),
        (EventKind.SINK_RECOVERED, "sink moody: writing again; all buffered samples stored, 0 lost"),
    ]
    assert [(entry.levelname, entry.message) for entry in caplog.records] == [
        ("WARNING", failures[0].message),
        ("INFO", failures[1].message),
    ]


async def test_a_sink_that_fails_to_the_end_says_how_many_samples_were_lost(run: Run) -> None:
    healthy, moody = MemorySink(), MoodySink(failing=True)
    with pytest.raises(StorageError, match="moody: 200 samples lost, last error: disk full"):
        await record_into(run, healthy, moody)
    assert len(healthy.samples) == 200
    assert healthy.closed


async def test_when_no_sink_can_store_and_the_buffer_is_full_the_recording_stops(run: Run) -> None:
    moody = MoodySink(failing=True)
    with pytest.raises(StorageError, match="samples lost"):
        await record_into(run, moody, duration=1e6, buffer_size=50)


async def test_a_sink_that_lost_samples_and_writes_again_keeps_the_recording_going(run: Run) -> None:
    recovered, broken = MoodySink(failing=True), MoodySink()

    async def change() -> None:
        await anyio.sleep(6)
        recovered.failing = False
        await anyio.sleep(1)
        broken.failing = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(change)
        with pytest.raises(StorageError, match="samples lost"):
            await record_into(run, recovered, broken, duration=20, buffer_size=50)
    assert recovered.batches[-1].tick == 199


async def test_samples_that_did_not_fit_into_the_buffer_are_in_the_event_of_the_recovery(run: Run) -> None:
    moody = MoodySink(failing=True)

    async def repair() -> None:
        await anyio.sleep(6)
        moody.failing = False

    healthy = MemorySink()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(repair)
        with pytest.raises(StorageError, match="samples lost"):
            await record_into(run, healthy, moody, buffer_size=50)
    (recovered,) = [event for event in healthy.events if event.kind is EventKind.SINK_RECOVERED]
    assert recovered.message.endswith(f"all buffered samples stored, {200 - len(moody.samples)} lost")
    assert len(moody.samples) < 200


async def test_a_slow_sink_slows_the_recording_down_but_loses_nothing(run: Run) -> None:
    slow = MoodySink(seconds=3.0)
    active_run = await record_into(run, slow, rate_hz=100, duration=30, batch_size=1, buffer_size=100)
    assert len(slow.samples) == active_run.summary.samples == 6000
    reasons = {sample.error for sample in slow.samples if sample.value is None}
    assert reasons == {"slot skipped: the sinks are slower than polling"}


@pytest.mark.parametrize("after", [0.35, 1.7, 2.0, 4.999])
async def test_a_cancel_stores_as_many_rows_as_samples_were_taken(run: Run, after: float) -> None:
    sink = MoodySink(seconds=0.5)
    with anyio.move_on_after(after):
        async with record(Metronome(channels=20), rate_hz=10, clock=LoopClock()) as active_run:
            await pipe(active_run, sink, run=run, flush_interval=10, clock=LoopClock())
    assert len(sink.samples) == active_run.summary.samples > 0
    assert sink.closed


class TwoStepSink(MemorySink):
    """Stores the first half of a write, waits, then stores the second: a cancellation in between would tear it."""

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        half = len(batches) // 2
        await super().write(batches[:half], ())
        await anyio.sleep(0.5)
        await super().write(batches[half:], events)


@pytest.mark.parametrize("after", [1.2, 2.7, 3.1])
async def test_a_write_in_progress_is_finished_when_the_run_is_cancelled(run: Run, after: float) -> None:
    sink = TwoStepSink()
    with anyio.move_on_after(after):
        async with record(Metronome(), rate_hz=10, clock=LoopClock()) as active_run:
            await pipe(active_run, sink, run=run, flush_interval=1, clock=LoopClock())
    assert [batch.tick for batch in sink.batches] == list(range(int(after * 10 + 1e-6) + 1))
    kinds = [event.kind for event in sink.events]
    assert kinds == [EventKind.RUN_STARTED, EventKind.RUN_FINISHED]


async def test_a_cancel_also_stores_what_a_slow_sink_left_in_the_stream(run: Run) -> None:
    sink, in_stream = MoodySink(seconds=3.0), 0

    async with anyio.create_task_group() as tasks:
        async with record(Metronome(channels=20), rate_hz=10, clock=LoopClock()) as active_run:

            async def interrupt() -> None:
                nonlocal in_stream
                await anyio.sleep(2.55)
                in_stream = len(active_run.stream)
                tasks.cancel_scope.cancel()

            tasks.start_soon(interrupt)
            await pipe(active_run, sink, run=run, batch_size=1, buffer_size=40, clock=LoopClock())
    assert in_stream > 10
    assert len(sink.samples) == active_run.summary.samples == 26 * 20


async def test_a_sink_that_cannot_be_opened_is_an_error_and_the_others_are_closed(run: Run) -> None:
    class Closed(MemorySink):
        async def open(self, run: Run) -> None:
            raise StorageError("directory not found")

    opened = MemorySink()
    with pytest.raises(StorageError, match="directory not found"):
        async with record(Metronome(), rate_hz=1, duration=1, clock=LoopClock()) as active_run:
            await pipe(active_run, opened, Closed(), run=run, clock=LoopClock())
    assert opened.closed


async def test_a_value_is_recorded_in_the_slot_in_which_it_was_polled_however_slow_the_sinks_are(run: Run) -> None:
    slow = MoodySink(seconds=3.0)
    async with record(Metronome(), rate_hz=100, duration=20, buffer_size=8, clock=LoopClock()) as active_run:
        await pipe(active_run, slow, run=run, batch_size=10, flush_interval=0.2, buffer_size=50, clock=LoopClock())
    start = active_run.summary.anchor_ns
    assert [batch.tick for batch in slow.batches] == list(range(2000))
    for batch in slow.batches:
        (sample,) = batch.samples
        assert batch.tick is not None
        if sample.value is not None:
            assert 0 <= (sample.stamp.monotonic_ns - start) / 1e9 - batch.tick / 100 < 0.01
        else:
            assert sample.error == "slot skipped: the sinks are slower than polling"
    assert active_run.summary.slots_polled > 60


async def test_a_buffer_that_is_smaller_than_the_batch_size_does_not_hold_up_polling(run: Run) -> None:
    sink = MoodySink()
    active_run = await record_into(run, sink, rate_hz=100, batch_size=10_000, buffer_size=20, flush_interval=5)
    assert active_run.summary.slots_skipped == 0


async def test_a_cancel_after_a_sink_has_failed_says_how_many_samples_were_lost(run: Run) -> None:
    healthy, moody = MemorySink(), MoodySink(failing=True)
    with pytest.raises(SamplesLostError, match="moody: 51 samples lost, last error: disk full") as lost:
        with anyio.move_on_after(5.05):
            async with record(Metronome(), rate_hz=10, clock=LoopClock()) as active_run:
                await pipe(active_run, healthy, moody, run=run, clock=LoopClock())
    assert [result.lost for result in lost.value.results] == [0, 51]
    assert len(healthy.samples) == 51
    assert healthy.events[-1].kind is EventKind.SINK_FAILED
    assert healthy.events[-1].message == "sink moody: 51 samples lost, last error: disk full"


async def test_a_cancelled_pipe_ends_the_polling_although_a_sink_is_still_writing(run: Run) -> None:
    slow = MoodySink(seconds=3.0)
    async with record(Metronome(), rate_hz=10, clock=LoopClock()) as active_run:
        with anyio.move_on_after(2.05):
            await pipe(active_run, slow, run=run, clock=LoopClock())
    assert [batch.tick for batch in slow.batches] == list(range(21))


async def test_sinks_that_were_opened_and_not_used_are_closed(run: Run) -> None:
    sink = MemorySink()
    with pytest.raises(RuntimeError, match="no"):
        async with open_sinks(sink, run=run):
            raise RuntimeError("no")
    assert sink.closed


async def test_a_stop_while_polling_waits_for_slow_sinks_adds_no_later_slots(run: Run) -> None:
    slow = MoodySink(seconds=1.0)
    async with (
        record(Metronome(), rate_hz=10, buffer_size=2, clock=LoopClock()) as active_run,
        anyio.create_task_group() as tasks,
    ):

        async def stop_later() -> None:
            await anyio.sleep(6.55)
            assert active_run.stream.full
            active_run.stop()

        tasks.start_soon(stop_later)
        await pipe(active_run, slow, run=run, batch_size=1, buffer_size=4, clock=LoopClock())
    assert [batch.tick for batch in slow.batches] == list(range(66))


class FailsOnce(MemorySink):
    """Fails once for each of these kinds of events: in the first write that has one."""

    name = "once"

    def __init__(self, *kinds: EventKind) -> None:
        super().__init__()
        self.failing_at = set(kinds)

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        for kind in {event.kind for event in events} & self.failing_at:
            self.failing_at.remove(kind)
            raise StorageError("disk full")
        await super().write(batches, events)


@pytest.mark.parametrize(
    "failing_at",
    [
        (EventKind.RUN_FINISHED,),
        (EventKind.RUN_FINISHED, EventKind.SINK_RECOVERED),
        (EventKind.RUN_FINISHED, EventKind.SINK_FAILED, EventKind.SINK_RECOVERED),
    ],
    ids=len,
)
async def test_what_happens_while_the_rest_is_written_is_stored_in_every_sink_once(
    run: Run, failing_at: tuple[EventKind, ...]
) -> None:
    """Also in the sink that it is about: it writes again when the run ends, and nothing is recorded after that."""
    healthy, once = MemorySink(), FailsOnce(*failing_at)
    active_run = await record_into(run, healthy, once)
    assert not active_run.take_events()
    assert healthy.closed
    assert once.closed
    assert not once.failing_at
    assert sorted(healthy.events, key=str) == sorted(once.events, key=str)
    kinds = [event.kind for event in once.events]
    assert kinds.count(EventKind.SINK_FAILED) == kinds.count(EventKind.SINK_RECOVERED) >= 1
    assert len(once.samples) == len(healthy.samples) == 200


async def test_a_sink_that_is_repaired_while_the_run_ends_stores_that_it_was(run: Run) -> None:
    healthy, moody = MemorySink(), MoodySink(failing=True)

    async def repair() -> None:
        await anyio.sleep(12)
        moody.failing = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(repair)
        await record_into(run, healthy, moody)
    for sink in (healthy, moody):
        kinds = [event.kind for event in sink.events]
        assert kinds.count(EventKind.SINK_FAILED) == kinds.count(EventKind.SINK_RECOVERED) == 1


async def test_a_sink_that_fails_again_and_again_delays_the_end_by_no_more_than_the_close_timeout(run: Run) -> None:
    class Alternating(MemorySink):
        writes = 0

        async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
            self.writes += 1
            if self.writes % 2:
                raise StorageError("disk full")
            await super().write(batches, events)

    healthy, sink = MemorySink(), Alternating()
    began = anyio.current_time()
    await record_into(run, healthy, sink, close_timeout=3.0)
    assert anyio.current_time() - began < 10 + 3 + 1
    assert len(sink.samples) == len(healthy.samples) == 200
    assert sink.closed


class Flood:
    """A device-paced source that never waits; ``stop`` is called at poll number ``polls``."""

    name = "flood"
    pace = Pace.DEVICE
    rate_hz = None
    channels = (Channel(device="flood", driver="d", protocol="p", address=None, parameter="value"),)

    def __init__(self, polls: int, stop: Callable[[], None]) -> None:
        self.polls = polls
        self.stop = stop

    async def poll(self) -> Sequence[Sample]:
        self.polls -= 1
        if not self.polls:
            self.stop()
        return [Sample(channel=self.channels[0], stamp=Stamp(0, None, 0), value=1.0, unit=None)]


async def test_the_sinks_write_and_other_tasks_run_while_a_source_never_waits(run: Run) -> None:
    sink = MoodySink()
    written: list[int] = []
    source = Flood(5_000, lambda: (written.append(sum(sink.sizes)), active_run.stop()))
    async with record(source, rate_hz=1, clock=LoopClock()) as active_run:
        await pipe(active_run, sink, run=run, batch_size=512, clock=LoopClock())
    assert written[0] > 3_000
    assert sum(sink.sizes) == 5_000

"""Piping into sinks: by size, by time, with sinks that fail, and never losing what was taken."""

from collections.abc import Sequence

import anyio
import pytest
from toy import Metronome

from riglog.acquire import pipe, record
from riglog.errors import StorageError
from riglog.model import Batch, Event, EventKind, Run, Sink, new_run
from riglog.sinks import MemorySink
from riglog.testing import LoopClock


class MoodySink(MemorySink):
    """Fails while ``failing``; takes ``seconds`` for each write; remembers the size of each."""

    name = "moody"

    def __init__(self, *, seconds: float = 0.0, failing: bool = False) -> None:
        super().__init__()
        self.seconds = seconds
        self.failing = failing
        self.sizes: list[int] = []

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        await anyio.sleep(self.seconds)
        if self.failing:
            raise StorageError("the disk is full")
        self.sizes.append(sum(len(batch.samples) for batch in batches))
        await super().write(batches, events)


@pytest.fixture
def run() -> Run:
    return Run("test", "test", 0, 0, None, "host", {})


async def record_into(run: Run, *sinks: Sink, rate_hz: float = 10, duration: float = 10, **options: float) -> object:
    async with record(Metronome(channels=2), rate_hz=rate_hz, duration=duration, clock=LoopClock()) as recording:
        await pipe(recording, *sinks, run=run, clock=LoopClock(), **options)  # type: ignore[arg-type]
    return recording


async def test_everything_recorded_is_in_the_sink_with_the_events_around_it(run: Run) -> None:
    sink = MemorySink()
    await record_into(run, sink)
    assert [batch.tick for batch in sink.batches] == list(range(100))
    assert [event.kind for event in sink.events] == [EventKind.RUN_STARTED, EventKind.RUN_FINISHED]
    assert sink.closed


async def test_a_sink_writes_when_there_are_enough_samples(run: Run) -> None:
    sink = MoodySink()
    await record_into(run, sink, rate_hz=100, batch_size=64, flush_interval=60)
    assert set(sink.sizes[:-1]) == {64}


async def test_a_sink_writes_when_time_is_up(run: Run) -> None:
    sink = MoodySink()
    await record_into(run, sink, rate_hz=2, batch_size=10_000, flush_interval=1.0)
    assert len(sink.sizes) >= 9


async def test_a_failing_sink_does_not_stop_the_others_and_loses_nothing_when_it_recovers(run: Run) -> None:
    healthy, moody = MemorySink(), MoodySink(failing=True)

    async def mend() -> None:
        await anyio.sleep(6)
        assert healthy.batches
        moody.failing = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mend)
        await record_into(run, healthy, moody)
    assert len(healthy.samples) == len(moody.samples) == 200
    assert [batch.tick for batch in moody.batches] == list(range(100))
    kinds = [event.kind for event in healthy.events]
    assert kinds.count(EventKind.SINK_FAILED) == kinds.count(EventKind.SINK_BACK) == 1


async def test_a_sink_that_fails_to_the_end_says_how_many_samples_were_lost(run: Run) -> None:
    healthy, moody = MemorySink(), MoodySink(failing=True)
    with pytest.raises(StorageError, match=r"moody: 200 samples lost \(the disk is full\)"):
        await record_into(run, healthy, moody)
    assert len(healthy.samples) == 200
    assert healthy.closed


async def test_when_no_sink_can_store_and_the_buffer_is_full_the_recording_stops(run: Run) -> None:
    moody = MoodySink(failing=True)
    with pytest.raises(StorageError, match="samples lost"):
        await record_into(run, moody, duration=1e6, buffer_size=50)


async def test_a_slow_sink_slows_the_recording_down_but_loses_nothing(run: Run) -> None:
    slow = MoodySink(seconds=3.0)
    recording = await record_into(run, slow, rate_hz=100, duration=30, batch_size=1, buffer_size=100)
    assert len(slow.samples) == recording.summary.samples == 6000  # type: ignore[attr-defined]


@pytest.mark.parametrize("after", [0.35, 1.7, 2.0, 4.999])
async def test_a_cancel_stores_as_many_rows_as_samples_were_taken(run: Run, after: float) -> None:
    sink = MoodySink(seconds=0.5)
    with anyio.move_on_after(after):
        async with record(Metronome(channels=20), rate_hz=10, clock=LoopClock()) as recording:
            await pipe(recording, sink, run=run, flush_interval=10, clock=LoopClock())
    assert len(sink.samples) == recording.summary.samples > 0
    assert sink.closed


async def test_a_cancel_also_stores_what_a_slow_sink_left_waiting_in_the_stream(run: Run) -> None:
    sink, waiting = MoodySink(seconds=3.0), 0

    async with anyio.create_task_group() as tasks:
        async with record(Metronome(channels=20), rate_hz=10, clock=LoopClock()) as recording:

            async def interrupt() -> None:
                nonlocal waiting
                await anyio.sleep(2.55)
                waiting = len(recording.stream._batches)
                tasks.cancel_scope.cancel()

            tasks.start_soon(interrupt)
            await pipe(recording, sink, run=run, batch_size=1, buffer_size=40, clock=LoopClock())
    assert waiting > 10
    assert len(sink.samples) == recording.summary.samples == 26 * 20


async def test_a_sink_that_cannot_be_opened_is_an_error_and_the_others_are_closed(run: Run) -> None:
    class Closed(MemorySink):
        async def open(self, run: Run) -> None:
            raise StorageError("no such directory")

    opened = MemorySink()
    with pytest.raises(StorageError, match="no such directory"):
        async with record(Metronome(), rate_hz=1, duration=1, clock=LoopClock()) as recording:
            await pipe(recording, opened, Closed(), run=run, clock=LoopClock())
    assert opened.closed


async def test_a_run_has_a_readable_name_that_no_other_run_has() -> None:
    clock = LoopClock()
    one, other = new_run("kiln-7", clock), new_run("kiln-7", clock)
    assert one.id.startswith("kiln-7.20270115T080000Z.")
    assert one.id != other.id

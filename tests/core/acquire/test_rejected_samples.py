"""Samples that a sink rejects: they are set aside and named, and all other samples are stored."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec import structs
from recorded import EVENTS, MODE, NET, WARM, make_run, stamp, steady
from toy import Metronome, Metronomes

from riglog.acquire import SamplesLostError, SetAside, SinkResult, pipe, record
from riglog.acquire.flush import Flush
from riglog.errors import StorageError
from riglog.model import Batch, Channel, Event, EventKind, Run, Sample, Sink
from riglog.recordings import read
from riglog.sinks import CsvSink, JsonlSink, MemorySink, ParquetSink, SqliteSink
from riglog.testing import LoopClock

POISON: dict[str, Any] = {
    "list": [1.0, 2.0],
    "bytes": b"12.5",
    "dict": {"value": 1.0},
    "complex": 1j,
    "object": object(),
    "huge": 10**400,
    "surrogate": "bad \ud800 text",
}
RUN = make_run()


def batch(tick: int, channel: Channel, value: Any) -> Batch:
    return Batch("bus", tick, [Sample(channel=channel, stamp=stamp(RUN, tick / 2), value=value, unit=channel.unit)])


@pytest.mark.parametrize("poison", POISON.values(), ids=list(POISON))
@pytest.mark.parametrize("make", [CsvSink, JsonlSink, ParquetSink, SqliteSink], ids=lambda make: make.name)
async def test_every_store_rejects_a_value_it_cannot_hold_and_stores_all_others(
    make: Callable[[Path], Sink], tmp_path: Path, poison: Any
) -> None:
    sink = make(tmp_path / "store")
    await sink.open(RUN)
    healthy = list(steady(RUN, [WARM, MODE], 16))
    flush = Flush(sink)
    await flush.run([*healthy[:5], batch(5, NET, poison), *healthy[5:], batch(16, NET, poison)], EVENTS)
    await sink.aclose()
    assert [row.tick for row in read(tmp_path / "store")] == [tick for tick in range(16) for _ in range(2)]
    assert [rejected.tick for rejected, _ in flush.batches_rejected] == [5, 16]
    assert not any(isinstance(error, StorageError) for _, error in flush.batches_rejected)
    assert (flush.samples_written, flush.error, flush.batches_left, flush.events_left) == (32, None, [], [])


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")], ids=["memory", "threads"])
async def test_a_computer_without_memory_or_threads_rejects_nothing(error: Exception) -> None:
    """Of a recorder with little memory, SQLite had stored nothing, and all its samples were set aside as unfit."""

    class Short(MemorySink):
        """There is too little for the third write and the later ones, until ``short`` is over."""

        writes = 0
        short = True

        async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
            self.writes += 1
            if self.short and self.writes > 2:
                raise error
            await super().write(batches, events)

    sink = Short()
    await sink.open(RUN)
    batches = list(steady(RUN, [WARM], 6))
    for group in (batches[:2], batches[2:4]):
        done = Flush(sink)
        await done.run(group, [])
        assert done.samples_written == 2
    flush = Flush(sink)
    await flush.run(batches[4:], EVENTS, final=True)
    assert (flush.error, flush.undecided) == (error, False)
    assert (flush.batches_left, flush.events_left) == (batches[4:], list(EVENTS))
    assert (flush.batches_rejected, flush.events_rejected) == ([], [])
    sink.short = False
    again = Flush(sink)
    await again.run(flush.batches_left, flush.events_left)
    assert (again.samples_written, again.error) == (2, None)


@pytest.mark.parametrize("wrong", [{"address": object()}, {"parameter": None}, {"parameter_id": 2**70}])
async def test_errors_of_sqlite_about_data_are_not_taken_for_an_outage(tmp_path: Path, wrong: dict[str, Any]) -> None:
    sink = SqliteSink(tmp_path / "run.sqlite")
    await sink.open(RUN)
    flush = Flush(sink)
    await flush.run([*steady(RUN, [WARM], 5), batch(5, structs.replace(NET, **wrong), 1.0)], [])
    await sink.aclose()
    assert (flush.samples_written, flush.error, len(flush.batches_rejected)) == (5, None, 1)


async def test_devices_on_the_port_of_a_rejected_sample_keep_their_rows(tmp_path: Path) -> None:
    samples = [*batch(0, WARM, 20.0).samples, *batch(0, NET, [1]).samples, *batch(0, MODE, 62).samples]
    sink = SqliteSink(tmp_path / "run.sqlite")
    await sink.open(RUN)
    flush = Flush(sink)
    await flush.run([Batch("bus", 0, samples)], [])
    await sink.aclose()
    assert [row.parameter for row in read(tmp_path / "run.sqlite")] == ["process_value", "control_mode"]
    assert [rejected.samples[0].channel for rejected, _ in flush.batches_rejected] == [NET]


async def test_an_event_that_cannot_be_stored_keeps_no_other_from_being_stored(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "run.sqlite")
    await sink.open(RUN)
    bad = Event(RUN.started_ns, EventKind.DRIVER_FAILED, "bad \ud800 text")
    flush = Flush(sink)
    await flush.run(list(steady(RUN, [WARM], 3)), [EVENTS[0], bad, EVENTS[1]])
    assert [event for event, _ in flush.events_rejected] == [bad]
    assert (flush.samples_written, flush.error) == (3, None)
    await sink.aclose()


class PickySink(MemorySink):
    """Rejects numbers above ``limit`` with a TypeError; raises ``outage`` for everything while it is set."""

    name = "picky"

    def __init__(self, limit: float, outage: Exception | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.outage = outage
        self.attempts = 0

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        self.attempts += 1
        await anyio.lowlevel.checkpoint()
        if self.outage is not None and batches:
            raise self.outage
        if any(sample.value is not None and float(sample.value) > self.limit for b in batches for sample in b.samples):
            raise TypeError("too large")
        await super().write(batches, events)


def good_and_bad() -> Metronomes:
    """Two sources: one counts from 1, the values of the other are above every limit."""
    bad = Metronome("bad", channels=2)
    bad.polls = 1_000_000
    return Metronomes([Metronome("good"), bad])


async def record_into(*sinks: Sink, duration: float = 10, **options: Any) -> list[SinkResult]:
    run = Run("test", "test", 0, 0, None, "host", {})
    async with record(good_and_bad(), rate_hz=10, duration=duration, clock=LoopClock()) as active_run:  # type: ignore[arg-type]
        return await pipe(active_run, *sinks, run=run, clock=LoopClock(), **options)


async def test_a_rejecting_sink_names_the_device_counts_the_samples_and_keeps_the_rest() -> None:
    healthy, picky = MemorySink(), PickySink(limit=1000)
    with pytest.raises(SamplesLostError) as error:
        await record_into(healthy, picky)
    assert [(result.name, result.written, result.lost) for result in error.value.results] == [
        ("memory", 300, 0),
        ("picky", 100, 200),
    ]
    assert error.value.results[1].set_aside == [SetAside("bad", 200, "TypeError: too large")]
    assert str(error.value) == (
        "not all samples were stored: picky: 200 samples lost, 200 of them rejected from bad,"
        " last error: bad: samples rejected: TypeError: too large"
    )
    assert error.value.hint is not None
    assert error.value.hint.startswith("Correct the driver")
    assert [batch.tick for batch in picky.batches] == list(range(100))
    assert {batch.source for batch in picky.batches} == {"good"}
    assert len(healthy.batches) == 200
    (failure,) = [event for event in healthy.events if event.kind is EventKind.SINK_FAILED]
    assert failure.device == "bad"
    assert failure.message == (
        "sink picky: cannot store samples of bad.p0: TypeError: too large; they are set aside, the others are stored"
    )
    assert EventKind.SINK_RECOVERED not in [event.kind for event in healthy.events]


async def test_rejected_samples_are_not_written_again() -> None:
    picky, result = PickySink(limit=1000), []
    with pytest.raises(StorageError):
        result = await record_into(picky, flush_interval=100, batch_size=30)
    assert picky.attempts < 3000
    assert not result


async def test_a_sink_that_stores_nothing_is_an_outage_whatever_its_error_says() -> None:
    healthy, picky = MemorySink(), PickySink(limit=1e9, outage=ValueError("proxy error"))

    async def repair() -> None:
        await anyio.sleep(6)
        assert picky.attempts < 15 * 600
        picky.outage = None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(repair)
        (_, result) = await record_into(healthy, picky)
    assert (result.written, result.lost, result.set_aside) == (300, 0, [])
    assert len(picky.samples) == 300
    kinds = [event.kind for event in healthy.events]
    assert kinds.count(EventKind.SINK_FAILED) == kinds.count(EventKind.SINK_RECOVERED) == 1


async def test_an_outage_during_the_search_leaves_everything_to_be_written_again() -> None:
    class Flapping(PickySink):
        async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
            self.outage = StorageError("disk full") if self.attempts in (3, 4) else None
            await super().write(batches, events)

    sink, batches = Flapping(limit=1000), [batch(tick, NET, 5000.0 if tick == 3 else 1.0) for tick in range(8)]
    first = Flush(sink)
    await first.run(batches, [])
    assert isinstance(first.error, StorageError)
    second = Flush(sink)
    while first.error is not None:
        second = Flush(sink)
        await second.run(first.batches_left, first.events_left)
        first = second
    assert sorted(one.tick or 0 for one in sink.batches) == [0, 1, 2, 4, 5, 6, 7]
    assert [rejected.tick for rejected, _ in second.batches_rejected] == [3]


async def test_samples_left_alone_at_the_end_are_set_aside_and_lost() -> None:
    only_bad = Metronomes(good_and_bad().members[1:])
    run, picky = Run("test", "test", 0, 0, None, "host", {}), PickySink(limit=1000)
    with pytest.raises(StorageError, match="40 samples lost, 40 of them rejected from bad"):
        async with record(only_bad, rate_hz=10, duration=2, clock=LoopClock()) as active_run:  # type: ignore[arg-type]
            await pipe(active_run, picky, run=run, clock=LoopClock())
    assert picky.closed
    assert [event.kind for event in picky.events][:1] == [EventKind.RUN_STARTED]


async def test_the_search_ends_when_a_sink_rejects_everything() -> None:
    sink = PickySink(limit=0)
    flush = Flush(sink)
    await flush.run([batch(tick, NET, 1.0) for tick in range(10_000)], EVENTS)
    assert sink.attempts < 1200
    assert len(flush.batches_left) == 10_000
    assert isinstance(flush.error, TypeError)

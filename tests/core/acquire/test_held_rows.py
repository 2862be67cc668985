"""Rows that wait for the proof of a sample: in the order of their slots, once each, and never for long."""

from collections.abc import Sequence
from functools import partial

import anyio
import pytest

from riglog.acquire import ActiveRun, pipe, record
from riglog.device import Pace
from riglog.model import NS, Channel, PendingProof, Run, Sample, Stamp, Status
from riglog.sinks import MemorySink
from riglog.testing import LoopClock

RUN = Run("test", "test", 0, 0, None, "host", {})
CHANNEL = Channel(device="oven", driver="toy", protocol="toy", address=None, parameter="level", unit="mm")


class Steady:
    """A source that proves its samples with every fifth poll, unless ``is_proven`` is False."""

    name = "oven"
    channels = (CHANNEL,)
    pace = Pace.HOST
    rate_hz = None

    def __init__(self, *, hangs_at: int = -1, is_proven: bool = True, settles: bool = True) -> None:
        self.clock = LoopClock()
        self.polls = 0
        self.settled = 0
        self.hangs_at = hangs_at
        self.is_proven = is_proven
        self.settles = settles
        self.pending = PendingProof("unchecked", "not proven")

    async def poll(self) -> Sequence[Sample]:
        raise AssertionError("a recorder polls steadily")

    async def poll_steadily(self) -> Sequence[Sample]:
        if self.polls == self.hangs_at:
            await anyio.sleep_forever()
        stamp = Stamp(self.clock.utc_ns(), None, self.clock.monotonic_ns())
        sample = Sample(channel=CHANNEL, stamp=stamp, value=float(self.polls), unit="mm", proof=self.pending)
        self.polls += 1
        if self.polls % 5 == 0:
            self._close()
        return [sample]

    async def settle(self) -> None:
        self.settled += 1
        if self.settles:
            await anyio.sleep(0.01)
            self._close()

    def _close(self) -> None:
        if self.is_proven:
            self.pending.prove()
        else:
            self.pending.refute("before_open", "refuted")
        self.pending = PendingProof("unchecked", "not proven")


async def rows_of(source: Steady, *, duration: float, cancel_after: float | None = None) -> MemorySink:
    sink = MemorySink()
    with anyio.move_on_after(cancel_after):
        async with record(source, rate_hz=10, duration=duration, clock=source.clock) as recording:
            await pipe(recording, sink, run=RUN, clock=source.clock)
    return sink


def statuses(sink: MemorySink) -> list[str]:
    return [row.status for row in sink.rows]


async def test_rows_wait_for_their_proof_and_keep_slot_order_and_times() -> None:
    source = Steady()
    sink = MemorySink()
    async with record(source, rate_hz=10, duration=2.0, clock=source.clock) as recording:
        seen: list[int] = []

        async def watch(recording: ActiveRun) -> None:
            for _ in range(20):
                await anyio.sleep(0.1)
                seen.append(recording.summary.samples)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, recording)
            await pipe(recording, sink, run=RUN, clock=source.clock)
    assert set(seen) == {0, 5, 10, 15, 20}
    assert [row.tick for row in sink.rows] == list(range(20))
    assert statuses(sink) == ["ok"] * 20
    times = [row.monotonic_ns / NS for row in sink.rows]
    assert times == pytest.approx([times[0] + tick / 10 for tick in range(20)])


async def test_what_is_not_proven_is_suspect_with_the_reason() -> None:
    sink = await rows_of(Steady(is_proven=False), duration=1.0)
    assert {(row.status, row.flags, row.error) for row in sink.rows} == {("suspect", "before_open", "refuted")}
    assert [row.value for row in sink.rows] == list(range(10))


async def test_the_end_of_the_run_makes_the_last_check() -> None:
    source = Steady()
    sink = await rows_of(source, duration=0.75)
    assert source.settled == 1
    assert statuses(sink) == ["ok"] * 8
    again = Steady(settles=False)
    sink = await rows_of(again, duration=0.75)
    assert [(row.tick, row.status) for row in sink.rows] == [
        *((tick, "ok") for tick in range(5)),
        *((tick, "suspect") for tick in range(5, 8)),
    ]


async def test_a_cancel_writes_what_is_not_proven_as_suspect() -> None:
    source = Steady()
    sink = await rows_of(source, duration=100, cancel_after=0.75)
    assert source.settled == 0
    assert [(row.tick, row.status, row.flags) for row in sink.rows] == [
        *((tick, "ok", "") for tick in range(5)),
        *((tick, "suspect", "unchecked") for tick in range(5, 8)),
    ]


async def test_a_poll_that_does_not_return_holds_no_row_for_long() -> None:
    source = Steady(hangs_at=8)
    sink = MemorySink()
    async with record(source, rate_hz=10, duration=60, clock=source.clock) as recording:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(pipe, recording, sink, run=RUN, clock=source.clock))
            await anyio.sleep(4.5)
            assert [row.status for row in sink.rows] == ["ok"] * 5 + ["suspect"] * 3
            await anyio.sleep(10)
            ticks = [row.tick for row in sink.rows]
            assert ticks == list(range(len(ticks)))
            assert len(ticks) > 100
            recording.stop()
            tasks.cancel_scope.cancel()
    assert {row.status for row in sink.rows[8:]} == {Status.MISSING.value, Status.SKIPPED.value}

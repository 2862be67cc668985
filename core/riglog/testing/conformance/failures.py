"""Checks of what interrupts a device: cancellation, cables, other instruments in its place."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from riglog.errors import ConnectionLostError
from riglog.model import EventKind, Sample, Status
from riglog.testing.conformance.bench import Bench
from riglog.testing.conformance.reading import ReadingChecks
from riglog.testing.conformance.wire import Flood

MOST_AWAITS = 120
ABSENT_SECONDS = 3.0


class FailureChecks(ReadingChecks):
    async def test_a_poll_can_be_cancelled_at_every_await(self) -> None:
        """A poll that is cancelled leaves the line so that the next values are true: its replies may still come."""
        self.port_driver()
        async with self.bench() as bench:
            self.host_paced(bench)
            samples: list[Sample] = []
            for number in range(1, MOST_AWAITS):
                if not await cancelled_at(number, bench, bench.device.poll):
                    break
                samples += await bench.poll()
            assert number > 1
            assert bench.wrong(samples) == []
            await anyio.sleep(10 * bench.timeout)
            await bench.polls(2)
            assert [one.error for one in await bench.poll() if one.status is not Status.OK] == []

    async def test_opening_can_be_cancelled_at_every_await(self) -> None:
        """`open` that is cancelled can be called again: the device is then complete."""
        self.port_driver()
        async with self.bench() as bench:
            channels = tuple(bench.device.channels)
            for number in range(1, MOST_AWAITS):
                if not await cancelled_at(number, bench, bench.device.open):
                    break
            await anyio.sleep(10 * bench.timeout)
            await bench.device.open()
            assert tuple(bench.device.channels) == channels
            samples = await bench.polls(3)
            assert any(sample.status is Status.OK for sample in samples)
            assert bench.wrong(samples) == []

    async def test_values_return_when_the_cable_is_put_back(self) -> None:
        """A lost connection costs rows with a reason; after it the device works again without being made anew."""
        self.port_driver()
        async with self.bench() as bench:
            await bench.polls(2)
            gone, back = await interrupted(bench)
            assert [sample.value for sample in gone if sample.value is not None] == []
            assert [sample for sample in gone if not sample.error] == []
            assert back
            assert [f"{one.channel}: {one.error}" for one in back if one.status is not Status.OK] == []
            assert bench.wrong(back) == []
            assert bench.events_of(EventKind.DRIVER_FAILED) == []

    async def test_a_lost_connection_is_reported_as_one(self) -> None:
        """`poll` lets a ConnectionLostError pass: the core then opens the port again."""
        self.port_driver()
        async with self.bench() as bench:
            bench.transport.cut()
            with pytest.raises(ConnectionLostError):
                await bench.device.poll()

    async def test_after_an_interruption_only_reads_are_sent(self) -> None:
        """`reconnected` and the identity check change nothing."""
        self.port_driver()
        async with self.bench() as bench:
            bench.watch()
            await interrupted(bench)
            assert bench.changes.changes == []

    async def test_another_instrument_in_its_place_gives_no_value(self) -> None:
        """After an interruption the identity is compared: its values are not recorded under the name."""
        self.port_driver()
        async with self.bench() as bench:
            other = self.other_instrument(bench.specs[0].config)
            if other is None:
                pytest.skip("no other instrument is known: override other_instrument()")
            assert await bench.device.identity(), (
                "other_instrument() returns an instrument, but identity() returns None"
            )
            bench.replace_instrument(other)
            _, back = await interrupted(bench)
            assert [str(sample.channel) for sample in back if sample.status is Status.OK] == []
            assert len(bench.events_of(EventKind.WRONG_INSTRUMENT)) == 1

    async def test_closing_sends_nothing_that_changes_the_instrument(self) -> None:
        """`aclose` writes nothing: a program that ends leaves the instrument as it is."""
        self.port_driver()
        async with self.bench() as bench:
            bench.watch()
            await bench.device.aclose()
        assert bench.changes.changes == []

    async def test_a_port_that_floods_ends_no_poll(self) -> None:
        """A line full of bytes gives samples with a reason, in limited time."""
        self.port_driver()
        async with self.bench() as bench:
            self.host_paced(bench)
            bench.wire.simulator = Flood()
            samples = await bench.polls(3)
            assert [sample.value for sample in samples if sample.status is Status.OK] == []


async def cancelled_at(number: int, bench: Bench, call: Callable[[], Awaitable[object]]) -> bool:
    """Cancel a call at the n-th await of its port; return False if it ended before."""
    with anyio.CancelScope() as scope:
        bench.transport.cancel_at(number, scope)
        await call()
    bench.transport.cancel_at(0, anyio.CancelScope())
    return scope.cancelled_caught


async def interrupted(bench: Bench) -> tuple[list[Sample], list[Sample]]:
    """Pull the cable out for a while; return the samples of that time, and those after the first good poll."""
    gone: list[Sample] = []
    bench.cut()
    if bench.paced_by_device:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restore_later, bench)
            gone += [sample for sample in await bench.poll() if sample.value is None]
    else:
        gone += await bench.polls(3, pause=ABSENT_SECONDS / 3)
        bench.restore()
    for _ in range(8):
        await anyio.sleep(0 if bench.paced_by_device else 1.0)
        await bench.poll()
    return gone, await bench.polls(3)


async def restore_later(bench: Bench) -> None:
    await anyio.sleep(ABSENT_SECONDS)
    bench.restore()

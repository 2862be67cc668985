"""Checks of a line that fails: no fault becomes a wrong value, and values return."""

import random
from collections.abc import Iterator

import anyio
import pytest

from riglog.model import EventKind, Sample, Status
from riglog.simulation import Fault
from riglog.testing.conformance.bench import Bench
from riglog.testing.conformance.reading import ReadingChecks, unprintable
from riglog.testing.conformance.wire import NoisySimulator

FAULTS = [fault for fault in Fault if fault is not Fault.UNPLUG]
READS, EVERY = 32, 7
"""Every so many replies, one is damaged."""
MANY_READS, SEEDS = 150, (2,)
RATE = 0.04
RECOVERY_SECONDS = 70.0
"""After which a healthy line must give values again: the longest hold-off of a protocol without a checksum."""


class FaultChecks(ReadingChecks):
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_gives_no_wrong_value(self, fault: Fault) -> None:
        """A reply that is lost, damaged, late, doubled, foreign or in pieces never becomes a value that is not true.

        Each value is compared with what the instrument had. A fault that the protocol cannot detect is listed in
        `undetectable`.
        """
        await self.expose_to(fault, READS, seed=1)

    @pytest.mark.slow
    @pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_gives_no_wrong_value_in_a_long_run(self, fault: Fault, seed: int) -> None:
        """The same with more reads, and other random numbers."""
        await self.expose_to(fault, MANY_READS, seed=seed)

    async def expose_to(self, fault: Fault, reads: int, seed: int) -> None:
        """Poll while replies have a fault."""
        self.detectable(fault)
        async with self.bench(late=self.late, seed=seed) as bench:
            self.knows_truth(bench)
            bench.wire.inject(damaged(fault))
            samples = await bench.polls(reads)
            assert bench.wrong(samples, await unnoticed_seconds(bench, fault)) == [], likely_cause(bench)
            good = sum(sample.status is Status.OK for sample in samples)
            assert good >= len(samples) * self.useful, f"only {good} of {len(samples)} samples have a value"

    @pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS)])
    async def test_all_faults_together_give_no_wrong_value(self, seed: int) -> None:
        """Faults that follow each other closely are no worse than one at a time."""
        self.port_driver()
        async with self.bench(late=self.late, seed=seed) as bench:
            self.knows_truth(bench)
            if bench.paced_by_device:
                pytest.skip("the device sets the pace: a line that is late is not told from one that is repeated")
            bench.wire.set_rates({fault: RATE for fault in FAULTS if fault not in self.undetectable})
            assert bench.wrong(await bench.polls(2 * READS)) == [], likely_cause(bench)

    async def test_values_return_after_faults(self) -> None:
        """When the line is healthy again, all channels have values again: nothing is stuck."""
        self.port_driver()
        async with self.bench(late=self.late) as bench:
            bench.wire.inject(damaged(Fault.DROP, Fault.TRUNCATE, Fault.GARBAGE, Fault.SPLIT))
            await bench.polls(READS // 2)
            bench.wire.inject([])
            await bench.polls(2)
            await anyio.sleep(RECOVERY_SECONDS)
            await bench.polls(2)
            samples = await bench.polls(2)
            assert [f"{one.channel}: {one.error}" for one in samples if one.status is not Status.OK] == []

    async def test_replies_that_are_held_up_are_not_taken_for_later_ones(self) -> None:
        """An instrument that responds to nothing for a while, and then to everything, gives no old value."""
        self.port_driver()
        async with self.bench() as bench:
            self.knows_truth(bench)
            self.host_paced(bench)
            assert bench.wrong(await self.polls_with_held_replies(bench)) == [], likely_cause(bench)

    async def polls_with_held_replies(self, bench: Bench) -> list[Sample]:
        """Return the samples of polls while replies are held up twice, and after that."""
        samples: list[Sample] = []
        for timeouts in (1.3, 4.2):
            hang = timeouts * bench.timeout
            bench.wire.held_until = anyio.current_time() + hang
            samples += await self.poll_for(bench, hang)
            bench.wire.held_until = None
            samples += await self.poll_for(bench, 2 * hang)
        return samples

    async def poll_for(self, bench: Bench, seconds: float) -> list[Sample]:
        """Return the samples of polls that follow each other directly for some time."""
        samples: list[Sample] = []
        until = anyio.current_time() + seconds
        while anyio.current_time() < until:
            samples += await bench.polls(1, pause=bench.timeout / 7)
        return samples

    async def test_an_instrument_that_is_switched_off_gives_reasons(self) -> None:
        """Without an instrument every sample is without a value and says why; nothing is repeated."""
        self.port_driver()
        async with self.bench() as bench:
            await bench.polls(2)
            bench.wire.plugged = False
            await bench.poll()  # what a device has sent before
            for sample in await bench.polls(4):
                assert sample.value is None
                assert sample.status in (Status.MISSING, Status.SKIPPED)
                assert sample.error

    async def test_noise_is_no_value(self) -> None:
        """Random bytes instead of replies give no value, and are no bug: every sample has a reason."""
        self.port_driver()
        async with self.bench() as bench:
            self.host_paced(bench)
            bench.wire.simulator = NoisySimulator(noise())
            for sample in await bench.polls(READS // 2):
                assert sample.status is not Status.OK
                assert sample.error or sample.flags

    async def test_an_adapter_that_returns_what_is_sent_is_no_instrument(self) -> None:
        """A request that comes back is not a reply."""
        self.port_driver()
        async with self.bench() as bench:
            self.host_paced(bench)
            bench.wire.plugged = False
            bench.wire.echo = True
            assert [sample.value for sample in await bench.polls(4) if sample.value is not None] == []

    async def test_faults_are_no_bugs_of_the_driver(self) -> None:
        """Whatever arrives, the driver raises a RiglogError or returns samples: `driver_failed` is a bug."""
        self.port_driver()
        async with self.bench(late=self.late, seed=5) as bench:
            bench.wire.set_rates(dict.fromkeys(FAULTS, RATE))
            await bench.polls(READS)
            bench.wire.set_rates({})
            if not bench.paced_by_device:
                bench.wire.simulator = NoisySimulator(noise())
                await bench.polls(8)
            assert [event.message for event in bench.events_of(EventKind.DRIVER_FAILED)] == []

    async def test_reasons_are_printable(self) -> None:
        """What arrives as bytes is not printed as it is: errors, flags and units are plain text."""
        self.port_driver()
        async with self.bench(late=self.late, seed=6) as bench:
            bench.wire.inject(damaged(Fault.GARBAGE, Fault.CORRUPT, Fault.TRUNCATE, Fault.FOREIGN))
            for sample in await bench.polls(READS):
                assert unprintable(sample) == []

    async def test_two_devices_of_one_port_do_not_mix_in_faults(self) -> None:
        """A late reply of one device is not the value of the other."""
        first, second = self.two_tables()
        async with self.bench(first, second, late=self.late) as bench:
            self.knows_truth(bench)
            bench.wire.inject(damaged(*(fault for fault in FAULTS if fault not in self.undetectable)))
            samples = await bench.polls(READS // 2)
            bench.wire.inject([])
            samples += await self.polls_with_held_replies(bench)
            assert bench.wrong(samples) == [], likely_cause(bench)

    @property
    def late(self) -> float:
        """Seconds by which a late reply is late: longer than the usual timeout."""
        return 1.6

    def detectable(self, fault: Fault) -> None:
        """Skip the check of a fault that the protocol cannot detect, or that cannot happen to this device."""
        self.port_driver()
        if fault in self.undetectable:
            pytest.skip(f"the protocol cannot detect it: {self.undetectable[fault]}")


def damaged(*faults: Fault) -> Iterator[Fault | None]:
    """Yield one of the faults in turn for every seventh reply, for ever."""
    number = 0
    while True:
        yield from [None] * (EVERY - 1)
        yield faults[number % len(faults)]
        number += 1


def likely_cause(bench: Bench) -> str:
    """Return what often is behind a wrong value of this driver, for the message of a check; empty: nothing known."""
    codec = bench.port_device.client.codec
    if codec.hold_off is None or codec.hold_off >= bench.timeout:
        return ""
    return (
        f"hold_off of the codec is {codec.hold_off:g} s, shorter than the timeout: where replies to two requests look "
        "the same, a late one is taken for the later one. Leave hold_off out, or define resync_request"
    )


async def unnoticed_seconds(bench: Bench, fault: Fault) -> float:
    """Return by how much a frame that nobody requested may be old: nothing in it says when it was sent."""
    if not bench.paced_by_device or fault not in (Fault.LATE, Fault.GLUE, Fault.SPLIT):
        return 0.0
    before = anyio.current_time()
    bench.wire.inject([])
    await bench.polls(2)
    return bench.wire.late + (anyio.current_time() - before)


def noise() -> Iterator[bytes]:
    """Yield random bytes, always the same ones."""
    rng = random.Random(9)
    while True:
        yield rng.randbytes(rng.randint(1, 40))

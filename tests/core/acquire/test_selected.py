"""A recording of a part of a source, of a source that has only ``poll``, and of slots joined over ports."""

import pytest
from toy import Metronome

from riglog.acquire import record
from riglog.acquire.joined_slots import JoinedSlots
from riglog.acquire.summary import SourceSummary
from riglog.errors import ConfigError
from riglog.manager import Manager
from riglog.model import Batch, Channel, Sample, Stamp
from riglog.plugin import Registry
from riglog.testing import LoopClock


async def recorded(source: object, **options: object) -> list[Batch]:
    async with record(source, rate_hz=10, duration=1, clock=LoopClock(), **options) as run:  # type: ignore[arg-type]
        return [batch async for batch in run]


async def test_only_the_named_parameters_and_instances_are_recorded(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:bus", driver="toy", address=1)
        await manager.add("two", "sim:bus", driver="toy", address=2)
        batches = await recorded(manager, parameters=["level"], names=["two"])
        assert {str(sample.channel) for batch in batches for sample in batch} == {"two.level"}
        assert len(batches) == 10
        batches = await recorded(manager, parameters=["flow[1]"], instances=[1])
        assert {str(sample.channel) for batch in batches for sample in batch} == {"one.flow", "two.flow"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": ["mass"]}, "no channel 'mass'"),
        ({"parameters": "level"}, "'level' is not a list"),
        ({"instances": [2]}, "no channel of instance 2"),
    ],
)
async def test_a_part_that_no_channel_has_is_refused_before_anything_is_sent(
    registry: Registry, options: dict[str, object], message: str
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:bus", driver="toy", address=1)
        with pytest.raises(ValueError, match=message) as raised:
            await recorded(manager, **options)
        assert isinstance(raised.value, ConfigError)
        assert raised.value.hint
        with pytest.raises(ConfigError, match=message):
            await manager.poll(**options)  # type: ignore[arg-type]


async def test_a_poll_of_named_parameters_gives_only_these(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:bus", driver="toy", address=1)
        await manager.add("two", "sim:bus", driver="toy", address=2)
        assert [str(sample.channel) for sample in await manager.poll(parameters=["flow"])] == ["one.flow", "two.flow"]
        results = await manager.poll_each(["two"], parameters=["level"])
        assert [str(sample.channel) for sample in results["two"].value or ()] == ["two.level"]
        assert results["two"].protocol == "toy"
        with pytest.raises(ConfigError, match="unknown device 'level'") as raised:
            await manager.poll(["level"])
        assert raised.value.hint == "It is a parameter: write parameters=['level']"


CHANNEL = Channel(device="own", driver="own", protocol="own", address=None, parameter="level")


class OnlyPoll:
    """A source of somebody who has not read the documentation."""

    def __init__(self, channels: int = 1) -> None:
        self.polls = 0
        self.number = channels

    async def poll(self) -> list[Sample]:
        self.polls += 1
        return [Sample(channel=CHANNEL, stamp=Stamp(0, None, 0), value=self.polls, unit=None)] * self.number


async def test_a_source_that_has_only_poll_is_recorded_with_the_channels_of_its_first_poll() -> None:
    source = OnlyPoll()
    batches = await recorded(source)
    assert [batch[0].value for batch in batches] == list(range(2, 12))  # the first poll is before the first slot
    assert [batch.tick for batch in batches] == list(range(10))


async def test_what_cannot_be_polled_is_refused() -> None:
    with pytest.raises(ConfigError, match="int is not a source"):
        await recorded(3)
    with pytest.raises(ConfigError, match="the first poll of the source gave no samples"):
        await recorded(OnlyPoll(channels=0))


async def test_a_batch_is_a_sequence_of_its_samples() -> None:
    (batch, *_) = await recorded(Metronome(channels=3))
    assert len(batch) == 3
    assert list(batch) == list(batch.samples) == batch[:]
    assert batch[-1] is batch.samples[2]


async def test_ticks_join_the_ports_of_a_slot(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:first", driver="toy", address=1)
        await manager.add("two", "sim:second", driver="toy", address=2)
        async with record(manager, rate_hz=10, duration=1, clock=LoopClock()) as run:
            ticks = [tick async for tick in run.ticks()]
    assert [tick.tick for tick in ticks] == list(range(10))
    assert {frozenset(sample.device for sample in tick) for tick in ticks} == {frozenset({"one", "two"})}


def test_a_slot_waits_for_every_port_of_its_rate_and_not_for_one_that_ended() -> None:
    sources = {name: SourceSummary(name, rate) for name, rate in (("a", 10.0), ("b", 10.0), ("slow", 1.0))}
    joined = JoinedSlots()

    def ticks_after(source: str, tick: int | None) -> list[tuple[str, int | None]]:
        return [(each.source, each.tick) for each in joined.add(Batch(source, tick, []), sources)]

    assert ticks_after("a", 0) == []
    assert ticks_after("b", 0) == [("a, b", 0)]
    assert ticks_after("a", 1) == []
    assert ticks_after("slow", 0) == [("slow", 0)]
    assert ticks_after("b", None) == [("b", None)]
    sources["b"].ended = True
    assert ticks_after("a", 2) == [("a", 1), ("a", 2)]
    sources["b"].ended = False
    assert ticks_after("a", 3) == []
    assert [(each.source, each.tick) for each in joined.rest()] == [("a", 3)]

"""When something fails: lost ports come back, silent devices are left alone, strangers are not recorded."""

import itertools

import anyio
import pytest
from recorded_rig import Plug, kinds, recorded, rows
from toy import ToyDriver

from riglog.manager import Manager
from riglog.manager.breaker import MAX_DELAY_DEDICATED, MAX_DELAY_SHARED, Breaker
from riglog.model import EventKind, Sample, Status
from riglog.plugin import Registry
from riglog.testing import LoopClock


async def test_a_pulled_cable_gives_skipped_rows_and_good_ones_again_after_its_return(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        async with recorded(manager, 20) as (recording, batches):
            await anyio.sleep(5.01)
            plug.pull()
            await anyio.sleep(5)
            plug.put_back()
    assert [batch.tick for batch in batches] == list(range(200))
    skipped = rows(batches, "one", Status.SKIPPED)
    assert skipped == list(range(51, skipped[-1] + 1))  # type: ignore[operator]
    assert skipped[-1] < 120  # type: ignore[operator]  # back within two seconds
    assert len(rows(batches, "one", Status.OK)) + len(skipped) == 200
    assert kinds(recording) == [EventKind.PORT_LOST, EventKind.PORT_RESTORED]
    assert recording.summary.port_losses == 1


@pytest.mark.slow
async def test_a_lost_port_is_tried_more_and_more_seldom_and_never_too_seldom(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        plug = Plug(manager, "sim:1")
        async with recorded(manager, 600, rate_hz=20):
            for _ in range(2):
                await anyio.sleep(10)
                plug.attempts.clear()
                plug.pull()
                await anyio.sleep(200)
                pauses = [round(after - before, 3) for before, after in itertools.pairwise(plug.attempts)]
                assert pauses[0] == pytest.approx(0.2, abs=0.06)  # attempts fall on slots
                assert all(0.5 <= pause < 0.56 for pause in pauses[1:])
                plug.put_back()


async def test_a_port_that_is_gone_costs_the_others_no_slot(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in range(4):
            await manager.add(f"d{number}", f"sim:{number}", driver="toy")
        plug = Plug(manager, "sim:0")
        async with recorded(manager, 20) as (_, batches):
            await anyio.sleep(3)
            plug.pull()
    for number in (1, 2, 3):
        assert rows(batches, f"d{number}", Status.OK) == list(range(200))


@pytest.mark.slow
async def test_a_silent_port_costs_the_others_no_slot(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in range(16):
            await manager.add(f"d{number}", f"sim:{number // 4}", driver="toy", address=number % 4 + 1)
        async with recorded(manager, 20) as (_, batches):
            await anyio.sleep(1)
            for number in range(4):
                toy.simulators[f"d{number}"].silent = True
    for number in range(4, 16):
        assert rows(batches, f"d{number}", Status.OK) == list(range(200))
    for number in range(4):
        due = [sample for batch in batches for sample in batch.samples if sample.device == f"d{number}"]
        assert len(due) == 400


@pytest.mark.slow
async def test_a_dead_address_on_a_shared_line_leaves_its_neighbours_their_cadence(
    registry: Registry, toy: ToyDriver
) -> None:
    minutes = 20
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("dead", "sim:bus", driver="toy", address=1, parameters=["level"])
        await manager.add("neighbour", "sim:bus", driver="toy", address=2, parameters=["level"])
        async with recorded(manager, minutes * 60, rate_hz=2) as (recording, batches):
            await anyio.sleep(1)
            toy.simulators["dead"].silent = True
    slots = minutes * 60 * 2
    assert len(rows(batches, "neighbour", Status.OK)) >= 0.99 * slots
    assert len(rows(batches, "dead", Status.SKIPPED)) > 0.95 * slots
    assert kinds(recording) == [EventKind.DEVICE_NOT_RESPONDING]


async def test_a_line_on_which_nobody_answered_for_long_is_recorded_again_soon(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in (1, 2):
            await manager.add(f"d{number}", "sim:bus", driver="toy", address=number)
        async with recorded(manager, 620, rate_hz=2) as (_, batches):
            for simulator in toy.simulators.values():
                simulator.silent = True
            await anyio.sleep(600)
            for simulator in toy.simulators.values():
                simulator.silent = False
    for number in (1, 2):
        back = [tick for tick in rows(batches, f"d{number}", Status.OK) if tick is not None and tick > 100]
        assert back[0] <= 1200 + 10
        assert back == list(range(back[0], 1240))


@pytest.mark.slow
async def test_a_device_that_was_silent_is_asked_at_once_when_its_port_is_back(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in (1, 2):
            await manager.add(f"d{number}", "sim:bus", driver="toy", address=number)
        plug = Plug(manager, "sim:bus")
        async with recorded(manager, 620, rate_hz=2) as (_, batches):
            toy.simulators["d1"].silent = True
            await anyio.sleep(598)
            plug.pull()
            toy.simulators["d1"].silent = False
            await anyio.sleep(2)
            plug.put_back()
    assert rows(batches, "d1", Status.OK)[-1] == 1239
    assert len(rows(batches, "d1", Status.OK)) >= 36


async def test_a_silent_device_that_answers_again_is_recorded_again(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        async with recorded(manager, 20) as (recording, batches):
            await anyio.sleep(2)
            toy.simulators["one"].silent = True
            await anyio.sleep(8)
            toy.simulators["one"].silent = False
    assert [batch.tick for batch in batches] == list(range(200))
    assert [tick for tick in rows(batches, "one", Status.OK) if tick is not None and tick > 125] == list(
        range(126, 200)
    )
    assert kinds(recording) == [EventKind.DEVICE_NOT_RESPONDING, EventKind.DEVICE_RESPONDING]


async def test_another_instrument_on_the_same_port_is_not_recorded(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1")
        plug = Plug(manager, "sim:1")
        async with recorded(manager, 20) as (recording, batches):
            await anyio.sleep(2)
            plug.pull()
            toy.simulators["one"].identity = "SN-2"
            plug.put_back()
            await anyio.sleep(8)
            plug.pull()
            toy.simulators["one"].identity = "SN-1"
            plug.put_back()
    told = [event for event in recording.events if event.kind is EventKind.WRONG_INSTRUMENT]
    assert [event.message for event in told] == ["wrong instrument: expected SN-1, found SN-2; values are not recorded"]
    assert not [tick for tick in rows(batches, "one", Status.OK) if tick is not None and 21 < tick < 100]
    assert rows(batches, "one", Status.OK)[-1] == 199


async def test_devices_come_and_go_while_a_recording_runs(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("first", "sim:1", driver="toy")
        async with recorded(manager, 10) as (_, batches):
            await anyio.sleep(3)
            await manager.add("neighbour", "sim:1", driver="toy", address=2)
            await manager.add("second", "sim:2", driver="toy")
            await anyio.sleep(3)
            await manager.remove("first")
    assert len(rows(batches, "first", Status.OK)) == pytest.approx(60, abs=2)
    assert len(rows(batches, "neighbour", Status.OK)) == pytest.approx(70, abs=2)
    assert len(rows(batches, "second", Status.OK)) == pytest.approx(70, abs=2)


async def test_two_rates_on_one_port_keep_both(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("slow", "sim:1", driver="toy", address=1)
        await manager.add("fast", "sim:1", driver="toy", address=2, rate_hz=20.0)
        async with recorded(manager, 10, rate_hz=1) as (_, batches):
            pass
    assert rows(batches, "slow", Status.OK) == list(range(10))
    assert rows(batches, "fast", Status.OK) == list(range(200))


def test_the_breaker_opens_at_the_second_silence_and_probes_ever_more_seldom() -> None:
    breaker = Breaker()
    assert not breaker.record_failure(0.0, shared=True)
    assert breaker.may_poll(0.0)
    assert breaker.record_failure(0.1, shared=True)
    probes, now = [], 0.1
    while now < 1000:
        if breaker.may_poll(now):
            probes.append(now)
            assert not breaker.record_failure(now, shared=True)
        now = round(now + 0.1, 6)
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(probes)]
    assert gaps[:6] == [2, 4, 8, 16, 32, 64]
    assert set(gaps[6:]) == {int(MAX_DELAY_SHARED)}
    assert breaker.record_success()
    assert not breaker.record_success()
    assert breaker.may_poll(now)


def test_a_device_alone_on_its_port_is_probed_often() -> None:
    breaker = Breaker()
    for second in range(20):
        breaker.record_failure(float(second), shared=False)
    assert not breaker.may_poll(19.0)
    assert breaker.may_poll(19.0 + MAX_DELAY_DEDICATED)


async def test_a_bug_in_a_driver_is_a_row_and_an_event_and_stops_nobody(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        buggy = await manager.add("buggy", "sim:1", driver="toy", address=1)
        await manager.add("fine", "sim:1", driver="toy", address=2)

        async def poll(line: object = None) -> list[Sample]:
            raise ZeroDivisionError("division by zero")

        buggy.poll = poll  # type: ignore[method-assign, assignment]
        async with recorded(manager, 5) as (recording, batches):
            pass
    assert len(rows(batches, "fine", Status.OK)) == 50
    absent = [sample for batch in batches for sample in batch.samples if sample.device == "buggy"]
    assert len(absent) == 100
    assert absent[0].error == "driver error (bug in the plugin): ZeroDivisionError: division by zero"
    assert kinds(recording) == [EventKind.DRIVER_FAILED]

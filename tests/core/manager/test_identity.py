"""The identity of an instrument: checked while the line is idle, and on every way back into the rig."""

import anyio
import pytest
from recorded_rig import recorded, rows
from toy import Ask, Toy, ToyDriver, ToySimulator

from riglog.acquire import ActiveRun, record
from riglog.errors import ConfigError, DeviceRefusedError
from riglog.manager import Manager
from riglog.manager.acceptance import user
from riglog.manager.identity import KnownIdentity
from riglog.model import NS, Event, EventKind, Status
from riglog.plugin import Registry
from riglog.protocol import HeldLine
from riglog.simulation import Fault, FaultyWire, SimulatedTransport
from riglog.testing import LoopClock

WRONG = "wrong instrument: expected SN-1, found SN-2; values are not recorded"


def of_kind(recording: ActiveRun, kind: EventKind) -> list[Event]:
    return [event for event in recording.events if event.kind is kind]


def identity_reads(toy: ToyDriver, name: str = "one") -> int:
    return len(toy.simulators[name].given["who"])


# --- what is known, without a device


def test_the_first_identity_is_expected_from_then_on() -> None:
    known = KnownIdentity(60)
    assert known.learn("SN-1", 0)
    assert (known.expected, known.confirmed) == ("SN-1", True)
    assert known.compare("SN-1", NS) is None


def test_an_event_names_the_time_since_the_last_confirmation() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 1_800_000_000 * NS)
    found = known.compare("SN-2", 1_800_000_060 * NS)
    assert found is not None
    assert found.kind is EventKind.WRONG_INSTRUMENT
    assert found.message == (
        f"{WRONG}; those from 2027-01-15T08:00:00.000000Z (last confirmed) to 2027-01-15T08:01:00.000000Z (this check)"
        " may be from either"
    )
    assert (known.confirmed, known.mismatch) == (False, WRONG)
    assert known.compare("SN-2", 1_800_000_061 * NS) is None  # one event for one change of state


def test_after_an_interruption_no_value_was_recorded_that_could_be_from_either() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 0)
    known.confirmed = False
    found = known.compare("SN-2", NS)
    assert found is not None
    assert found.message == WRONG


def test_a_device_without_an_identity_claims_nothing() -> None:
    known = KnownIdentity(60)
    assert known.learn(None, 0)
    assert known.compare(None, NS) is None
    assert (known.expected, known.confirmed, known.next_check) == (None, True, None)


def test_an_identity_that_is_reported_for_the_first_time_later_is_expected_from_then_on() -> None:
    known = KnownIdentity(60)
    known.learn(None, 0)
    found = known.compare("SN-1", NS)
    assert found is not None
    assert (found.kind, found.message) == (EventKind.IDENTITY_EXPECTED, "identity: SN-1")
    assert known.compare("SN-2", NS) is not None


def test_an_identity_that_is_not_reported_any_more_is_not_another_instrument() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 0)
    found = known.compare(None, NS)
    assert found is not None
    assert found.kind is EventKind.IDENTITY_UNCONFIRMED
    assert known.confirmed
    assert known.compare(None, NS) is None
    again = known.compare("SN-1", NS)
    assert again is not None
    assert again.kind is EventKind.IDENTITY_CONFIRMED


def test_no_identity_does_not_prove_that_the_other_instrument_is_gone() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 0)
    known.compare("SN-2", NS)
    assert known.compare(None, NS) is None
    assert not known.confirmed


def test_characters_that_cannot_be_stored_do_not_make_another_instrument() -> None:
    known = KnownIdentity(60)
    known.expected = "SN\\x00"  # as it was stored with the run
    assert known.learn("SN\0", 0)
    assert known.confirmed


def test_the_idle_time_that_a_check_needs_is_learnt() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 0)
    known.note_check(0.0, 0.1)
    assert (known.needs_seconds, known.next_check) == (pytest.approx(0.22), 60.0)
    known.note_check(60.0, 3.0)  # a lost reply, and a retry
    assert known.needs_seconds == pytest.approx(0.22)
    known.note_check(120.0, 3.0)
    assert known.needs_seconds == pytest.approx(6.02)


def test_a_failed_check_is_repeated_soon_and_is_no_measure_of_a_check() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 0)
    known.note_check(0.0, 0.1)
    known.note_failure(60.0)
    assert (known.needs_seconds, known.next_check) == (pytest.approx(0.22), 65.0)


def test_a_check_that_the_next_slot_has_cut_needs_more_idle_time_at_once() -> None:
    known = KnownIdentity(60)
    known.learn("SN-1", 0)
    known.note_check(0.0, 0.1)
    known.note_cut(60.0, 0.5)
    assert known.needs_seconds == pytest.approx(1.02)


# --- while the line stays up


async def test_another_instrument_is_noticed_although_the_line_stays_up(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1", identity_check=5)
        async with recorded(manager, 30, rate_hz=1) as (recording, batches):
            await anyio.sleep(12)
            toy.simulators["one"].identity = "SN-2"
            await anyio.sleep(10)
            toy.simulators["one"].identity = "SN-1"
    (wrong,) = of_kind(recording, EventKind.WRONG_INSTRUMENT)
    assert wrong.message.startswith(f"{WRONG}; those from ")
    skipped = rows(batches, "one", Status.SKIPPED)
    assert skipped[0] in (15, 16, 17)
    assert rows(batches, "one", Status.OK) == [tick for tick in range(30) if tick not in skipped]
    assert skipped[-1] in (21, 22)  # the right instrument is back
    (confirmed,) = of_kind(recording, EventKind.IDENTITY_CONFIRMED)
    assert confirmed.message == "identity confirmed again: SN-1"


async def test_another_instrument_is_noticed_while_slow_sinks_keep_it_from_being_polled(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1", identity_check=5)
        async with record(manager, rate_hz=1, duration=60, buffer_size=1, clock=LoopClock()) as recording:
            await anyio.sleep(10)  # nothing is polled after the first slots
            toy.simulators["one"].identity = "SN-2"
            await anyio.sleep(20)
            batches = [batch async for batch in recording.stream]
    (wrong,) = of_kind(recording, EventKind.WRONG_INSTRUMENT)
    assert wrong.message.startswith(f"{WRONG}; those from ")
    assert rows(batches, "one", Status.OK) == [0, 1]
    assert [batch.tick for batch in batches] == list(range(60))


async def test_a_line_that_is_never_idle_long_enough_is_not_checked_and_loses_no_slot(
    registry: Registry, toy: ToyDriver
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity_check=1)
        toy.simulators["one"].latency = 0.02  # a poll takes 40 ms of 50, an identity check 20
        async with recorded(manager, 10, rate_hz=20) as (recording, batches):
            before = identity_reads(toy)
    assert rows(batches, "one", Status.OK) == list(range(200))
    assert recording.summary.sources["sim:1"].start_delay.maximum < 0.001
    assert identity_reads(toy) == before


async def test_the_time_of_a_check_is_learnt(registry: Registry, toy: ToyDriver) -> None:
    """An identity that takes long is not read in a gap that is long enough for a short one."""
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity_check=1)
        async with recorded(manager, 30, rate_hz=5) as (recording, batches):
            await anyio.sleep(5)
            assert identity_reads(toy) > 4
            toy.simulators["one"].latency = 0.065  # 130 ms of 200 for a poll
            await anyio.sleep(5)
            before = identity_reads(toy)
            await anyio.sleep(20)
    assert identity_reads(toy) == before
    assert len(rows(batches, "one", Status.OK)) == 150
    assert recording.summary.sources["sim:1"].start_delay.maximum < 0.001


async def test_a_check_that_suddenly_takes_longer_is_cut_when_the_slot_is_due(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    async def many_requests(self: Toy, line: HeldLine[Ask, str] | None = None) -> str | None:
        attempts.append(anyio.current_time())
        async with self.client.hold(line):
            await anyio.sleep(5)
        return "SN-1"

    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1", identity_check=2)
        monkeypatch.setattr(Toy, "identity", many_requests)
        async with recorded(manager, 60, rate_hz=1) as (recording, batches):
            pass
    assert rows(batches, "one", Status.OK) == list(range(60))
    assert recording.summary.sources["sim:1"].poll_time.maximum < 0.01
    assert len(attempts) == 1  # it is known now that no slot leaves that much time


async def test_several_devices_and_rates_on_one_line_keep_their_slots(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("slow", "sim:bus", driver="toy", address=1, identity_check=2)
        await manager.add("fast", "sim:bus", driver="toy", address=2, identity_check=2, rate_hz=10.0)
        async with recorded(manager, 30, rate_hz=1) as (recording, batches):
            pass
    assert rows(batches, "slow", Status.OK) == list(range(30))
    assert rows(batches, "fast", Status.OK) == list(range(300))
    assert identity_reads(toy, "slow") >= 14
    assert identity_reads(toy, "fast") >= 14
    assert max(source.start_delay.maximum for source in recording.summary.sources.values()) < 0.01  # of the other group


@pytest.mark.parametrize("rate_hz", [1.0, 2.0])
async def test_an_identity_check_without_a_reply_is_not_another_instrument_and_makes_no_slot_late(
    registry: Registry, rate_hz: float
) -> None:
    polls = round(5 * rate_hz) + 1  # until the first check
    simulator = ToySimulator(1, "SN-1")
    wire = FaultyWire(simulator, script=[None] * (2 + 2 * polls) + [Fault.DROP])  # opening, identity, polls, the check
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", SimulatedTransport(wire, port="line"), driver="toy", identity_check=5)
        async with recorded(manager, 30, rate_hz=rate_hz) as (recording, batches):
            await anyio.sleep(5.45)
            checks = len(simulator.given["who"])
            assert checks == 3
            assert len(simulator.given["level"]) == polls
    assert len(simulator.given["who"]) > checks
    assert recording.events[1:] == []
    assert rows(batches, "one", Status.OK) == list(range(round(30 * rate_hz)))
    timing = recording.summary.sources["line"]
    assert timing.start_delay.maximum < 0.001
    assert timing.poll_time.maximum < 0.01


async def test_a_refused_identity_check_is_not_another_instrument(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity_check=5)

        async def refused(self: Toy, line: object = None) -> str | None:
            raise DeviceRefusedError("busy", code=3)

        monkeypatch.setattr(Toy, "identity", refused)
        async with recorded(manager, 30, rate_hz=1) as (recording, batches):
            pass
    assert recording.events[1:] == []
    assert rows(batches, "one", Status.OK) == list(range(30))


async def test_zero_switches_the_check_off(registry: Registry, toy: ToyDriver) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity_check=0)
        before = identity_reads(toy)
        async with recorded(manager, 200, rate_hz=1):
            pass
    assert identity_reads(toy) == before


async def test_a_device_that_is_not_confirmed_by_a_bug_of_its_driver_is_recorded_on(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity_check=5)

        async def broken(self: Toy, line: object = None) -> str | None:
            raise ZeroDivisionError

        monkeypatch.setattr(Toy, "identity", broken)
        async with recorded(manager, 30, rate_hz=1) as (recording, batches):
            pass
    assert [event.kind for event in recording.events[1:]] == [EventKind.DRIVER_FAILED]
    assert rows(batches, "one", Status.OK) == list(range(30))


# --- removed and added


async def test_another_instrument_under_the_name_of_a_removed_one_is_not_recorded(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1")
        async with recorded(manager, 20, rate_hz=1) as (recording, batches):
            await anyio.sleep(5.5)
            await manager.remove("one")
            await manager.add("one", "sim:2", driver="toy", identity="SN-2")
            await anyio.sleep(5)
            await manager.remove("one")
            await manager.add("one", "sim:1", driver="toy", identity="SN-1")
    assert [event.message for event in of_kind(recording, EventKind.WRONG_INSTRUMENT)] == [WRONG]
    assert rows(batches, "one", Status.SKIPPED) == [6, 7, 8, 9, 10]
    assert rows(batches, "one", Status.OK) == [*range(6), *range(11, 20)]
    assert {sample.error for batch in batches for sample in batch.samples} == {None, WRONG}


async def test_an_instrument_that_was_replaced_on_purpose_is_accepted_by_name(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        events: list[Event] = []
        manager.subscribe(events.append)
        await manager.add("one", "sim:1", driver="toy", identity="SN-1")
        await manager.remove("one")
        await manager.add("one", "sim:1", driver="toy", identity="SN-2")
        assert {sample.status for sample in await manager.poll()} == {Status.SKIPPED}
        await manager.accept_identity("one")
        assert manager.identities == {"one": "SN-2"}
        assert {sample.status for sample in await manager.poll()} == {Status.OK}
        assert events[-1].message == f"identity accepted by user {user()}: SN-2 replaces SN-1"
        with pytest.raises(ConfigError, match="unknown device 'two'"):
            await manager.accept_identity("two")


async def test_a_ready_device_has_an_identity_too(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as owner:
        device = await owner.add("one", "sim:1", driver="toy", identity="SN-1")
        async with Manager(registry=registry, clock=LoopClock()) as manager:
            await manager.add("one", device)
            assert manager.identities == {"one": "SN-1"}


# --- stored with the run


async def test_the_identity_of_each_device_is_stored_with_the_run_and_is_not_a_change_of_state(
    registry: Registry,
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1")
        async with recorded(manager, 4, rate_hz=1) as (recording, _):
            await anyio.sleep(1.5)
            await manager.add("two", "sim:2", driver="toy", identity="SN-7")
            assert [event.kind for event in recording.events] == [EventKind.RUN_STARTED]
    stored = [event for event in recording.take_events() if event.kind is EventKind.IDENTITY_EXPECTED]
    assert [(event.device, event.message) for event in stored] == [
        ("one", "identity: SN-1"),
        ("two", "identity: SN-7"),
    ]


# --- one reply that is late or damaged


@pytest.mark.parametrize(
    ("replies", "is_other"),
    [(["SN-9"], False), (["SN-9", "SN-8"], False), (["SN-2"] * 9, True)],
)
async def test_another_instrument_is_what_two_replies_in_a_row_state(
    replies: list[str], is_other: bool, registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy", identity="SN-1", identity_check=5)
        async with recorded(manager, 20, rate_hz=1) as (recording, batches):
            await anyio.sleep(2)
            monkeypatch.setattr(toy.simulators["one"], "identities", list(replies))
            await anyio.sleep(15)
    wrong = [event.message for event in of_kind(recording, EventKind.WRONG_INSTRUMENT)]
    assert len(wrong) == is_other
    assert (rows(batches, "one", Status.OK) == list(range(20))) is not is_other

"""The instruments of a rig belong to the run: compared when it is resumed, replaced only if accepted by name."""

from pathlib import Path

import anyio
import pytest
from toy import ToyDriver

import riglog
from riglog.errors import ConfigError
from riglog.manager.acceptance import user
from riglog.model import NS, Event, EventKind
from riglog.plugin import Registry
from riglog.recordings import read_events
from riglog.rig import record_rig
from riglog.sinks.sqlite import stored_identities
from riglog.testing import LoopClock

RIG = """
[run]
name = "kiln"
rate_hz = 1.0
[[device]]
name = "oven"
driver = "toy"
port = "sim:1"
identity = "SN-1"
[[device]]
name = "stack"
driver = "toy"
port = "sim:2"
identity = "GA-1"
"""
WRONG = "wrong instrument: expected SN-1, found SN-2; values are not recorded"


class Rig:
    """A rig file that is recorded several times into one SQLite file."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.path = folder / "rig.toml"
        self.out = folder / "kiln.sqlite"
        self.registry = registry
        self.clock = LoopClock()

    async def record(self, *, oven: str = "SN-1", stack: str = "GA-1", **options: object) -> tuple[str, list[Event]]:
        """Record three seconds; return the id of the run and what was reported."""
        self.path.write_text(RIG.replace("SN-1", oven).replace("GA-1", stack))
        events: list[Event] = []
        outcome = await record_rig(
            self.path,
            out=self.out,
            duration=round(anyio.current_time()) + 3 if options.get("resume") else 3,
            registry=self.registry,
            clock=self.clock,
            on_event=events.append,
            **options,  # type: ignore[arg-type]
        )
        await anyio.sleep(1.5)
        return outcome.run.id, [event for event in events if event.kind not in RUNNING]

    def statuses(self, device: str, run: str) -> set[str]:
        """Return the statuses of a device in the last run, after the rows that were there before."""
        rows = list(riglog.read(self.out, run=run, device=device))
        return {row.status for row in rows[-4:]}


RUNNING = (EventKind.RUN_STARTED, EventKind.RUN_RESUMED, EventKind.RUN_FINISHED)


@pytest.fixture
def rig(tmp_path: Path, registry: Registry, toy: ToyDriver) -> Rig:
    return Rig(tmp_path, registry)


async def test_the_identity_of_each_device_is_stored_with_the_run(rig: Rig) -> None:
    run, reported = await rig.record()
    assert reported == []
    assert stored_identities(rig.out, "kiln") == {"oven": "SN-1", "stack": "GA-1"}
    assert [
        (event.device, event.message) for event in read_events(rig.out, run=run) if "identity" in event.message
    ] == [
        ("oven", "identity: SN-1"),
        ("stack", "identity: GA-1"),
    ]


async def test_a_run_is_resumed_with_its_instruments(rig: Rig) -> None:
    first, _ = await rig.record()
    second, reported = await rig.record(resume=True)
    assert (second, reported) == (first, [])
    assert rig.statuses("oven", first) == {"ok"}


async def test_another_instrument_is_noticed_when_a_run_is_resumed(rig: Rig) -> None:
    first, _ = await rig.record()
    second, reported = await rig.record(oven="SN-2", resume=True)
    assert second == first
    assert [(event.kind, event.device, event.message) for event in reported] == [
        (EventKind.WRONG_INSTRUMENT, "oven", WRONG)
    ]
    assert rig.statuses("oven", first) == {"skipped"}
    assert rig.statuses("stack", first) == {"ok"}
    assert stored_identities(rig.out, "kiln")["oven"] == "SN-1"  # that of the run, not of the instrument found
    _, again = await rig.record(oven="SN-2", resume=True)
    assert [event.message for event in again] == [WRONG]


async def test_a_replaced_instrument_is_accepted_by_name_in_a_new_run(rig: Rig) -> None:
    first, _ = await rig.record()
    second, reported = await rig.record(oven="SN-2", resume=True, accept_identity=["oven"])
    assert second != first
    assert [(event.kind, event.device, event.message) for event in reported] == [
        (EventKind.IDENTITY_ACCEPTED, "oven", f"identity accepted by user {user()}: SN-2 replaces SN-1")
    ]
    assert rig.statuses("oven", second) == {"ok"}
    assert {row.run for row in riglog.read(rig.out, run=second)} == {second}
    third, reported = await rig.record(oven="SN-2", resume=True)
    assert (third, reported) == (second, [])  # the new run has the new identity


async def test_an_instrument_that_is_the_same_replaces_nothing(rig: Rig) -> None:
    await rig.record()
    _, reported = await rig.record(resume=True, accept_identity=["oven"])
    assert [event.message for event in reported] == [f"identity accepted by user {user()}: it is SN-1 as before"]


async def test_only_the_named_device_is_accepted(rig: Rig) -> None:
    await rig.record()
    run, reported = await rig.record(oven="SN-2", stack="GA-2", resume=True, accept_identity=["stack"])
    assert [event.kind for event in reported] == [EventKind.IDENTITY_ACCEPTED, EventKind.WRONG_INSTRUMENT]
    assert rig.statuses("stack", run) == {"ok"}
    assert rig.statuses("oven", run) == {"skipped"}


async def test_without_an_earlier_run_nothing_is_replaced(rig: Rig) -> None:
    _, reported = await rig.record(accept_identity=["oven"])
    assert [event.message for event in reported] == [f"identity accepted by user {user()}: SN-1 replaces (not known)"]


async def test_a_new_run_starts_with_the_instruments_that_are_there(rig: Rig) -> None:
    await rig.record()
    run, reported = await rig.record(oven="SN-2")
    assert reported == []
    assert rig.statuses("oven", run) == {"ok"}


async def test_an_unknown_name_is_an_error_before_anything_is_opened(rig: Rig, toy: ToyDriver) -> None:
    await rig.record()
    toy.simulators.clear()
    with pytest.raises(ConfigError, match="accept_identity: unknown device 'owen'") as caught:
        await rig.record(accept_identity=["owen"])
    assert caught.value.hint == "Devices of this rig: oven, stack"
    assert toy.simulators == {}


async def test_a_recording_of_an_earlier_version_has_no_identities_and_is_resumed(rig: Rig) -> None:
    import sqlite3
    from contextlib import closing

    first, _ = await rig.record()
    with closing(sqlite3.connect(rig.out)) as database, database:
        database.execute("DELETE FROM event WHERE kind = 'identity_expected'")
    second, reported = await rig.record(oven="SN-2", resume=True)
    assert (second, reported) == (first, [])


@pytest.mark.parametrize("is_again", [False, True])
async def test_a_new_run_that_cannot_resume_the_earlier_one_expects_its_instruments(rig: Rig, is_again: bool) -> None:
    """The clock is behind. The run after it expects them as well, although the right one was never there."""
    await rig.record()
    rig.clock = Behind(rig.clock)
    run, reported = await rig.record(oven="SN-2", resume=True)
    if is_again:
        run, reported = await rig.record(oven="SN-2", resume=True)
    assert [event.message for event in reported if event.kind is EventKind.WRONG_INSTRUMENT] == [WRONG]
    assert rig.statuses("oven", run) == {"skipped"}
    assert rig.statuses("stack", run) == {"ok"}


class Behind(LoopClock):
    """An hour behind another clock."""

    def __init__(self, clock: LoopClock) -> None:
        super().__init__()
        self.clock = clock

    def utc_ns(self) -> int:
        return self.clock.utc_ns() - 3_600 * NS

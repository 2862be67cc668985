"""The alarms of a run that is recorded: events, states in the file, acknowledgements, and actions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from toy import ToyDriver

from riglog.acquire import ActiveRun
from riglog.alarms import Dispatcher
from riglog.config import RigConfig, load_rig
from riglog.errors import ConfigError
from riglog.model import Acknowledgement, Actor, Event, EventKind
from riglog.plugin import Registry
from riglog.recordings import acknowledge_alarm, read_alarms, read_events, salvage
from riglog.rig import Outcome, record_rig
from riglog.sinks.inbox import Inbox
from riglog.testing import LoopClock

RIG = """
[run]
name = "kiln"
rate_hz = 1.0
[[sink]]
type = "sqlite"
path = "{path}"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
parameters = ["level"]
[[alarm]]
name = "full"
channel = "oven.level"
high = 12
for = "3s"
actions = ["lamp"]
[[alarm]]
name = "lost"
channel = ["oven.level", "oven.flow"]
stale = 5
[actions.lamp]
type = "program"
arguments = ["lamp"]
"""
ALARMS = {EventKind.ALARM_RAISED, EventKind.ALARM_CLEARED, EventKind.ALARM_ACKNOWLEDGED, EventKind.ALARM_ACTION_FAILED}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kiln.sqlite"


@pytest.fixture
def rig(tmp_path: Path, path: Path, registry: Registry) -> RigConfig:
    file = tmp_path / "rig.toml"
    file.write_text(RIG.replace("{path}", str(path)))
    return load_rig(file, registry=registry)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The actions that would have been started, instead of starting them."""
    found: list[tuple[str, ...]] = []

    def start(self: Dispatcher, names: tuple[str, ...], facts: Any) -> None:
        found.extend((name, facts["alarm"], facts["state"], facts["channel"]) for name in names)

    monkeypatch.setattr(Dispatcher, "start", start)
    return found


async def recorded(rig: RigConfig, registry: Registry, **more: Any) -> tuple[Outcome, list[str]]:
    events: list[Event] = []
    outcome = await record_rig(
        rig,
        registry=registry,
        clock=LoopClock(),
        allow_commands=True,
        on_event=events.append,
        **{"duration": 30} | more,
    )
    return outcome, [f"{event.kind.value} {event.message}" for event in events if event.kind in ALARMS]


async def test_alarms_are_raised_in_the_recording_and_start_their_actions(
    rig: RigConfig, registry: Registry, path: Path, started: list[tuple[str, ...]]
) -> None:
    outcome, events = await recorded(rig, registry)
    assert events[0] == "alarm_raised lost on flow: no usable value for 5 s"
    assert events[1].startswith("alarm_raised full on level: above 12: ")
    assert len(events) == 2
    assert started == [("lamp", "full", "raised", "oven.level")]
    alarms = {(alarm.name, alarm.channel): alarm for alarm in read_alarms(path)}
    assert [alarm.state for alarm in alarms.values()] == ["raised", "normal", "raised"]
    full = alarms["full", "oven.level"]
    assert (full.acknowledged, full.value, full.definition["high"]) == (False, full.value, 12)
    assert full.run == outcome.run.id
    kinds = [event.kind for event in read_events(path)]
    assert (kinds.count("alarm_defined"), kinds.count("alarm_raised")) == (3, 2)


async def test_a_device_that_is_silent_raises_staleness_and_clears_nothing(
    rig: RigConfig, registry: Registry, toy: ToyDriver, started: list[tuple[str, ...]]
) -> None:
    async def change(active: ActiveRun) -> None:
        await anyio.sleep(20)
        toy.simulators["oven"].silent = True
        await anyio.sleep(20)
        toy.simulators["oven"].silent = False
        toy.simulators["oven"].count = 0

    _, events = await recorded_while(rig, registry, change, duration=70)
    texts = [event.partition(":")[0] for event in events]
    assert texts == [
        "alarm_raised lost on flow",
        "alarm_raised full on level",
        "alarm_raised lost on level",
        "alarm_cleared full on level",
        "alarm_cleared lost on level",
        "alarm_raised full on level",
    ]
    assert [state for _, _, state, _ in started] == ["raised", "cleared", "raised"]


async def recorded_while(
    rig: RigConfig, registry: Registry, change: Callable[[ActiveRun], Any], **more: Any
) -> tuple[Outcome, list[str]]:
    async with anyio.create_task_group() as tasks:
        outcome = await recorded(rig, registry, on_start=lambda active: tasks.start_soon(change, active), **more)
        tasks.cancel_scope.cancel()
    return outcome


async def test_an_alarm_is_acknowledged_through_the_inbox_and_from_the_program(
    rig: RigConfig, registry: Registry, path: Path, started: list[tuple[str, ...]]
) -> None:
    shown: list[list[tuple[str, bool, bool]]] = []

    async def acknowledge(active: ActiveRun) -> None:
        await anyio.sleep(20)
        with pytest.raises(ConfigError, match="no alarm 'ful' in the latest run"):
            acknowledge_alarm(path, "ful")
        author = Actor("anna", "test", "here")
        Inbox(path).put(Acknowledgement(message_id="a" * 32, written_ns=1, alarm="full", author=author))
        active.acknowledge_alarm("lost", author="ben")
        active.acknowledge_alarm("lost", author="ben")
        while not all(each.acknowledged for each in active.shown_alarms()):
            await anyio.sleep(1)  # in virtual time: as long as the thread takes that reads the inbox
        shown.append([(each.name, each.active, each.acknowledged) for each in active.shown_alarms()])
        active.stop()

    _, events = await recorded_while(rig, registry, acknowledge, duration=100_000)
    assert sorted(events[2:]) == [
        "alarm_acknowledged full on level: acknowledged by anna",
        "alarm_acknowledged lost on flow: acknowledged by ben",
        "alarm_acknowledged lost: no alarm to acknowledge, sent by ben",
    ]
    assert shown == [[("full", True, True), ("lost", True, True)]]
    by = {(alarm.name, alarm.channel): alarm.by for alarm in read_alarms(path)}
    assert by == {("full", "oven.level"): "anna", ("lost", "oven.level"): None, ("lost", "oven.flow"): "ben"}
    with pytest.raises(ConfigError, match="acknowledged already"):
        acknowledge_alarm(path, "full")
    assert not Inbox(path).folder.exists()


async def test_an_alarm_is_acknowledged_after_the_end(
    rig: RigConfig, registry: Registry, path: Path, tmp_path: Path, started: list[tuple[str, ...]]
) -> None:
    await recorded(rig, registry)
    assert acknowledge_alarm(path, "full", author="anna") == "stored"
    (full,) = [alarm for alarm in read_alarms(path) if alarm.name == "full"]
    assert (full.state, full.acknowledged, full.by) == ("raised", True, "anna")
    assert salvage(path, tmp_path / "saved.sqlite").complete
    assert read_alarms(tmp_path / "saved.sqlite") == read_alarms(path)


async def test_a_resumed_run_keeps_an_alarm_raised_until_a_value_shows_otherwise(
    rig: RigConfig, registry: Registry, path: Path, toy: ToyDriver, started: list[tuple[str, ...]]
) -> None:
    outcome, _ = await recorded(rig, registry)
    acknowledge_alarm(path, "full")
    await anyio.sleep(5)
    _, events = await recorded(rig, registry, resume=outcome.run, duration=8)
    (event,) = [event for event in events if " full " in event]
    assert event.startswith("alarm_cleared full on level: normal again: ")
    kinds = [event.kind for event in read_events(path)]
    assert kinds.count("alarm_defined") == 3
    assert {alarm.run for alarm in read_alarms(path)} == {outcome.run.id}


async def test_a_program_needs_permission_before_anything_is_opened(
    rig: RigConfig, registry: Registry, path: Path
) -> None:
    with pytest.raises(ConfigError, match="lamp starts a program, which is not allowed"):
        await record_rig(rig, registry=registry, clock=LoopClock(), duration=1)
    assert not path.exists()


async def test_an_action_that_fails_is_an_event_and_costs_no_row(
    rig: RigConfig, registry: Registry, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: Dispatcher, names: tuple[str, ...], facts: Any) -> None:
        for name in names:
            self._failed(name, "not sent: \x00 refused")
        json.dumps(facts)

    monkeypatch.setattr(Dispatcher, "start", start)
    outcome, events = await recorded(rig, registry)
    assert [event for event in events if "failed" in event] == [
        "alarm_action_failed action lamp failed: not sent: \\x00 refused"
    ]
    assert (outcome.summary.slots_polled, outcome.summary.samples_missing_or_skipped) == (30, 0)


async def test_a_fault_in_an_alarm_costs_no_row(
    rig: RigConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch, started: list[tuple[str, ...]]
) -> None:
    def broken(self: object, sample: object) -> None:
        raise ZeroDivisionError("bug")

    monkeypatch.setattr("riglog.alarms.evaluation.ChannelAlarm.take", broken)
    outcome, events = await recorded(rig, registry, duration=5)
    assert outcome.summary.samples == 5
    assert events == ["alarm_action_failed alarm full: sample not evaluated: ZeroDivisionError: bug"]

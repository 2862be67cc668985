"""Who has started a run, written, noted and acknowledged, and why; and rigs that must not be changed."""

import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from meter import Ask, MeterDriver

import riglog
from riglog.errors import ConfigError, ReplyTimeoutError, WriteRefusedError
from riglog.model import Event, EventKind, ParameterWrite
from riglog.model.actor import MAX_REASON, user
from riglog.plugin import Registry
from riglog.recordings import contents, read_alarms, read_events, read_notes, verify
from riglog.testing import LoopClock

RIG = """
[run]
name = "tank"
rate_hz = 5.0
duration = 2
{more}
[[device]]
name = "one"
driver = "meter"
port = "sim:1"
[[alarm]]
name = "high"
channel = "one.pressure"
high = 100
"""
WRITES = """
SELECT parameter_write.device, parameter, instance, old_value, new_value, unit, confirmed, user, program, reason
FROM parameter_write JOIN event ON event.id = event_id LEFT JOIN actor ON actor.id = actor_id ORDER BY event_id"""
RIGLOG = f"riglog {version('riglog')}"


@pytest.fixture
def meters(registry: Registry) -> Registry:
    registry.drivers["meter"] = MeterDriver()
    return registry


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def rig_file(folder: Path, more: str = "") -> Path:
    path = folder / "rig.toml"
    path.write_text(RIG.format(more=more))
    return path


async def test_the_start_of_a_run_states_who_and_why(tmp_path: Path, meters: Registry) -> None:
    out = tmp_path / "tank.sqlite"
    options: dict[str, Any] = {"out": out, "registry": meters, "clock": LoopClock()}
    await riglog.record_rig(rig_file(tmp_path), reason=" batch 12 ", **options)
    await riglog.record_rig(rig_file(tmp_path), resume=True, duration=1, reason="after the power cut", **options)
    found = {event.kind: event for event in read_events(out)}
    started, resumed = found["run_started"], found["run_resumed"]
    assert (started.user, started.program, started.reason) == (user(), RIGLOG, "batch 12")
    assert (resumed.user, resumed.host, resumed.reason) == (user(), started.host, "after the power cut")
    (run,) = contents(out).runs
    assert (run.user, run.program, run.reason) == (user(), RIGLOG, "batch 12")


async def test_a_write_is_stored_with_the_values_before_and_after(tmp_path: Path, meters: Registry) -> None:
    out = tmp_path / "tank.sqlite"
    clock = LoopClock()
    async with riglog.Manager(registry=meters, clock=clock) as rig:
        one = await rig.add("one", "sim:1", driver="meter")
        async with riglog.record(rig, rate_hz=5, duration=2, clock=clock) as recording:
            with riglog.reason("less pressure"):
                await one.set_parameter("limit", "850", confirm=True)
            await one.set_parameter("limit", "800.5", confirm=True)
            await riglog.pipe(recording, riglog.SqliteSink(out), clock=clock)
    common = ("one", "limit", 1)
    assert rows(out, WRITES) == [
        (*common, 900.0, 850.0, "mbar", 1, user(), RIGLOG, "less pressure"),
        (*common, 850.0, 800.5, "mbar", 1, user(), RIGLOG, None),
    ]
    messages = [event.message for event in read_events(out) if event.kind == "write"]
    assert messages == ["limit = 850 mbar (before: 900.0)", "limit = 800.5 mbar (before: 850.0)"]
    checked = verify(out)
    assert (checked.wrong_blocks, checked.problems) == (0, [])
    assert checked.blocks > 0


async def test_a_write_without_a_reply_is_stored_as_not_confirmed_and_sent_once(meters: Registry) -> None:
    events: list[Event] = []
    async with riglog.Manager(registry=meters, clock=LoopClock()) as rig:
        one: Any = await rig.add("one", "sim:1", driver="meter")
        rig.subscribe(events.append)
        transact, sent = one.client.transact, []

        async def lost(request: Ask, **options: Any) -> Any:
            if request.value is not None:
                sent.append(request)
                raise ReplyTimeoutError("no reply", reason="no_reply")
            return await transact(request, **options)

        one.client.transact = lost
        with pytest.raises(ReplyTimeoutError):
            await one.set_parameter("limit", "850", confirm=True)
    (event,) = [event for event in events if event.kind is EventKind.WRITE]
    assert len(sent) == 1
    assert event.message == "limit = 850 mbar (not confirmed) (before: 900.0)"
    assert isinstance(event.detail, ParameterWrite)
    assert (event.detail.confirmed, event.detail.old_value, event.detail.new_value) == (False, 900.0, "850")


async def test_notes_and_acknowledgements_have_a_reason(tmp_path: Path, meters: Registry) -> None:
    out = tmp_path / "tank.sqlite"

    def act(recording: Any) -> None:
        def take(batch: Any) -> None:
            if recording.shown_alarms() and not recording.notes_written:
                recording.notes_written = True
                recording.add_note("valve closed", author="Mara", reason="shift report")
                recording.acknowledge_alarm("high", author="Mara", reason="expected at the start")

        recording.notes_written = False
        recording.watchers.append(take)

    await riglog.record_rig(rig_file(tmp_path), out=out, registry=meters, clock=LoopClock(), on_start=act)
    (note,) = read_notes(out)
    assert (note.author, note.program, note.reason) == ("Mara", RIGLOG, "shift report")
    (alarm,) = read_alarms(out)
    assert (alarm.by, alarm.why) == ("Mara", "expected at the start")
    found = {event.kind: event for event in read_events(out)}
    assert found["note"].reason == "shift report"
    assert (found["alarm_acknowledged"].user, found["alarm_acknowledged"].reason) == ("Mara", "expected at the start")
    checked = verify(out)
    assert (checked.wrong_blocks, checked.problems) == (0, [])
    assert checked.blocks > 0


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_REASON + 1)])
async def test_an_empty_or_long_reason_is_refused_before_anything_is_opened(
    tmp_path: Path, meters: Registry, text: str
) -> None:
    out = tmp_path / "tank.sqlite"
    with pytest.raises(ConfigError, match="the reason has"):
        await riglog.record_rig(rig_file(tmp_path), out=out, registry=meters, clock=LoopClock(), reason=text)
    with pytest.raises(ConfigError, match="the reason has"), riglog.reason(text):
        pass
    assert not out.exists()


async def test_a_rig_that_is_read_only_refuses_every_way_to_write(tmp_path: Path, meters: Registry) -> None:
    events: list[Event] = []
    path = rig_file(tmp_path, "read_only = true")
    async with riglog.open_rig(path, registry=meters, clock=LoopClock()) as rig:
        rig.subscribe(events.append)
        one: Any = rig.get("one")
        client = one.client
        with pytest.raises(WriteRefusedError, match="this rig is read-only"):
            await one.set_parameter("limit", "850", confirm=True)
        with pytest.raises(WriteRefusedError, match="this rig is read-only"):
            await client.transact(Ask(1, "L", "850"))  # around the methods of the device
        async with client.hold() as line:
            with pytest.raises(WriteRefusedError, match="this rig is read-only"):
                await line.send_without_reply(Ask(1, "L", "850"))
        assert (await client.transact(Ask(1, "L"))).reply == "900.00"
        assert [sample.status for sample in await rig.poll()] == ["ok", "ok"]
    assert [event for event in events if event.kind is EventKind.WRITE] == []


async def test_a_recording_that_is_read_only_records(tmp_path: Path, meters: Registry) -> None:
    out = tmp_path / "tank.sqlite"
    path = rig_file(tmp_path, "read_only = true")
    await riglog.record_rig(path, out=out, registry=meters, clock=LoopClock())
    assert {row.status for row in riglog.read(out)} == {"ok"}


async def test_an_absent_device_of_a_read_only_rig_is_read_only_when_it_appears(meters: Registry) -> None:
    async with riglog.Manager(registry=meters, clock=LoopClock(), read_only=True) as rig:
        one = await rig.add("one", "sim:1", driver="meter", absent_ok=True)
        assert one.read_only

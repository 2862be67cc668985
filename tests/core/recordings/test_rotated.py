"""A recording in several files is one recording for everything that reads it, and for whoever sends something to it."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from recorded import WARM, steady, store
from rotated import RUN, rotating

from riglog.cli.app import cli
from riglog.cli.commands.watch import RecordingScreen
from riglog.model import NS, AlarmChange, AlarmState, Event, EventKind, new_note
from riglog.recordings import acknowledge_alarm, read, read_alarms, read_events, read_notes, write_note
from riglog.recordings.charts import traces
from riglog.recordings.reports.facts import collect
from riglog.recordings.reports.statistics import number
from riglog.recordings.selection import Selection
from riglog.sinks import SqliteSink
from riglog.sinks.inbox import Inbox
from riglog.sinks.part_names import newest_part, parts
from riglog.sinks.rotation import RotatingSink

TICKS = 60
STARTED = Event(RUN.started_ns + 17, EventKind.RUN_STARTED, "run started")


def change(alarm: str, state: AlarmState, second: float) -> Event:
    at_ns = RUN.started_ns + round(second * NS)
    definition = msgspec.json.encode({"channel": "oven.process_value", "above": 20}).decode()
    detail = AlarmChange(alarm=alarm, definition=definition, at_ns=at_ns, state=state, text="too hot")
    return Event(at_ns, EventKind(f"alarm_{state.value}"), f"{alarm}: too hot", "oven", detail=detail)


async def record(sink: RotatingSink, first: int, end: int, events: Sequence[Event] = (STARTED,)) -> None:
    """Record slots at 2 Hz, two in each flush; the events are in the first one."""
    for at in range(first, end, 2):
        await sink.write(list(steady(RUN, [WARM], 2, first=at)), events if at == first else ())


async def recorded(path: Path, *, events: Sequence[Event] = (STARTED,)) -> Path:
    sink = rotating(path)
    await sink.open(RUN)
    await record(sink, 0, TICKS, events)
    await sink.aclose()
    return path


def riglog(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


async def test_an_open_alarm_is_in_every_further_file_and_a_closed_one_is_not(tmp_path: Path) -> None:
    states = [AlarmState.DEFINED, AlarmState.RAISED]
    closed = [AlarmState.CLEARED, AlarmState.ACKNOWLEDGED]
    events = [change("hot", state, n) for n, state in enumerate(states)]
    events += [change("over", state, n) for n, state in enumerate(states + closed)]
    path = await recorded(tmp_path / "kiln.sqlite", events=[STARTED, *events])
    for part in parts(path)[1:]:
        found = {alarm.name: alarm for alarm in read_alarms(part)}
        assert (found["hot"].state, found["hot"].acknowledged, found["hot"].text) == ("raised", False, "too hot")
        assert (found["over"].state, found["over"].acknowledged) == ("normal", True)


async def test_an_alarm_is_acknowledged_in_the_newest_file(tmp_path: Path) -> None:
    events = [change("hot", state, 0) for state in (AlarmState.DEFINED, AlarmState.RAISED)]
    path = await recorded(tmp_path / "kiln.sqlite", events=events)
    acknowledge_alarm(path, "hot")
    (alarm,) = read_alarms(path)
    assert alarm.acknowledged
    assert [event.kind for event in read_events(newest_part(path))].count("alarm_acknowledged") == 1


async def test_a_note_goes_into_the_newest_file_and_all_notes_are_listed(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "kiln.sqlite")
    write_note(parts(path)[1], "into the second file", program="test")
    printed = riglog("note", path, "door opened")
    assert [note.text for note in read_notes(newest_part(path))] == ["door opened"]
    assert printed == ""
    listed = json.loads(riglog("note", path, "--json"))
    assert {note["text"] for note in listed} == {"into the second file", "door opened"}


async def test_a_message_sent_while_its_file_is_completed_is_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    sink = rotating(path)
    await sink.open(RUN)
    await record(sink, 0, 18)
    assert newest_part(path) == path
    await record(sink, 18, 24, ())
    assert newest_part(path) != path
    note = new_note("just before", program="test", author="anna")
    Inbox(path).put(note)
    (message,) = await sink.incoming()
    assert message == note
    await sink.write((), [note.event])
    assert not Inbox(path).has(note.message_id)
    await sink.aclose()


async def test_events_of_several_files_come_once_in_the_order_of_their_times(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "kiln.sqlite", events=[STARTED, change("hot", AlarmState.DEFINED, 1)])
    found = list(read_events(parts(path)))
    assert [event.kind for event in found] == [
        "run_started", "alarm_defined",
        "recording_continued", "recording_continued", "recording_continued", "recording_continued",
    ]  # fmt: skip
    assert found == sorted(found, key=lambda event: event.at)
    listed = json.loads(riglog("events", *parts(path), "--json"))
    assert [event["kind"] for event in listed] == [event.kind for event in found]


async def test_between_two_files_is_no_gap(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "kiln.sqlite")
    found = json.loads(riglog("gaps", *parts(path), "--json"))
    assert found["gaps"] == []
    assert [channel["slots_due"] for channel in found["channels"]] == [TICKS]


async def test_a_gap_over_a_whole_file_is_seen(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "kiln.sqlite")
    first, _, third = parts(path)
    (gap,) = json.loads(riglog("gaps", third, first, "--json"))["gaps"]
    assert gap["slots"] == 20


async def test_tail_reads_as_many_files_as_it_takes(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "kiln.sqlite")
    newest = [row.received_at for row in read(parts(path))][-30:]
    assert [row["received_at"] for row in json.loads(riglog("tail", path, "-n", "30", "--json"))] == newest


async def test_watch_goes_on_with_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    sink = rotating(path)
    await sink.open(RUN)
    await record(sink, 0, 10)
    screen = RecordingScreen(path)
    assert screen.view().facts[0].startswith("kiln.sqlite")
    await record(sink, 10, TICKS, ())
    assert screen.view().facts[0].startswith("kiln.part0003.sqlite")
    await sink.aclose()


@pytest.mark.parametrize("singly", [True, False])
async def test_a_chart_of_all_files_is_that_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, singly: bool
) -> None:
    events = [change("hot", AlarmState.DEFINED, 0), change("hot", AlarmState.RAISED, 3)]
    if not singly:
        monkeypatch.setattr(traces, "SINGLE_ROWS", 50)
    path = await recorded(tmp_path / "kiln.sqlite", events=[STARTED, *events])
    whole = SqliteSink(tmp_path / "whole.sqlite")
    await store(whole, RUN, list(steady(RUN, [WARM], TICKS)), [STARTED, *events])
    write_note(path, "door opened", program="test", author="anna")
    files = parts(path)
    assert len(files) > 2
    chart, expected = read(files[::-1]).chart(buckets=20), read(tmp_path / "whole.sqlite").chart(buckets=20)
    (one,), (other,) = (each.panels[0].traces for each in (chart, expected))
    assert (one.times, one.values, one.low, one.high) == (other.times, other.values, other.low, other.high)
    assert (one.low is None) == singly
    assert not any(math.isnan(value) for value in one.values)
    assert (chart.start, chart.end) == (expected.start, expected.end)
    (band,) = chart.alarms
    assert (band.name, band.start, band.open) == ("hot", RUN.started_ns / NS + 3, True)
    assert band.end == pytest.approx(chart.end, abs=1)
    assert len({msgspec.structs.astuple(event) for event in chart.events}) == len(chart.events)
    assert read(files).chart(last_s=5).start == pytest.approx(chart.end - 5, abs=0.1)


async def test_a_report_of_all_files_is_that_of_the_recording(tmp_path: Path) -> None:
    events = [change("hot", AlarmState.DEFINED, 0), change("hot", AlarmState.RAISED, 3)]
    path = await recorded(tmp_path / "kiln.sqlite", events=[STARTED, *events])
    await store(SqliteSink(tmp_path / "whole.sqlite"), RUN, list(steady(RUN, [WARM], TICKS)), [STARTED, *events])
    write_note(path, "door opened", program="test", author="anna")
    found, whole = (
        collect(files, Selection(), 100, lambda _: None) for files in (parts(path)[::-1], [tmp_path / "whole.sqlite"])
    )
    ((mine,),), ((other,),) = ([units.values() for units in each.statistics.values()] for each in (found, whole))
    assert (mine.rows, mine.low, mine.high, mine.first, mine.last) == (60, other.low, other.high, 0.1, other.last)
    assert (number(mine.mean), mine.statuses) == (number(other.mean), {"ok": 60})
    assert (found.availability, found.gaps) == (whole.availability, [])
    assert [(run.run, run.started_at) for run in found.runs] == [(run.run, run.started_at) for run in whole.runs]
    assert [(each.name, each.state) for each in found.alarms] == [("hot", "raised")]
    assert [note.text for note in found.notes] == ["door opened"]
    assert len([event for event in found.events if event.kind == EventKind.RUN_STARTED]) == 1
    page = tmp_path / "kiln.html"
    riglog("report", *parts(path), "--out", page)
    assert f"kiln.sqlite and {len(parts(path)) - 1} more" in page.read_text(encoding="utf-8")

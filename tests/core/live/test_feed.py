"""What browsers are sent: each message once, to each of them; and what is new in a recording that grows."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from live_page import Page, source_of
from msgspec import structs
from recorded import EVENTS, MODE, START, WARM, make_run, stamp, steady, store

from riglog.live import feed as feeds
from riglog.live.feed import Feed
from riglog.live.source import LiveChannel, Look, Source, condition
from riglog.live.tail import MOST_POINTS, thinned
from riglog.model import NS, Batch, Event, EventKind, Sample, Status, missing_sample
from riglog.sinks import SqliteSink
from riglog.sinks.sqlite.writer_lock import WriterLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


class Growing:
    """A recording that a recorder has open: batches are added to it in flushes."""

    def __init__(self, path: Path, *, name: str = "bench") -> None:
        self.run = make_run(name)
        self.sink = SqliteSink(path)
        anyio.run(self.sink.open, self.run)

    def add(self, batches: list[Batch], *events: Any) -> None:
        anyio.run(self.sink.write, batches, list(events))

    def finish(self) -> None:
        self.add([], Event(self.run.started_ns + 20 * NS, EventKind.RUN_FINISHED, "run finished"))
        anyio.run(self.sink.aclose)


def messages(stream: Iterator[bytes], count: int) -> list[tuple[str, str, Any]]:
    """The next messages of a stream: id, kind, content."""
    found: list[tuple[str, str, Any]] = []
    while len(found) < count:
        for block in next(stream).decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in lines:
                found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


def at(seconds: float) -> int:
    return START + round(seconds * NS)


def test_a_new_browser_gets_everything_and_then_what_is_new(path: Path) -> None:
    growing = Growing(path)
    batches = list(steady(growing.run, [WARM], 8))
    growing.add(batches[:4], *EVENTS)
    source = source_of(path)
    feed = Feed(source)
    feed.take(source.look(at(2)))
    stream = feed.stream(None)
    ((_, kind, hello),) = messages(stream, 1)
    assert kind == "hello"
    assert [(channel["name"], channel["shown"], channel["unit"]) for channel in hello["channels"]] == [
        ("oven.process_value", "3.1", "degC")
    ]
    assert [event["kind"] for event in hello["events"]] == ["run_started", "port_lost"]
    growing.add(batches[4:6])
    feed.take(source.look(at(3)))
    ((_, kind, tick),) = messages(stream, 1)
    assert kind == "tick"
    assert [value for _, value in tick["points"]["1"]] == [4.1, 5.1]
    assert tick["channels"][0]["shown"] == "5.1"
    feed.take(source.look(at(3)))  # nothing new: no message
    growing.add(batches[6:])
    feed.take(source.look(at(4)))
    assert [value for _, value in messages(stream, 1)[0][2]["points"]["1"]] == [6.1, 7.1]
    growing.finish()


def test_a_browser_resumes_behind_what_it_has_and_else_gets_everything(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "KEPT_MESSAGES", 3)
    growing = Growing(path)
    batches = list(steady(growing.run, [WARM], 9))
    source = source_of(path)
    feed = Feed(source)
    ids = []
    for number, batch in enumerate(batches):
        growing.add([batch])
        feed.take(source.look(at(number)))
        ids.append(f"{feed.boot}:{number + 1}")
    assert [kind for _, kind, _ in messages(feed.stream(ids[-3]), 2)] == ["tick", "tick"]
    assert [name for name, _, _ in messages(feed.stream(ids[-2]), 1)] == [ids[-1]]
    for last in (None, ids[0], "other:3", f"{feed.boot}:99", "nonsense", f"{feed.boot}:-1"):
        assert messages(feed.stream(last), 1)[0][1] == "hello"
    growing.finish()


def test_kept_messages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "KEPT_BYTES", 20_000)
    feed = Feed(Still())
    for number in range(500):
        feed.take(look_of(channel(received_ms=float(number), error="x" * 500)))
    assert sum(len(message.data) for message in feed._messages) < 21_000


def test_a_browser_without_news_gets_a_heartbeat() -> None:
    feed = Feed(Still())
    feed.take(look_of(channel()))
    stream = feed.stream(None, timeout=0.01)
    messages(stream, 1)
    assert next(stream) == b": alive\n\n"


def test_the_end_of_the_feed_ends_its_streams() -> None:
    feed = Feed(Still())
    feed.take(look_of(channel()))
    stream = feed.stream(None)
    messages(stream, 1)
    feed.stop()
    assert list(stream) == []


class Still(Source):
    """A source that is not read."""

    title = "still"

    def look(self, now_ns: int) -> Look:
        return look_of()

    def span(self, wanted: Any, names: Any) -> Any:
        raise NotImplementedError

    def runs(self) -> Any:
        return []

    def events(self, **selected: Any) -> Any:
        return []


def channel(**changes: Any) -> LiveChannel:
    return LiveChannel(id=1, host=None, device="d", parameter="p", instance=1, name="d.p", run="r", unit="V", **changes)


def look_of(*channels: LiveChannel) -> Look:
    return Look(state="recording", channels=list(channels), points={}, events=[], alarms=[])


@pytest.mark.parametrize(
    ("age", "period", "expected"),
    [
        (2.9, 0.1, "live"),
        (3.1, 0.1, "old"),
        (10.1, 0.1, "dead"),
        (59, 60, "live"),
        (119, 60, "live"),
        (121, 60, "old"),
        (599, 60, "old"),
        (601, 60, "dead"),
    ],
)
def test_a_value_gets_old_and_then_dead(age: float, period: float, expected: str) -> None:
    assert condition(age, period) == expected


def test_a_device_that_stops_responding_keeps_its_last_value_and_gets_old_and_dead(path: Path) -> None:
    growing = Growing(path)
    run = growing.run
    growing.add(list(steady(run, [WARM], 4)))
    source = source_of(path)
    assert source.look(at(2)).channels[0].condition == "live"
    silence = [
        Batch("bus", tick, [missing_sample(WARM, stamp(run, tick / 2), Status.MISSING, "no reply")])
        for tick in range(4, 30)
    ]
    growing.add(silence)
    found = source.look(at(6)).channels[0]
    assert (found.condition, found.status, found.error, found.value) == ("old", "missing", "no reply", 3.1)
    found = source.look(at(15)).channels[0]
    assert (found.condition, found.value) == ("dead", 3.1)
    growing.finish()
    assert source.look(at(16)).channels[0].condition == "ended"


def test_a_page_that_is_opened_late_finds_the_last_value_of_a_dead_device(path: Path) -> None:
    growing = Growing(path)
    run = growing.run
    growing.add(list(steady(run, [WARM], 4)))
    growing.add(
        [
            Batch("bus", tick, [missing_sample(WARM, stamp(run, tick / 2), Status.MISSING, "no reply")])
            for tick in range(4, 3_000)
        ]
    )
    found = source_of(path).look(at(1500)).channels[0]
    assert (found.condition, found.value, found.status) == ("dead", 3.1, "missing")
    growing.finish()


def test_the_state_of_a_file_is_recording_interrupted_finished_replaced_and_gone(path: Path) -> None:
    growing = Growing(path)
    growing.add(list(steady(growing.run, [WARM], 2)))
    source = source_of(path)
    assert [source.look(at(1)).state for _ in range(2)] == ["recording", "recording"]
    growing.finish()
    states = [source.look(at(1)).state for _ in range(4)]
    assert states[-1] == "finished"
    path.unlink()
    gone = source.look(at(2))
    assert (gone.state, [channel.name for channel in gone.channels]) == ("gone", ["oven.process_value"])
    other = Growing(path, name="other")
    other.add(list(steady(other.run, [MODE], 2)))
    look = source.look(at(2))
    assert (look.renewed, look.run and look.run.name) == (True, "other")
    assert [channel.name for channel in look.channels] == ["oven.control_mode"]
    other.finish()


def test_a_run_that_broke_off_is_interrupted(path: Path) -> None:
    growing = Growing(path)
    growing.add(list(steady(growing.run, [WARM], 2)))
    copied = path.with_name("copy.sqlite")
    copied.write_bytes(path.read_bytes())
    os.link(path.with_name("a.sqlite-wal"), path.with_name("copy.sqlite-wal"))
    look = source_of(copied).look(at(1))
    assert (look.state, "no program records" in look.message) == ("interrupted", True)
    growing.finish()


def test_a_file_that_is_damaged_is_a_state_and_no_crash(path: Path) -> None:
    growing = Growing(path)
    growing.add(list(steady(growing.run, [WARM], 2)))
    growing.finish()
    source = source_of(path)
    source.look(at(1))
    path.unlink()
    path.write_bytes(b"SQLite format 3\0" + b"x" * 4000)
    look = source.look(at(2))
    assert (look.state, bool(look.message)) == ("unreadable", True)
    page = Page(source)
    assert page.json("/api/latest")["state"] == "unreadable"


def test_new_segments_and_runs_go_on_in_the_same_channels(path: Path) -> None:
    growing = Growing(path)
    batches = list(steady(growing.run, [WARM], 6))
    growing.add(batches[2:4])
    source = source_of(path)
    source.look(at(2))
    growing.add(batches[:2])  # time goes back: another segment
    look = source.look(at(3))
    assert [value for _, value in look.points[1]] == [0.1, 1.1]
    growing.finish()
    later = make_run("later", number=1)
    anyio.run(store, SqliteSink(path), later, list(steady(later, [WARM], 2)))
    look = source.look(at(3700))
    assert ([channel.id for channel in look.channels], look.run and look.run.name) == ([1], "later")


def test_many_new_values_become_few_points_that_are_values() -> None:
    points = [(float(number), float(number * 7 % 100)) for number in range(100)]
    few = thinned([*points, (100.0, None)])
    assert len(few) <= MOST_POINTS
    assert set(few) <= {*points, (100.0, None)}
    assert {value for _, value in few} >= {0.0, 99.0, None}
    assert thinned(points[:5]) == points[:5]


def test_the_lock_of_a_recorder_shows_that_it_records(path: Path) -> None:
    growing = Growing(path)
    growing.add(list(steady(growing.run, [WARM], 2)))
    anyio.run(growing.sink.aclose)
    assert source_of(path).look(at(1)).state == "interrupted"
    lock = WriterLock(path)
    assert source_of(path).look(at(1)).state == "recording"
    lock.release()


def test_a_text_is_a_value_and_a_setting_without_a_number_has_no_points(path: Path) -> None:
    growing = Growing(path)
    words = structs.replace(MODE, parameter="words")
    growing.add(
        [
            Batch("bus", tick, [Sample(channel=words, stamp=stamp(growing.run, tick / 2), value="Größe", unit=None)])
            for tick in range(2)
        ]
    )
    found = source_of(path).look(at(1)).channels[0]
    assert (found.shown, found.text, found.value, found.condition) == ("Größe", "Größe", None, "live")
    growing.finish()

"""The page of a recording in several files: it goes on with the next one, and a chart is that of all of them."""

import math
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live_page import Page, source_of
from recorded import WARM, ZONE, stamp, steady
from rotated import RUN, rotating

from riglog.live import spans
from riglog.model import NS, AlarmChange, AlarmState, Batch, Event, EventKind, Sample
from riglog.sinks.part_names import parts
from riglog.sinks.rotation import RotatingSink

TICKS = 60
START_MS = RUN.started_ns / 1e6


def alarm(state: AlarmState, second: float) -> Event:
    at_ns = RUN.started_ns + round(second * NS)
    definition = msgspec.json.encode({"channel": "oven.process_value", "above": 20}).decode()
    detail = AlarmChange(alarm="hot", definition=definition, at_ns=at_ns, state=state, text="too hot")
    return Event(at_ns, EventKind(f"alarm_{state.value}"), "hot: too hot", "oven", detail=detail)


async def write(sink: RotatingSink, first: int, end: int) -> None:
    """Record two channels; in the second file the other one is the first to come."""
    channels = [WARM, ZONE] if first < 20 else [ZONE, WARM]
    started = [Event(RUN.started_ns, EventKind.RUN_STARTED, "run started")]
    events = [*started, alarm(AlarmState.DEFINED, 0), alarm(AlarmState.RAISED, 3)] if first == 0 else []
    for at in range(first, end, 2):
        await sink.write(list(steady(RUN, channels, 2, first=at)), events if at == first else ())


def series(page: Page, number: int, **query: Any) -> dict[str, Any]:
    span = {"from": START_MS - 1, "to": START_MS + 1e6, "channel": number} | query
    found = page.json("/api/series?" + "&".join(f"{name}={value}" for name, value in span.items()))
    return dict(found["series"][0], alarms=found["alarms"])


@pytest.mark.parametrize("kept_open", [8, 1])
async def test_a_page_goes_on_with_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_open: int
) -> None:
    monkeypatch.setattr(spans, "KEPT_OPEN", kept_open)
    path = tmp_path / "kiln.sqlite"
    sink = rotating(path)
    await sink.open(RUN)
    await write(sink, 0, 12)
    source = source_of(path)
    page = Page(source)
    names = {channel["id"]: channel["name"] for channel in page.json("/api/channels")["channels"]}
    assert names == {1: "oven.process_value", 2: "oven.process_value[2]"}
    seen: list[float] = []
    kinds: list[str] = []
    for first in range(12, TICKS, 4):
        await write(sink, first, first + 4)
        look = source.look(time.time_ns())
        page.feed.take(look)
        assert (look.renewed, look.state) == (False, "recording")
        assert {channel.id: channel.name for channel in look.channels} == names
        assert {channel.value for channel in look.channels} == {first + 3.1}
        seen += [value for _, value in look.points[1] if value is not None]
        kinds += [event.kind for event in look.events]
    assert seen == [tick + 0.1 for tick in range(12, TICKS)]
    assert set(kinds) <= {"recording_continued"}
    assert len(parts(path)) > 2
    await sink.aclose()

    for number in names:
        found = series(page, number)
        assert found["mean"] == [tick + 0.1 for tick in range(TICKS)]
        buckets = series(page, number, buckets=10)
        assert (sum(buckets["rows"]), min(buckets["low"]), max(buckets["high"])) == (TICKS, 0.1, TICKS - 0.9)
        assert None not in buckets["mean"]
    part = series(page, 1, to=START_MS + 4e3)
    assert part["mean"] == [tick + 0.1 for tick in range(len(part["mean"]))]
    (band,) = found["alarms"]
    assert (band["name"], round(band["from_ms"])) == ("hot", round(START_MS + 3e3))
    (run,) = page.json("/api/runs")["runs"]
    assert (run["rows"], round(run["started_ms"])) == (2 * TICKS, round(START_MS))
    events = page.json("/api/events")["events"]
    assert len([event for event in events if event["kind"] == "alarm_raised"]) == 1
    again = Page(source_of(path))
    assert {channel["name"] for channel in again.json("/api/channels")["channels"]} == set(names.values())


async def test_a_channel_that_is_new_in_a_further_file_gets_a_number_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "kiln.sqlite"
    sink = rotating(path)
    await sink.open(RUN)
    await sink.write(list(steady(RUN, [WARM], 12)), ())
    page = Page(source_of(path))
    await sink.write(list(steady(RUN, [WARM], 12, first=12)), ())
    other = msgspec.structs.replace(ZONE, device="late")
    samples = [
        Sample(channel=other, stamp=stamp(RUN, tick / 2), value=float(tick), unit=other.unit) for tick in range(24, 30)
    ]
    await sink.write([Batch("bus", 24 + at, [sample]) for at, sample in enumerate(samples)], ())
    page.look()
    await sink.aclose()
    channels = {channel["name"]: channel["id"] for channel in page.json("/api/channels")["channels"]}
    assert channels["oven.process_value"] == 1
    assert channels["late.process_value[2]"] == 2
    assert series(page, 2)["mean"] == [float(tick) for tick in range(24, 30)]
    assert not any(math.isnan(value) for value in series(page, 1)["mean"])

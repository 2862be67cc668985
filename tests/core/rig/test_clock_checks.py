"""How good the clock was is part of a recording: at the start, every hour and at the end. It costs the run nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import riglog.rig.clock_checks as module
from riglog.model import ClockCheck, ClockState, Event, EventKind, iso
from riglog.plugin import Registry
from riglog.rig import record_rig
from riglog.testing import LoopClock
from riglog.timekeeping import ClockSource

RIG = """
[run]
rate_hz = 1.0
duration = "{duration}"
[[sink]]
type = "memory"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
"""
GOOD = ClockState(synchronized=True, offset_ns=-20, error_ns=900_000, method="adjtimex", details='{"adjtimex":{}}')


class Stated(ClockSource):
    """A source that states, or does, what it is told."""

    command = "set the clock"

    def __init__(self, read: Callable[[], ClockState]) -> None:
        self.stated = read
        self.asked = 0

    def read(self) -> ClockState:
        self.asked += 1
        return self.stated()

    def states(self) -> list[ClockState | None]:
        return []


@pytest.fixture
def in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time does not wait for threads."""

    async def call(read: Callable[[], ClockState], **_: Any) -> ClockState:
        return read()

    monkeypatch.setattr(module, "in_thread", call)


async def checks_of(tmp_path: Path, registry: Registry, source: ClockSource | None, duration: str) -> list[Event]:
    """The events of the clock in a recording."""
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG.format(duration=duration))
    events: list[Event] = []
    outcome = await record_rig(rig, registry=registry, clock=LoopClock(), clock_source=source, on_event=events.append)
    assert outcome.summary.slots_skipped == 0
    assert all(sink.closed and not sink.lost for sink in outcome.sinks)
    assert events[-1].kind is EventKind.RUN_FINISHED
    return [event for event in events if event.kind is EventKind.CLOCK_CHECKED]


@pytest.mark.usefixtures("in_this_thread")
async def test_the_clock_is_read_at_the_start_every_hour_and_at_the_end(tmp_path: Path, registry: Registry) -> None:
    found = await checks_of(tmp_path, registry, Stated(lambda: GOOD), "2h30m")
    assert [event.detail.state for event in found if isinstance(event.detail, ClockCheck)] == [GOOD] * 4
    assert [iso(event.at_ns)[11:16] for event in found] == ["08:00", "09:00", "10:00", "10:30"]
    assert found[0].message == "clock: set by a time server, error at most 0.9 ms, offset -2e-05 ms (adjtimex)"


@pytest.mark.usefixtures("in_this_thread")
async def test_a_source_that_raises_is_no_state_and_ends_nothing(tmp_path: Path, registry: Registry) -> None:
    def fail() -> ClockState:
        raise OSError("no permission")

    found = await checks_of(tmp_path, registry, Stated(fail), "10s")
    assert [event.message for event in found] == ["clock: not known whether a time server sets it (failed)"] * 2


async def test_a_source_that_hangs_delays_neither_start_nor_end(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: Any, **__: Any) -> ClockState:
        await anyio.sleep(10_000)
        raise AssertionError("it was waited for")

    monkeypatch.setattr(module, "in_thread", hang)
    began = anyio.current_time()
    found = await checks_of(tmp_path, registry, Stated(lambda: GOOD), "20s")
    assert anyio.current_time() - began < 20 + 0.5 + 1 + 2
    assert [module.LATE in event.message for event in found] == [True, True]


async def test_a_recording_in_another_time_than_that_of_the_computer_has_no_checks(
    tmp_path: Path, registry: Registry
) -> None:
    assert not await checks_of(tmp_path, registry, None, "2s")

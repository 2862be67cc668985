"""Nothing grows with the time that a recording takes: two devices that never respond, in virtual time."""

import gc
from collections import deque
from types import FunctionType
from typing import Any

import anyio
import pytest
from recorded_rig import recorded
from toy import ToyDriver

from riglog.acquire.active_run import MAX_EVENTS
from riglog.acquire.sink_writer import SinkWriter
from riglog.manager import Manager
from riglog.model import Event, EventKind
from riglog.plugin import Registry
from riglog.simulation import SimulatedTransport
from riglog.sinks import MemorySink
from riglog.testing import LoopClock

CONTAINERS = (list, dict, set, deque, bytearray)
OWN = ("riglog.manager", "riglog.protocol", "riglog.device", "riglog.acquire", "toy", "builtins", "collections")


def entries(root: object) -> int:
    """Return the number of entries of all containers that are reached over objects of riglog, code excepted."""
    seen: set[int] = set()
    waiting: list[Any] = [root]
    count = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (type, FunctionType)) or not type(one).__module__.startswith(OWN):
            continue
        seen.add(id(one))
        count += len(one) if isinstance(one, CONTAINERS) else 0
        waiting += gc.get_referents(one)
    return count


@pytest.mark.parametrize(("hours", "rate_hz"), [(0.25, 0.5), pytest.param(2.0, 0.02, marks=pytest.mark.slow)])
async def test_two_devices_that_never_respond_cost_no_memory(
    registry: Registry, toy: ToyDriver, monkeypatch: pytest.MonkeyPatch, hours: float, rate_hz: float
) -> None:
    monkeypatch.setattr(SimulatedTransport, "can_be_mute", True)
    counts = []
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        for number in (1, 2):
            await manager.add(f"d{number}", f"sim:{number}", driver="toy", address=number)
            toy.simulators[f"d{number}"].silent = True
        async with recorded(manager, 3 * hours * 3600 + 1, rate_hz) as (recording, batches):
            for _ in range(3):
                await anyio.sleep(hours * 3600)
                batches.clear()
                recording.take_events()
                lines = [manager.port(f"sim:{number}").client.line for number in (1, 2)]
                counts.append(entries([manager._sessions, lines]))
    first, *later = counts
    assert first > 20  # it does reach something
    assert max(later) <= first + 6  # one more or less is outstanding at any moment


async def test_events_that_nothing_takes_are_limited(registry: Registry) -> None:
    async with Manager(registry=registry, clock=LoopClock()) as manager:
        await manager.add("one", "sim:1", driver="toy")
        async with recorded(manager, 1) as (recording, _):
            for number in range(MAX_EVENTS + 5):
                recording.add_event(Event(number, EventKind.PORT_LOST, str(number)))
            assert [event.message for event in recording.events][:: MAX_EVENTS - 1] == ["5", str(MAX_EVENTS + 4)]


async def test_events_that_a_failing_sink_does_not_take_are_limited() -> None:
    class Failing(MemorySink):
        async def write(self, batches: Any, events: Any) -> None:
            raise OSError("disk full")

    writer = SinkWriter(
        Failing(),
        add_event=lambda event: None,
        batch_size=1,
        flush_interval=1.0,
        buffer_size=10,
        close_timeout=0.0,
        clock=LoopClock(),
    )
    for start in range(0, 2 * MAX_EVENTS, 1000):
        writer.enqueue([], [Event(start + number, EventKind.PORT_LOST, "") for number in range(1000)])
        assert not await writer.flush()
    assert [event.at_ns for event in writer._events] == list(range(MAX_EVENTS, 2 * MAX_EVENTS))

"""record_rig: a rig file is recorded by one call, and what happened is returned."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

import riglog
from riglog.acquire import ActiveRun, SamplesLostError
from riglog.config import load_rig
from riglog.errors import ConfigError, PortNotFoundError, StorageError
from riglog.model import NS, Event, EventKind, Run
from riglog.plugin import Registry
from riglog.recordings import Selection, contents, read_events
from riglog.recordings.reports.facts import collect
from riglog.rig import Outcome, plan_resume, record_rig
from riglog.sinks import MemorySink, SqliteSink
from riglog.testing import LoopClock

RIG = """
[run]
name = "kiln"
rate_hz = 10.0
duration = "2s"
[[sink]]
type = "memory"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
"""
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "record-from-python.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(RIG)
    return path


async def test_a_rig_file_is_recorded_until_its_duration_has_elapsed(path: Path, registry: Registry) -> None:
    opened: list[tuple[str, str]] = []
    events: list[Event] = []
    outcome = await record_rig(
        path,
        registry=registry,
        clock=LoopClock(),
        on_opening=lambda device, port: opened.append((device, port)),
        on_event=events.append,
    )
    assert opened == [("oven", "sim:bus")]
    assert [event.kind for event in events] == [EventKind.RUN_STARTED, EventKind.RUN_FINISHED]
    assert (outcome.run.name, outcome.run.rig, outcome.run.rate_hz) == ("kiln", RIG, 10.0)
    assert (outcome.summary.samples, outcome.summary.samples_missing_or_skipped) == (40, 0)
    assert [(sink.written, sink.lost) for sink in outcome.sinks] == [(40, 0)]
    assert outcome.storage_error is None
    assert outcome.longest_gap.seconds < 0.2
    assert str(outcome.longest_gap.channel) in ("oven.level", "oven.flow")


async def test_a_configuration_is_recorded_into_another_file(path: Path, registry: Registry, tmp_path: Path) -> None:
    rig = load_rig(path, registry=registry)
    out = tmp_path / "other.sqlite"
    outcome = await record_rig(rig, registry=registry, clock=LoopClock(), out=out, duration=1)
    assert len(list(riglog.read(out))) == outcome.summary.samples == 20


async def test_stop_ends_the_recording(path: Path, registry: Registry) -> None:
    stop = anyio.Event()
    rig = msgspec.structs.replace(load_rig(path, registry=registry), duration=None)
    active: list[ActiveRun] = []
    async with anyio.create_task_group() as tasks:

        async def set_later() -> None:
            await anyio.sleep(3.05)
            assert active[0].summary.samples == 62
            stop.set()

        tasks.start_soon(set_later)
        outcome = await record_rig(rig, registry=registry, clock=LoopClock(), stop=stop, on_start=active.append)
    assert outcome.summary.samples == 62


async def test_a_cancelled_task_stores_what_was_received(path: Path, registry: Registry) -> None:
    rig = load_rig(path, registry=registry)
    with anyio.move_on_after(1.05):
        await record_rig(rig, registry=registry, clock=LoopClock())
    (sink,) = rig.sinks
    assert isinstance(sink, MemorySink)
    assert len(sink.samples) == 22


@pytest.mark.parametrize("given", [True, False])
async def test_the_latest_run_is_resumed(path: Path, registry: Registry, tmp_path: Path, given: bool) -> None:
    out, clock = tmp_path / "kiln.sqlite", LoopClock()
    first = await record_rig(path, registry=registry, clock=clock, out=out, duration=1)
    await anyio.sleep(1)
    plan = plan_resume(load_rig(path, registry=registry, out=out), clock=clock)
    assert plan.stored is not None
    earlier = plan.stored.run
    assert earlier.id == first.run.id
    again = await record_rig(
        path, registry=registry, clock=clock, out=out, duration=4, resume=earlier if given else True
    )
    assert again.run.id == first.run.id
    ticks = sorted({row.tick for row in riglog.read(out) if row.tick is not None})
    assert ticks[:10] == list(range(10))
    assert not {15, 16, 17} & set(ticks)
    assert ticks[10:] == list(range(ticks[10], ticks[10] + 40)), "the duration counts from now"


async def test_without_an_sqlite_sink_nothing_is_resumed(path: Path, registry: Registry) -> None:
    with pytest.raises(ConfigError, match="no SQLite sink"):
        await record_rig(path, registry=registry, resume=True)


async def test_a_device_that_cannot_be_opened_is_an_error_and_nothing_is_recorded(
    path: Path, registry: Registry, tmp_path: Path
) -> None:
    path.write_text(RIG.replace("sim:bus", str(tmp_path / "ttyUSB7")))
    with pytest.raises(PortNotFoundError):
        await record_rig(path, registry=registry, out=tmp_path / "out.sqlite")
    assert not (tmp_path / "out.sqlite").exists()


async def test_a_sink_that_loses_samples_is_part_of_the_outcome(path: Path, registry: Registry, tmp_path: Path) -> None:
    class Full(MemorySink):
        async def write(self, batches: object, events: object) -> None:
            raise StorageError("disk full")

    rig = msgspec.structs.replace(load_rig(path, registry=registry), sinks=(Full(),))
    outcome = await record_rig(rig, registry=registry, clock=LoopClock())
    assert outcome.storage_error is not None
    assert outcome.summary.samples == 40


async def test_two_sinks_at_one_file_are_refused_before_anything_is_opened(
    path: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sinks = (SqliteSink("r.sqlite"), SqliteSink(tmp_path / "r.sqlite"))
    rig = msgspec.structs.replace(load_rig(path, registry=registry), sinks=sinks)
    with pytest.raises(ConfigError, match=r"sink\.path: 'r\.sqlite' and '.*r\.sqlite' are the same file"):
        await record_rig(rig, registry=registry, clock=LoopClock())
    assert not (tmp_path / "r.sqlite").exists()


def test_a_mistake_in_the_file_is_reported_before_anything_is_opened(path: Path, registry: Registry) -> None:
    path.write_text(RIG + "adress = 1\n")
    with pytest.raises(ExceptionGroup):
        anyio.run(lambda: record_rig(path, registry=registry))


@pytest.mark.real_time
def test_the_code_of_the_how_to_page_runs(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(RIG.replace("toy", "sartorius"))
    for code in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        if "record_rig" in code:
            assert "opening oven on sim:bus" in done.stdout
            assert "run_started" in done.stdout
            assert re.search(r"^longest gap: \d+\.\d s \(oven\.", done.stdout, re.MULTILINE)
        if "no-such-port" in code:
            assert re.search(
                r"^not available: /dev/no-such-port oven .*port not found - \w+", done.stdout, re.MULTILINE
            )
        if "except*" in code:
            assert re.search(
                r"^mistakes\.toml: run\.rate: unknown key - Did you mean 'rate_hz'\?", done.stdout, re.MULTILINE
            )
            assert "mistakes.toml: oven: device.driver: missing" in done.stdout


def test_the_public_names_are_those_of_the_rooms() -> None:
    assert riglog.record_rig is record_rig
    assert riglog.load_rig is load_rig
    assert SqliteSink is riglog.SqliteSink


class SlowToOpen(MemorySink):
    """Takes a second to open."""

    async def open(self, run: Run) -> None:
        await anyio.sleep(1)
        await super().open(run)


async def test_the_first_slots_are_not_lost_while_sinks_are_opened(path: Path, registry: Registry) -> None:
    sink = SlowToOpen()
    rig = msgspec.structs.replace(load_rig(path, registry=registry), sinks=(sink,), rate_hz=100.0)
    outcome = await record_rig(rig, registry=registry, clock=LoopClock())
    assert outcome.summary.slots_skipped == 0
    kinds = [event.kind for event in sink.events]
    assert kinds == [EventKind.RUN_STARTED, EventKind.IDENTITY_EXPECTED, EventKind.RUN_FINISHED]


async def test_a_sink_that_cannot_be_opened_is_an_error_and_nothing_is_recorded(path: Path, registry: Registry) -> None:
    class Closed(MemorySink):
        async def open(self, run: Run) -> None:
            raise StorageError("directory not found")

    opened = MemorySink()
    rig = msgspec.structs.replace(load_rig(path, registry=registry), sinks=(opened, Closed()))
    started: list[ActiveRun] = []
    with pytest.raises(StorageError, match="directory not found"):
        await record_rig(rig, registry=registry, clock=LoopClock(), on_start=started.append)
    assert opened.closed
    assert not started


async def test_a_cancelled_call_raises_the_error_of_a_sink_that_lost_samples(path: Path, registry: Registry) -> None:
    class Full(MemorySink):
        async def write(self, batches: object, events: object) -> None:
            raise StorageError("disk full")

    rig = msgspec.structs.replace(load_rig(path, registry=registry), sinks=(Full(),))
    with pytest.raises(SamplesLostError, match="22 samples lost"), anyio.move_on_after(1.05):
        await record_rig(rig, registry=registry, clock=LoopClock())


class At(LoopClock):
    """A clock that can be set."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.step_ns = round(seconds * 1e9)

    @classmethod
    def now(cls, seconds: float) -> "At":
        """Return a clock that shows this time now: worker threads move that of the event loop on."""
        return cls(seconds - anyio.current_time())


async def recorded(path: Path, registry: Registry, out: Path, clock: LoopClock, **options: Any) -> Outcome:
    return await record_rig(path, registry=registry, clock=clock, out=out, **options)


def slots(out: Path, run: str) -> list[int]:
    rows = [row for row in riglog.read(out, run=run) if row.parameter == "level"]
    assert all(row.tick is not None for row in rows)
    return [row.tick for row in rows if row.tick is not None]


@pytest.mark.parametrize("behind_s", [3600.0, 0.7])
async def test_a_clock_that_is_behind_starts_a_new_run_at_once_that_names_the_one_it_follows(
    path: Path, registry: Registry, tmp_path: Path, behind_s: float
) -> None:
    out = tmp_path / "kiln.sqlite"
    first = await recorded(path, registry, out, At(), duration=2)
    second = await recorded(path, registry, out, At.now(2 - behind_s), duration=2, resume=True)
    assert second.run.id != first.run.id
    assert slots(out, second.run.id) == list(range(20))
    assert slots(out, first.run.id) == list(range(20))
    (started,) = [event for event in read_events(out, run=second.run.id) if event.kind == EventKind.RUN_STARTED]
    pattern = rf"run started at 10 Hz; it follows run {re.escape(first.run.id)}, which cannot be resumed:"
    assert re.match(pattern + r" the system clock \(UTC\) is \d+\.\d+ s behind its last row$", started.message)
    third = await recorded(path, registry, out, At(60), duration=1, resume=True)
    assert third.run.id == second.run.id, "the newest run is continued, not the one with the latest start"


async def test_no_slot_is_recorded_twice_although_the_rate_of_a_device_was_lowered(
    path: Path, registry: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "kiln.sqlite"
    path.write_text(RIG + "rate_hz = 10.0\n")
    first = await recorded(path, registry, out, At(), duration=2)
    path.write_text(RIG + "rate_hz = 0.5\n")
    second = await recorded(path, registry, out, At(2), duration=4, resume=True)
    assert second.run.id != first.run.id
    (started,) = [event for event in read_events(out, run=second.run.id) if event.kind == EventKind.RUN_STARTED]
    assert started.message.endswith(
        "it has rows of oven for the next slots: the rate or the system clock (UTC) was changed"
    )


async def test_without_an_earlier_run_resume_starts_one(path: Path, registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "kiln.sqlite"
    out.touch()  # a program that was killed while it created the file
    outcome = await recorded(path, registry, out, LoopClock(), resume=True)
    assert slots(out, outcome.run.id) == list(range(20))


async def test_the_duration_of_the_rig_file_is_that_of_the_whole_run(
    path: Path, registry: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "kiln.sqlite"
    path.write_text(RIG.replace('"2s"', '"60s"'))
    first = await recorded(path, registry, out, At(), duration=1)
    again = await recorded(path, registry, out, At.now(31), resume=True)
    assert again.run.id == first.run.id
    assert max(slots(out, first.run.id)) == 599
    with pytest.raises(ConfigError, match="is complete: its duration of 60 s has elapsed"):
        await recorded(path, registry, out, At(90), resume=True)


async def test_slot_zero_of_a_resumed_run_is_when_its_clock_started(
    path: Path, registry: Registry, tmp_path: Path
) -> None:
    """Not when the run was made known to its sinks, which take a while to open."""
    out = tmp_path / "kiln.sqlite"
    rig = load_rig(path, registry=registry, out=out)
    slow = msgspec.structs.replace(rig, sinks=(*rig.sinks, SlowToOpen()))
    clock = At()
    first = await record_rig(slow, registry=registry, clock=clock)
    plan = plan_resume(rig, clock=At(60))
    assert plan.stored is not None
    assert plan.stored.slot_zero_ns == first.summary.started_ns
    assert plan.stored.slot_zero_ns - first.run.started_ns >= 1_000_000_000
    assert plan.stored.last_ticks == {"oven": 19}


@pytest.mark.parametrize("step_s", [-3600.0, -0.7, 3600.0])
async def test_a_clock_that_steps_while_sinks_are_opened_is_an_event_and_moves_neither_start_nor_slots(
    path: Path, registry: Registry, tmp_path: Path, step_s: float
) -> None:
    out, clock = tmp_path / "kiln.sqlite", At()

    class Set(MemorySink):
        async def open(self, run: Run) -> None:
            await super().open(run)
            clock.step_ns += round(step_s * NS)

    rig = load_rig(path, registry=registry, out=out)
    rig = msgspec.structs.replace(rig, sinks=(*rig.sinks, Set()))
    outcome = await record_rig(rig, registry=registry, clock=clock)
    events = list(read_events(out))
    assert [event.message for event in events if event.kind == EventKind.CLOCK_STEP] == [
        f"system clock (UTC) stepped by {step_s:+.3f} s before the first slot"
    ]
    assert slots(out, outcome.run.id) == list(range(20))
    (run,) = contents(out).runs
    (facts,) = collect([out], Selection(), 10, lambda _: None).runs
    assert run.started_at == facts.started_at == events[0].at
    assert run.finished_at == facts.finished_at == events[-1].at
    stored = plan_resume(rig, clock=At(step_s + 60)).stored
    assert stored is not None
    assert (stored.slot_zero_ns, stored.last_ticks) == (outcome.summary.started_ns, {"oven": 19})


async def test_a_run_that_is_not_in_the_file_is_not_resumed(path: Path, registry: Registry, tmp_path: Path) -> None:
    other = (await recorded(path, registry, tmp_path / "other.sqlite", At(), duration=1)).run
    with pytest.raises(StorageError, match=f"no run {other.id} to resume"):
        await recorded(path, registry, tmp_path / "kiln.sqlite", At(60), resume=other)

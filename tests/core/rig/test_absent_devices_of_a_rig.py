"""record_rig starts with the devices that are there, and waits for the others."""

from pathlib import Path

import anyio
import msgspec
import pytest
from toy import ToyConfig, ToyDriver

from riglog.config import load_rig
from riglog.errors import PortNotFoundError, ReplyTimeoutError
from riglog.model import Event, EventKind
from riglog.plugin import Registry
from riglog.recordings import read, read_events
from riglog.rig import record_rig
from riglog.simulation import Simulator
from riglog.sinks import MemorySink
from riglog.testing import LoopClock

RIG = """
[run]
name = "kiln"
rate_hz = 10.0
duration = "20s"
[[sink]]
type = "sqlite"
path = "{path}/kiln.sqlite"
[[device]]
name = "oven"
driver = "toy"
port = "sim:oven"
[[device]]
name = "dryer"
driver = "toy"
port = "sim:dryer"
"""
FILE = "kiln.sqlite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(RIG.format(path=tmp_path))
    return path


@pytest.fixture
def off(toy: ToyDriver, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The instruments that are off when the recording starts; those that are removed from it are switched on."""
    names: set[str] = set()
    simulator = toy.simulator

    def made(config: ToyConfig) -> Simulator:
        found = simulator(config)
        toy.simulators[config.name].silent = config.name in names
        return found

    monkeypatch.setattr(toy, "simulator", made)
    return names


async def test_a_device_that_comes_during_the_recording_is_in_it(
    path: Path, registry: Registry, toy: ToyDriver, off: set[str]
) -> None:
    off.add("dryer")
    events: list[Event] = []
    async with anyio.create_task_group() as tasks:

        async def switch_on() -> None:
            await anyio.sleep(10)
            toy.simulators["dryer"].silent = False

        rig = load_rig(path, registry=registry)
        memory = MemorySink()
        rig = msgspec.structs.replace(rig, sinks=(memory,))
        outcome = await record_rig(
            rig,
            registry=registry,
            clock=LoopClock(),
            on_event=events.append,
            on_start=lambda run: tasks.start_soon(switch_on),
        )
    assert outcome.absent == {}
    # The first replies wait for one timeout, in which replies to earlier requests may still arrive.
    assert [event.kind for event in events if event.kind is not EventKind.SLOTS_SKIPPED] == [
        EventKind.RUN_STARTED,
        EventKind.DEVICE_ABSENT,
        EventKind.DEVICE_PRESENT,
        EventKind.RUN_FINISHED,
    ]
    rows = {device: [row for row in memory.rows if row.device == device] for device in ("oven", "dryer")}
    assert {device: len(found) for device, found in rows.items()} == {"oven": 400, "dryer": 400}
    assert {row.status for row in rows["oven"]} == {"ok"}
    assert {row.status for row in rows["dryer"]} == {"ok", "skipped"}
    assert "identity: toy" in [event.message for event in memory.events if event.device == "dryer"]


async def test_a_device_that_never_comes_is_in_the_outcome(path: Path, registry: Registry, off: set[str]) -> None:
    off.add("oven")
    outcome = await record_rig(path, registry=registry, clock=LoopClock())
    assert outcome.absent == {"oven": "no reply within 0.3 s"}
    assert [event.kind for event in read_events(path.with_name(FILE))].count("device_absent") == 1


async def test_require_all_raises_and_records_nothing(path: Path, registry: Registry, off: set[str]) -> None:
    off.add("dryer")
    with pytest.raises(ReplyTimeoutError, match="dryer"):
        await record_rig(path, registry=registry, clock=LoopClock(), require_all=True)
    assert not path.with_name(FILE).exists()


async def test_a_rig_without_any_device_raises_the_first_error(path: Path, registry: Registry, off: set[str]) -> None:
    off |= {"oven", "dryer"}
    with pytest.raises(ReplyTimeoutError, match=r"oven \(sim:oven"):
        await record_rig(path, registry=registry, clock=LoopClock())
    assert not path.with_name(FILE).exists()


async def test_wait_starts_without_any_device(path: Path, registry: Registry, off: set[str]) -> None:
    off |= {"oven", "dryer"}
    outcome = await record_rig(path, registry=registry, clock=LoopClock(), wait=True)
    assert list(outcome.absent) == ["oven", "dryer"]
    assert (outcome.summary.samples, outcome.summary.samples_missing_or_skipped) == (800, 800)


async def test_a_port_that_does_not_exist_is_waited_for(path: Path, registry: Registry, tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB7"
    path.write_text(path.read_text().replace("sim:dryer", str(port)))
    outcome = await record_rig(path, registry=registry, clock=LoopClock())
    assert outcome.absent == {"dryer": "port not found"}
    assert {row.error for row in read(path.with_name(FILE), device="dryer")} == {"device absent: port not found"}
    with pytest.raises(PortNotFoundError):
        await record_rig(path, registry=registry, clock=LoopClock(), require_all=True)


async def test_an_absent_device_of_a_resumed_run_must_be_its_instrument(
    path: Path, registry: Registry, toy: ToyDriver, off: set[str]
) -> None:
    await record_rig(path, registry=registry, clock=LoopClock(), duration=2)
    path.write_text(path.read_text() + 'identity = "other"\n')
    off.add("dryer")
    clock = LoopClock()
    clock.step_ns = 10_000_000_000
    events: list[Event] = []
    async with anyio.create_task_group() as tasks:

        async def switch_on() -> None:
            await anyio.sleep(10)
            toy.simulators["dryer"].silent = False

        await record_rig(
            path,
            registry=registry,
            clock=clock,
            duration=20,
            resume=True,
            on_event=events.append,
            on_start=lambda run: tasks.start_soon(switch_on),
        )
    assert EventKind.WRONG_INSTRUMENT in [event.kind for event in events]
    assert {row.status for row in read(path.with_name(FILE), device="dryer") if (row.tick or 0) > 60} == {"skipped"}

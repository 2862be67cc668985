"""Derived channels of a rig that is recorded: one row for each slot, in every sink, however the recording goes."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from toy import ToyDriver

import riglog
from riglog.acquire import ActiveRun
from riglog.config import RigConfig, load_rig
from riglog.model import Event, EventKind
from riglog.plugin import Registry
from riglog.recordings import read_alarms
from riglog.rig import Outcome, record_rig
from riglog.testing import LoopClock

RIG = """
[run]
name = "kiln"
[[sink]]
type = "sqlite"
path = "{folder}/kiln.sqlite"
[[sink]]
type = "csv"
path = "{folder}/kiln.csv"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
[[device]]
name = "tank-2"
driver = "toy"
port = "sim:bus2"
[[derived]]
name = "step"
formula = "oven.flow - oven.level"
unit = "mm"
[[derived]]
name = "both"
formula = "min(oven.level, 'tank-2.level') * 2 + derived.step"
[[derived]]
name = "slope"
device = "trend"
formula = "rate(oven.level, 5)"
[[alarm]]
name = "full"
channel = "derived.both"
high = 20
"""


@pytest.fixture
def rig(tmp_path: Path, registry: Registry) -> RigConfig:
    return loaded(tmp_path, registry)


def loaded(folder: Path, registry: Registry, text: str = RIG, **more: Any) -> RigConfig:
    file = folder / "rig.toml"
    file.write_text(text.replace("{folder}", folder.as_posix()))
    return load_rig(file, registry=registry, **more)


async def recorded(rig: RigConfig, registry: Registry, **more: Any) -> Outcome:
    return await record_rig(rig, registry=registry, clock=LoopClock(), **{"duration": 20} | more)


def channels(path: Path) -> Iterator[tuple[str, list[tuple[int | None, float | None, str]]]]:
    found: dict[str, list[tuple[int | None, float | None, str]]] = {}
    for row in riglog.read(path):
        found.setdefault(f"{row.device}.{row.parameter}", []).append((row.tick, row.value, row.status))
    return iter(found.items())


@pytest.mark.parametrize("name", ["kiln.sqlite", "kiln.csv"])
async def test_every_slot_has_one_row_in_every_sink(
    rig: RigConfig, registry: Registry, tmp_path: Path, name: str
) -> None:
    outcome = await recorded(rig, registry)
    found = dict(channels(tmp_path / name))
    assert [str(channel) for channel in outcome.summary.channels if channel.formula] == [
        "derived.step", "trend.slope", "derived.both",
    ]  # fmt: skip
    for channel in found.values():
        assert [tick for tick, *_ in channel] == list(range(20))
    assert {(value, status) for _, value, status in found["derived.step"]} == {(1, "ok")}
    pairs = zip(found["oven.level"], found["tank-2.level"], strict=True)
    assert [value for _, value, _ in found["derived.both"]] == [2 * min(a[1] or 0, b[1] or 0) + 1 for a, b in pairs]
    assert [status for *_, status in found["trend.slope"]] == ["missing", "suspect", *["ok"] * 18]


async def test_the_file_has_the_formulas_and_alarms_see_the_values(
    rig: RigConfig, registry: Registry, tmp_path: Path
) -> None:
    await recorded(rig, registry)
    with closing(sqlite3.connect(tmp_path / "kiln.sqlite")) as database:
        found = database.execute(
            "SELECT device, parameter, driver, protocol, unit, formula, inputs FROM derived"
            " JOIN channel ON channel.id = channel_id JOIN series ON series.id = series_id ORDER BY device, parameter"
        ).fetchall()
    formulas = {each.name: each.formula.text for each in rig.derived}
    assert found == [
        ("derived", "both", "derived", "formula", None, formulas["both"],
         '["oven.level","tank-2.level","derived.step"]'),
        ("derived", "step", "derived", "formula", "mm", formulas["step"], '["oven.flow","oven.level"]'),
        ("trend", "slope", "derived", "formula", None, formulas["slope"], '["oven.level"]'),
    ]  # fmt: skip
    (alarm,) = read_alarms(tmp_path / "kiln.sqlite")
    assert (alarm.channel, alarm.state) == ("derived.both", "raised")


async def test_a_silent_device_leaves_rows_without_a_value(
    rig: RigConfig, registry: Registry, toy: ToyDriver, tmp_path: Path
) -> None:
    async def change(_: ActiveRun) -> None:
        await anyio.sleep(5)
        toy.simulators["tank-2"].silent = True

    async with anyio.create_task_group() as tasks:
        await recorded(rig, registry, on_start=lambda active: tasks.start_soon(change, active))
    found = dict(channels(tmp_path / "kiln.sqlite"))
    for channel in found.values():
        assert [tick for tick, *_ in channel] == list(range(20))
    assert [status for *_, status in found["derived.both"]] == ["ok"] * 6 + ["missing"] * 14 or (
        found["derived.both"][7:] == [(tick, None, "missing") for tick in range(7, 20)]
    )
    assert {status for *_, status in found["derived.step"]} == {"ok"}


async def test_a_run_that_is_resumed_and_rotated_has_one_row_for_each_slot(registry: Registry, tmp_path: Path) -> None:
    text = RIG.replace('kiln.sqlite"', 'kiln.sqlite"\nrotate = "1h"').replace("level, 5)", "level, 500)")
    rig = loaded(tmp_path, registry, text.replace('name = "kiln"', 'name = "kiln"\nrate_hz = 0.01'))
    first = await recorded(rig, registry, duration=7000)
    await anyio.sleep(300)
    rig = loaded(tmp_path, registry, text.replace('name = "kiln"', 'name = "kiln"\nrate_hz = 0.01'))
    second = await recorded(rig, registry, duration=3000, resume=True)
    assert second.run.id == first.run.id
    files = sorted(tmp_path.glob("kiln*.sqlite"))
    assert len(files) > 1
    ticks = Counter((row.device, row.parameter, row.tick) for path in files for row in riglog.read(path))
    assert set(ticks.values()) == {1}
    assert {key[2] for key in ticks if key[1] == "both"} == {key[2] for key in ticks if key[0] == "oven"}
    for path in files:
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("SELECT count(DISTINCT formula), count(*) FROM derived").fetchone() == (3, 3)


async def test_a_recording_that_is_cancelled_has_all_derived_rows(
    rig: RigConfig, registry: Registry, tmp_path: Path
) -> None:
    async def cancel(_: ActiveRun) -> None:
        await anyio.sleep(7.5)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        await recorded(rig, registry, on_start=lambda active: tasks.start_soon(cancel, active))
    found = dict(channels(tmp_path / "kiln.sqlite"))
    assert {len(rows) for rows in found.values()} == {8}


async def test_an_input_that_the_instrument_does_not_have_gives_rows_without_a_value(
    registry: Registry, tmp_path: Path
) -> None:
    """As a parameter that only an instrument knows, and that this one has not."""
    text = RIG.replace("oven.flow - oven.level", "oven.level - 'tank-2.flow'")
    rig = loaded(
        tmp_path,
        registry,
        text.replace('port = "sim:bus2"', 'port = "sim:bus2"\nparameters = ["level", "mass", "flow"]'),
    )
    await recorded(rig, registry)
    found = dict(channels(tmp_path / "kiln.sqlite"))
    assert [tick for tick, *_ in found["derived.step"]] == list(range(20))


async def test_a_formula_that_fails_costs_its_own_rows_only(
    rig: RigConfig, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("riglog.derived.window.Window.result", broken)
    events: list[Event] = []
    await recorded(rig, registry, on_event=events.append)
    found = dict(channels(tmp_path / "kiln.sqlite"))
    assert {status for *_, status in found["trend.slope"]} == {"missing"}
    assert {status for *_, status in found["derived.step"]} == {"ok"}
    assert EventKind.DRIVER_FAILED not in [event.kind for event in events]


async def test_rows_of_a_changed_formula_are_not_those_of_the_one_before(registry: Registry, tmp_path: Path) -> None:
    first = await recorded(loaded(tmp_path, registry), registry, duration=5)
    changed = RIG.replace("oven.flow - oven.level", "oven.level - oven.flow")
    second = await recorded(loaded(tmp_path, registry, changed), registry, duration=5, resume=True)
    assert second.run.id == first.run.id
    with closing(sqlite3.connect(tmp_path / "kiln.sqlite")) as database:
        found = database.execute(
            "SELECT formula, value, count(*) FROM samples JOIN derived USING (channel_id)"
            " WHERE parameter = 'step' GROUP BY formula, value ORDER BY formula"
        ).fetchall()
    assert [(formula, value) for formula, value, _ in found] == [
        ("oven.flow - oven.level", 1),
        ("oven.level - oven.flow", -1),
    ]
    assert len(dict(channels(tmp_path / "kiln.sqlite"))["derived.step"]) == 10

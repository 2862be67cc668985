"""A rig of all three vendors: every due slot a row in one file, whatever their order in the rig."""

import sqlite3
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from riglog.acquire import pipe, record
from riglog.manager import Manager
from riglog.model import new_run
from riglog.plugin import installed
from riglog.sinks import MemorySink, SqliteSink
from riglog.testing import LoopClock

RIG: dict[str, dict[str, Any]] = {
    "balance": {"driver": "sartorius", "protocol": "xbpi", "rate_hz": 10.0},
    "oven": {"driver": "watlow", "protocol": "stdbus", "rate_hz": 2.0, "parameters": ["process_value"]},
    "gas": {"driver": "servomex", "protocol": "modbus-rtu", "rate_hz": 1.0},
}
SLOTS = {"balance": 600, "oven": 120, "gas": 60}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not {table["driver"] for table in RIG.values()} <= set(installed().drivers),
        reason="needs all three vendor plugins",
    ),
]


@pytest.mark.parametrize("order", list(permutations(RIG)), ids="-".join)
async def test_a_minute_of_all_three_vendors_is_a_row_for_every_slot(tmp_path: Path, order: tuple[str, ...]) -> None:
    clock, path, memory, run = LoopClock(), tmp_path / "rig.sqlite", MemorySink(), new_run("all", LoopClock())
    async with Manager(clock=clock) as rig:
        for name in order:
            await rig.add(name, f"sim:{name}", **RIG[name])
        async with record(rig, rate_hz=1, duration=60, clock=clock) as recording:
            await pipe(recording, memory, run=run)
    stored = SqliteSink(path)  # afterwards: its writer thread lives in real time, the recording does not
    await stored.open(run)
    await stored.write(memory.batches, memory.events)
    await stored.aclose()
    with closing(sqlite3.connect(path)) as file:
        counted = file.execute(
            "SELECT device, parameter, count(*), count(DISTINCT tick), sum(status <> 'ok') FROM samples GROUP BY 1, 2"
        ).fetchall()
        columns = [column[1] for column in file.execute("PRAGMA table_info(samples)")]
    file.close()
    assert {row[0] for row in counted} == set(RIG)
    for device, _, rows, ticks, bad in counted:
        assert (rows, ticks, bad) == (SLOTS[device], SLOTS[device], 0)
    assert columns[:4] == ["run", "tick", "device", "driver"]
    assert recording.summary.slots_skipped == 0

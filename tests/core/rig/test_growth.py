"""A program that records again and again keeps nothing of the recordings that have ended."""

import gc
import sys
from pathlib import Path

from riglog.plugin import Registry
from riglog.rig import record_rig
from riglog.testing import LoopClock

RIG = """
[run]
name = "kiln"
rate_hz = 10.0
[[sink]]
type = "sqlite"
path = "{0}/r.sqlite"
[[sink]]
type = "csv"
path = "{0}/r.csv"
[[sink]]
type = "jsonl"
path = "{0}/r.jsonl"
[[device]]
name = "oven"
driver = "toy"
port = "sim:bus"
"""
WARM, REPEATS = 3, 5
MOST_BLOCKS = 40
"""For each recording: caches of limited size are filled with about 15. A summary that is kept costs more than 70."""


async def test_recordings_that_have_ended_leave_nothing_in_memory(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(RIG.format(tmp_path.as_posix()))
    blocks = []
    for _ in range(WARM + REPEATS):
        await record_rig(path, registry=registry, clock=LoopClock(), duration=3, resume=True)
        gc.collect()
        blocks.append(sys.getallocatedblocks())
    assert blocks[-1] - blocks[WARM - 1] < MOST_BLOCKS * REPEATS

"""What a pause costs the work behind it, without riglog: the same CPU work takes longer after the processor has slept.

It explains why a poll at 10 Hz takes several times the CPU of one of many polls that follow each other.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator

from figure import ROUNDS, Extent, Figure

PAUSES_MS = (2, 10, 20)
WITHOUT_PAUSE = 1_000
REPEATED = 25
"""Gives about a hundred microseconds of Python and of its libraries in C."""


def work() -> None:
    for number in range(REPEATED):
        found = json.loads(f'{{"values": [1, 2, 3], "name": "x{number}"}}')
        re.sub("x", "y", found["name"] + json.dumps(found))


async def cpu_of_one(pause: float, times: int) -> float:
    """Return the microseconds of CPU of one piece of work, with the pause before it."""
    work()
    begun = time.process_time()
    for _ in range(times):
        await asyncio.sleep(pause)
        work()
    return (time.process_time() - begun) / times * 1e6


def figures(extent: Extent) -> Iterator[Figure]:
    for pause_ms in PAUSES_MS:
        times = (2_000 if extent.long else 500) // pause_ms
        pairs = sorted(
            (asyncio.run(cpu_of_one(pause_ms / 1e3, times)), asyncio.run(cpu_of_one(0.0, WITHOUT_PAUSE)))
            for _ in range(ROUNDS)
        )
        taken, floor = pairs[len(pairs) // 2]
        yield Figure(f"the same work after {pause_ms} ms of sleep", taken, "us CPU", floor, "without a pause")

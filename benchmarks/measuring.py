"""What the benchmarks share: instruments in other processes, one core for each side, and medians."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INSTRUMENT = Path(__file__).with_name("instrument.py")
ROUNDS = 7


@contextmanager
def instrument(
    *tables: Mapping[str, Any], pause: float = 0.0005, baudrate: int = 0, pinned: bool = True
) -> Iterator[str]:
    """Simulate instruments on one bus, in a process of their own; yields its port.

    Args:
        pause: seconds between two unsolicited frames of an instrument; 0: as fast as they are read.
        baudrate: of the line that carries requests and replies; 0: characters take no time.
        pinned: on the last core.
    """
    command = [sys.executable, str(INSTRUMENT), str(pause), str(baudrate), *map(json.dumps, tables)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        if pinned:
            pin(server.pid, -1)
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def pin(process: int = 0, core: int = 0) -> None:
    """Keep a process (0: this one) on one core, where that can be done."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process, [range(os.cpu_count() or 1)[core]])


async def cpu_of_each(calls: Sequence[Callable[[], Awaitable[object]]], times: int) -> list[float]:
    """Microseconds of this process's CPU per call: the medians of several rounds, in turns, after one to warm up."""
    rounds: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS + 1):
        for call, costs in zip(calls, rounds, strict=True):
            begun = time.process_time()
            for _ in range(times):
                await call()
            costs.append((time.process_time() - begun) / times * 1e6)
    return [statistics.median(costs[1:]) for costs in rounds]


def resident() -> float:
    """Megabytes of memory that this process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

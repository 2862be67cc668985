"""What the benchmarks share: instruments in other processes, one core for each side, and medians."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INSTRUMENT = Path(__file__).with_name("instrument.py")
ROUNDS = 7


@contextmanager
def instrument(*tables: Mapping[str, Any], pause: float = 0.0005, pinned: bool = True) -> Iterator[str]:
    """Simulate instruments on one bus, in a process of their own; yields its port.

    Args:
        pause: seconds between two unsolicited frames of an instrument; 0: as fast as they are read.
        pinned: on the last core.
    """
    command = [sys.executable, str(INSTRUMENT), str(pause), *map(json.dumps, tables)]
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


async def cpu_per_call(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Microseconds of this process's CPU per call: the median of several rounds, after one to warm up."""
    rounds = []
    for _ in range(ROUNDS + 1):
        begun = time.process_time()
        for _ in range(calls):
            await call()
        rounds.append((time.process_time() - begun) / calls * 1e6)
    return statistics.median(rounds[1:])

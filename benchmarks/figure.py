"""What every benchmark gives to ``benchmarks/run``: figures, each beside a floor of the same run.

A module of this folder with a function ``figures(extent)`` is found by ``run``. It yields a ``Figure`` for everything
it measures. The floor is what the same work costs without riglog, measured in turns with it: the ratio of the two says
more than either, because a busy machine slows both.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 5
LEAST_ROUNDS, LONG_SECONDS = 3, 8.0
"""On a machine that is so busy that the rounds take longer than this, fewer of them are enough."""


@dataclass(frozen=True)
class Extent:
    """How much is measured. ``rows`` is the size of the largest table that is built."""

    long: bool = False
    rows: int = 10_000


@dataclass(frozen=True)
class Figure:
    """One measured value, smaller is better, and its floor in the same unit.

    ``level``: the ratio at which the best library of a single vendor would be as good, where riglog is ahead of it.
    """

    name: str
    value: float
    unit: str
    floor: float
    floor_name: str
    note: str = ""
    level: float | None = None

    @property
    def ratio(self) -> float:
        return self.value / self.floor


def in_turns(measures: Sequence[Callable[[], float]], rounds: int = ROUNDS) -> list[float]:
    """Return the median of each measure, all of them taken in turns."""
    taken: list[list[float]] = []
    began = time.perf_counter()
    while len(taken) < rounds and (len(taken) < LEAST_ROUNDS or time.perf_counter() - began < LONG_SECONDS):
        taken.append([measure() for measure in measures])
    return [statistics.median(column) for column in zip(*taken, strict=True)]

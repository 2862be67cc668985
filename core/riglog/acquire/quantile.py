"""Quantiles of a stream of durations in bounded memory: a histogram with bins of geometrically growing width."""

import math
from collections import Counter

FACTOR = 1.05  # the error of a quantile is about 2.5 %
LOG_FACTOR = math.log(FACTOR)
SMALLEST = 1e-6


class Quantiles:
    """Quantiles of durations in seconds. Durations below 1 µs count as 1 µs."""

    def __init__(self) -> None:
        self.count = 0
        self.maximum = 0.0
        self._bins: Counter[int] = Counter()

    @property
    def bins(self) -> int:
        """Number of bins in use, which is what the memory depends on."""
        return len(self._bins)

    def add(self, value: float) -> None:
        self.count += 1
        if value > self.maximum:
            self.maximum = value
        self._bins[int(math.log(value / SMALLEST) / LOG_FACTOR) if value > SMALLEST else 0] += 1

    def at(self, share: float) -> float | None:
        """Return the duration below which ``share`` (0 to 1) of all durations lie; None if there are none."""
        wanted = share * self.count
        seen = 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen >= wanted:
                return min(SMALLEST * math.exp(LOG_FACTOR * (index + 0.5)), self.maximum)
        return None

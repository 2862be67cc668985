"""Quantiles of a stream in constant memory: a histogram whose bins grow by a fixed factor."""

import math
from collections import Counter

FACTOR = 1.05  # a quantile is right to about 2.5 %
LOG_FACTOR = math.log(FACTOR)
SMALLEST = 1e-6


class Quantiles:
    """Of durations in seconds; what is below a microsecond counts as that."""

    def __init__(self) -> None:
        self.count = 0
        self.maximum = 0.0
        self._bins: Counter[int] = Counter()

    def add(self, value: float) -> None:
        self.count += 1
        self.maximum = max(self.maximum, value)
        self._bins[math.floor(math.log(max(value, SMALLEST) / SMALLEST) / LOG_FACTOR)] += 1

    def at(self, share: float) -> float | None:
        """The value below which ``share`` (0 to 1) of all lie; None if there were none."""
        wanted = share * self.count
        seen = 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen >= wanted:
                return min(SMALLEST * math.exp(LOG_FACTOR * (index + 0.5)), self.maximum)
        return None

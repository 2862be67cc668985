"""What one channel gave over a time, for the functions of a formula that look back. Pure; times are in nanoseconds.

Missing data is not bridged: a function uses the values that are there, its result is ``suspect`` if they are less than
half of what is due in the window, and everything before a gap without rows, or before a change of unit, is forgotten.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from riglog.model import NS

MOST_ROWS = 10_000
"""In one window. A longer one would cost too much time in every slot."""


class NoValueError(Exception):
    """A formula has no value now; the argument is the reason."""


class WindowRow(Struct, frozen=True):
    """A row of the channel; ``era`` is counted up where the rows before are forgotten."""

    at_ns: int
    value: float | None
    suspect: bool
    era: int


class Window:
    """The newest rows of a channel.

    Args:
        longest_s: of all functions on this channel.
        hold_s: for how much longer rows are kept: a slot may be evaluated later.
        period_s: the time between two rows; None: the device sets the pace.
    """

    def __init__(self, longest_s: float, hold_s: float, period_s: float | None) -> None:
        self._keep_ns = round((longest_s + hold_s) * NS)
        self._period_s = period_s
        self._rows: deque[WindowRow] = deque(maxlen=2 * MOST_ROWS)
        self._tick: int | None = None
        self._unit: str | None = None
        self._era = 0

    def add(self, tick: int | None, at_ns: int, value: float | None, *, suspect: bool, unit: str | None) -> None:
        """Add a row. Rows that are missing before it, or another unit, begin a new era."""
        follows = tick is None or self._tick is None or tick - self._tick in (0, 1)
        if not follows or (value is not None and unit != self._unit):
            self._era += 1
        self._tick = tick
        self._unit = self._unit if value is None else unit
        self._rows.append(WindowRow(at_ns, value, suspect, self._era))
        while self._rows[0].at_ns < at_ns - self._keep_ns:
            self._rows.popleft()

    def result(self, function: str, seconds: float, at_ns: int) -> tuple[float, bool]:
        """Return a function of the rows up to that of a time, and whether it is suspect.

        Raises:
            NoValueError: there are too few values, or too many.
        """
        known = [row for row in self._rows if at_ns - round(seconds * NS) < row.at_ns <= at_ns]
        if not known:
            raise NoValueError(f"too few values for {function}")
        rows = [row for row in known if row.era == known[-1].era]
        if len(rows) > MOST_ROWS:
            raise NoValueError(f"more than {MOST_ROWS} rows in a window")
        valued = [(row.at_ns, row.value) for row in rows if row.value is not None]
        needed, calculate = WINDOW_FUNCTIONS[function]
        if len(valued) < needed:
            raise NoValueError(f"too few values for {function}")
        suspect = any(row.suspect for row in rows if row.value is not None)
        return calculate(valued), suspect or 2 * len(valued) < self._due(rows, seconds, at_ns)

    def _due(self, rows: Sequence[WindowRow], seconds: float, at_ns: int) -> float:
        """Return how many rows are due in a window; of a device with its own pace, as many as have come in it."""
        if self._period_s is not None and self._tick is not None:
            return round(seconds / self._period_s)
        covered = (at_ns - rows[0].at_ns) / NS
        return len(rows) * seconds / covered if covered else math.inf


Values = Sequence[tuple[int, float]]


def _mean(values: Values) -> float:
    return math.fsum(value for _, value in values) / len(values)


def _stdev(values: Values) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for _, value in values) / (len(values) - 1))


def _rate(values: Values) -> float:
    (first_ns, first), (last_ns, last) = values[0], values[-1]
    return (last - first) / ((last_ns - first_ns) / NS)


WINDOW_FUNCTIONS: Mapping[str, tuple[int, Callable[[Values], float]]] = {
    "mean": (1, _mean),
    "stdev": (2, _stdev),
    "lowest": (1, lambda values: min(value for _, value in values)),
    "highest": (1, lambda values: max(value for _, value in values)),
    "rate": (2, _rate),
}
"""Each function with the number of values that it needs."""

"""What a simulated instrument had at any time: values that are functions of time, and settings with their history.

A value that was recorded can be compared with it. No I/O and no clock: the time is an argument, in seconds.
"""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

from riglog.model import Channel
from riglog.simulation.simulator import Simulator

T = TypeVar("T")


class Truth(Struct, frozen=True):
    """What an instrument had in some time: every value from ``lowest`` to ``highest``, in one unit.

    Both are None if it had no value, such as with a broken sensor. ``resolution`` is the largest difference between a
    value and what the instrument can send for it.
    """

    lowest: float | None
    highest: float | None
    unit: str | None = None
    resolution: float = 0.0

    def holds(self, value: float, unit: str | None) -> bool:
        """Return True if the instrument had this value; a value without a unit is the number it displayed."""
        if self.lowest is None or self.highest is None or unit not in (None, self.unit):
            return False
        return self.lowest - self.resolution <= value <= self.highest + self.resolution


class Course(Struct, frozen=True):
    """A value that rises from ``low`` to ``high`` and falls again, at a steady rate: within half a period each value
    occurs once, so that a value of another time is recognised.

    ``period`` and ``phase`` are in seconds.
    """

    low: float
    high: float
    period: float
    phase: float = 0.0

    def at(self, now: float) -> float:
        """Return the value at a time."""
        part = (now + self.phase) % self.period / self.period
        return self.low + (self.high - self.low) * (1 - abs(2 * part - 1))

    def extremes(self, start: float, end: float) -> tuple[float, float]:
        """Return the lowest and the highest value from ``start`` to ``end``."""
        half = self.period / 2
        turns = range(int((start + self.phase) // half) + 1, int((end + self.phase) // half) + 1)
        values = [self.at(start), self.at(end), *(self.low if turn % 2 == 0 else self.high for turn in turns)]
        return min(values), max(values)


class Timeline(Generic[T]):
    """A setting with all its values and the times of the changes, oldest first."""

    def __init__(self, first: T) -> None:
        self._times = [float("-inf")]
        self._values = [first]

    def set(self, now: float, value: T) -> None:
        """Change the setting from ``now`` on."""
        self._times.append(now)
        self._values.append(value)

    def at(self, now: float) -> T:
        """Return the setting at a time."""
        return self._values[bisect_right(self._times, now) - 1]

    def between(self, start: float, end: float) -> Iterator[tuple[float, float, T]]:
        """Return the settings from ``start`` to ``end``, each with the part of this time in which it was in force."""
        for index in range(bisect_right(self._times, start) - 1, bisect_right(self._times, end)):
            until = self._times[index + 1] if index + 1 < len(self._times) else end
            yield max(start, self._times[index]), min(end, until), self._values[index]


class TruthfulSimulator(Simulator):
    """A simulated instrument that can be asked what it had at any time up to now."""

    @abstractmethod
    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        """Return what the instrument had from ``start`` to ``end``, one Truth for each state of its settings; nothing
        if it does not have the channel.
        """

    def truth(self, channel: Channel, at: float) -> Truth | None:
        """Return what the instrument had at one time; None if it does not have the channel."""
        found = list(self.truths(channel, at, at))
        return found[-1] if found else None

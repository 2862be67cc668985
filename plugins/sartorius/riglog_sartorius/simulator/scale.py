"""A scale with a load: settling, tare, zero, overload. The time is an argument, in seconds. Source: section 8."""

from fractions import Fraction
from math import exp

from msgspec import Struct

TO_GRAMS = {"g": 0, "kg": 3, "mg": -3}
"""Power of ten from the unit to grams."""

ZEROING = 2.0
"""Seconds without a value after a zero command."""

ZERO_RANGE = 0.02
"""The part of the capacity within which zero can be set."""

ADJUSTING = 6.0
LONG_AGO = 60.0


class Shown(Struct, frozen=True):
    """The display at one instant. ``value`` is exact, in ``unit``; None if off scale."""

    value: Fraction | None
    decimals: int
    unit: str
    stable: bool
    overload: bool = False
    underload: bool = False


class Scale:
    """Weights are in grams. A new load is approached with the time constant ``settle``, then decreases by ``drift``."""

    def __init__(self, *, capacity: int, decimals: int, load: float = 0.0) -> None:
        self.capacity = capacity
        self.decimals = decimals
        self.unit = "g"
        self.settle = 0.25
        self.drift = 0.0  # grams per second
        self.zero_range = ZERO_RANGE
        self._load = self._from = load
        self._since: float | None = None  # at the first reading the load has been on the scale for long
        self._next_load: float | None = None
        self._zero = self._tare = 0.0
        self._zeroing_until = self._adjusting_until = 0.0

    def put(self, load: float, *, for_long: bool = False) -> None:
        """Change the load, from the next reading on. ``for_long``: it has been on the scale for long then."""
        if for_long:
            self._load = self._from = load
        else:
            self._next_load = load

    def physical(self, now: float) -> float:
        """Return the weight on the cell, in grams."""
        if self._since is None:
            self._since = now - LONG_AGO
        if self._next_load is not None:
            self._from = self._felt(now)
            self._load, self._since, self._next_load = self._next_load, now, None
        return self._felt(now)

    def net(self, now: float, more_digits: int = 0) -> Shown:
        return self._shown(now, self.physical(now) - self._zero - self._tare, more_digits)

    def gross(self, now: float, more_digits: int = 0) -> Shown:
        return self._shown(now, self.physical(now) - self._zero, more_digits)

    def tare_value(self, now: float, more_digits: int = 0) -> Shown:
        decimals = self._decimals + more_digits
        return Shown(self._rounded(self._tare, decimals), decimals, self.unit, True)

    def tare(self, now: float) -> None:
        """Zero or tare, whichever applies; the tare is what the display showed, so that net + tare = gross."""
        gross = self.physical(now) - self._zero
        self._tare = round(gross, self.decimals)

    def zero(self, now: float) -> bool:
        """Set zero, if the load is in the zero range; then there is no value for about two seconds."""
        load = self.physical(now)
        if abs(load) > self.capacity * self.zero_range:
            return False
        self._zero, self._tare = load, 0.0
        self._zeroing_until = now + ZEROING
        return True

    @property
    def tared(self) -> bool:
        return self._tare != 0

    def adjust(self, now: float) -> None:
        self._adjusting_until = now + ADJUSTING

    def adjusting(self, now: float) -> bool:
        return now < self._adjusting_until

    def stable(self, now: float) -> bool:
        """Return True if what remains of the last change of load is at most half a digit."""
        self.physical(now)
        return abs(self._remaining(now)) <= 0.5 * 10.0**-self.decimals

    @property
    def _decimals(self) -> int:
        return max(self.decimals + TO_GRAMS[self.unit], 0)

    def _felt(self, now: float) -> float:
        return self._load + self._remaining(now) - self.drift * self._elapsed(now)

    def _remaining(self, now: float) -> float:
        return (self._from - self._load) * exp(-self._elapsed(now) / self.settle)

    def _elapsed(self, now: float) -> float:
        return now - (now if self._since is None else self._since)

    def _rounded(self, grams: float, decimals: int) -> Fraction:
        value = Fraction(grams) / Fraction(10) ** TO_GRAMS[self.unit]
        return Fraction(round(value * 10**decimals), 10**decimals)

    def _shown(self, now: float, grams: float, more_digits: int) -> Shown:
        felt, decimals = self.physical(now), self._decimals + more_digits
        overload, underload = felt > self.capacity * 1.001, felt < -self.capacity * 0.02
        blind = overload or underload or now < self._zeroing_until or self.adjusting(now)
        value = None if blind else self._rounded(grams, decimals)
        return Shown(value, decimals, self.unit, self.stable(now) and not blind, overload, underload)

"""How far a value can move from one reading to the next. Pure."""

import math

from msgspec import Struct

__all__ = ["LastProven", "Quantity", "Reach"]

Quantity = float | int | str


class Reach(Struct, frozen=True):
    """How far a quantity can move: ``jump`` at once, and ``rate`` per second for at most ``horizon`` seconds.

    The default is that of a temperature in degrees Fahrenheit. It only decides how often something is checked: what
    moves further is read again, and is a value then.
    """

    jump: float = 2.0
    rate: float = 10.0
    horizon: float = 10.0

    def includes(self, last: Quantity, now: Quantity, seconds: float) -> bool:
        """Return whether ``now`` can follow ``last`` after ``seconds``. A text or a code can only stay as it is."""
        if isinstance(last, float) and isinstance(now, float):
            return abs(now - last) <= self.jump + self.rate * min(max(seconds, 0.0), self.horizon)
        return last == now


class LastProven:
    """The last proven value of one channel, from which the next ones are followed.

    Values are in one unit throughout, whatever the instrument transmits. Times are in seconds.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._proven: tuple[Quantity, float] | None = None
        self._read_before: tuple[Quantity, float] | None = None

    def reaches(self, value: Quantity | None, at: float) -> bool:
        """Return whether a value can follow the last proven one. None, an impossible value, follows nothing."""
        return self._includes(self._proven, value, at)

    def is_confirmed(self, value: Quantity | None, at: float) -> bool:
        """Return whether a value can follow the one that was just read and is to be confirmed."""
        return self._includes(self._read_before, value, at)

    def is_to_confirm(self, value: Quantity | None, at: float) -> None:
        """Note a value that is not proven yet and is read again at once."""
        self._read_before = None if value is None else (value, at)

    def prove(self, value: Quantity | None, at: float) -> None:
        """Note a value that was proven; None leaves the last one as it is."""
        self._read_before = None
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            self._proven = (value, at)

    def forget(self) -> None:
        """Forget the last proven value: what followed it was not proven."""
        self._proven = self._read_before = None

    def _includes(self, before: tuple[Quantity, float] | None, value: Quantity | None, at: float) -> bool:
        return before is not None and value is not None and self._reach.includes(before[0], value, at - before[1])

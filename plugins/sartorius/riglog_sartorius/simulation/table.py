"""The parameter table inside the simulated balance: RAM, EEPROM and the counter of changes. Source: section 3.11."""

from riglog_sartorius.parameters import parameter

UNCOUNTED = (13, 36, 50)
"""Writing these does not bump the counter."""

DEFAULTS = {7: 2, 15: 3, 31: 8, 32: 3, 33: 1, 34: 3, 35: 2, 36: 1, 38: 1, 39: 2, 61: 2}
UNEXPLAINED_HIGHEST = 4


class Table:
    """Values by index; ``changes`` is what opcode BA reads."""

    def __init__(self, indices: frozenset[int]) -> None:
        self._values = {index: DEFAULTS.get(index, 2 if index == 0 else 1) for index in indices}
        self._saved = dict(self._values)
        self.changes = 1

    def read(self, index: int) -> tuple[int, int] | None:
        """Value and highest value; None if there is no such index."""
        return (self._values[index], self._highest(index)) if index in self._values else None

    def write(self, index: int, value: int) -> bool:
        if index not in self._values or not 1 <= value <= self._highest(index):
            return False
        self._values[index] = value
        if index not in UNCOUNTED:
            self.changes = (self.changes + 1) & 0xFF
        return True

    def save(self) -> None:
        self._saved = dict(self._values)

    def reload(self) -> None:
        self._values = dict(self._saved)

    @staticmethod
    def _highest(index: int) -> int:
        known = parameter(index)
        return known.highest if known.labels else UNEXPLAINED_HIGHEST

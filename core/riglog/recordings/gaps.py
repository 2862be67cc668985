"""Gaps: times without values; and the availability of each channel. One pass over the rows, constant memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from riglog.sinks.rows import Row

NO_ROWS = "no rows (recording not running, or samples lost)"


class Key(NamedTuple):
    """A channel in a run."""

    run: str
    device: str
    parameter: str
    instance: int

    def __str__(self) -> str:
        return f"{self.device}.{self.parameter}" + (f"[{self.instance}]" if self.instance != 1 else "")


class Gap(Struct):
    """A time without values.

    It starts with the first row without a value, or with the last row before slots that have no row, and ends with the
    next value. ``slots`` is the number of due slots in it. ``first_cause`` is the reason of the first slot only; later
    slots may have other reasons.
    """

    channel: Key
    started_at: str
    ended_at: str
    slots: int
    first_cause: str

    @property
    def seconds(self) -> float:
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)).total_seconds()


class Availability(Struct):
    """How many slots of a channel were due, and how many of them have a value."""

    slots_due: int = 0
    slots_with_value: int = 0
    gaps: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.slots_with_value / self.slots_due if self.slots_due else 0.0


class GapFinder:
    """Finds the gaps in rows that are ordered by time; afterwards ``channels`` has the availability of each channel.

    Slots without a row are inferred from the numbers of the slots. The rows of a device-paced channel have no numbers:
    its gaps are only those recorded as rows without a value.
    """

    def __init__(self) -> None:
        self.channels: dict[Key, Availability] = {}
        self._open: dict[Key, Gap] = {}
        self._last: dict[Key, Row] = {}

    def find(self, rows: Iterable[Row]) -> Iterator[Gap]:
        """Return the gaps in the order of their ends; those that last until the end of the recording come last."""
        for row in rows:
            yield from self._add(row)
        for key, gap in self._open.items():
            gap.ended_at = self._last[key].received_at
            yield gap

    def _add(self, row: Row) -> Iterator[Gap]:
        key = Key(row.run or "", row.device, row.parameter, row.instance)
        seen = self.channels.setdefault(key, Availability())
        without_row = self._slots_without_row(key, row)
        if without_row:
            seen.slots_due += without_row
            self._extend(key, self._last[key].received_at, without_row, NO_ROWS)
        seen.slots_due += 1
        if row.value is None and row.text is None:
            self._extend(key, row.received_at, 1, row.error or row.status)
        else:
            seen.slots_with_value += 1
            if (gap := self._open.pop(key, None)) is not None:
                gap.ended_at = row.received_at
                yield gap
        self._last[key] = row

    def _slots_without_row(self, key: Key, row: Row) -> int:
        """Return the number of slots between this row and the previous one."""
        previous = self._last.get(key)
        if previous is None or previous.tick is None or row.tick is None:
            return 0
        return max(0, row.tick - previous.tick - 1)

    def _extend(self, key: Key, at: str, slots: int, cause: str) -> None:
        """Extend the open gap of a channel, or open one."""
        gap = self._open.get(key)
        if gap is None:
            self.channels[key].gaps += 1
            self._open[key] = Gap(key, at, at, slots, cause)
        else:
            gap.slots += slots

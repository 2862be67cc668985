"""Where values are missing: availability per channel, and every gap with its reason. One pass, constant memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from riglog.sinks.rows import Row

HOLE = "nothing was recorded"


class Key(NamedTuple):
    """A channel in a run."""

    run: str
    device: str
    parameter: str
    instance: int

    def __str__(self) -> str:
        return f"{self.device}.{self.parameter}" + (f"[{self.instance}]" if self.instance != 1 else "")


class Gap(Struct):
    """A time without values, from its first row to the next value. ``slots`` are those that were due."""

    channel: Key
    begins_at: str
    ends_at: str
    slots: int
    reason: str

    @property
    def seconds(self) -> float:
        return (datetime.fromisoformat(self.ends_at) - datetime.fromisoformat(self.begins_at)).total_seconds()


class Availability(Struct):
    """Of one channel: slots that were due, and how many of them brought a value."""

    due: int = 0
    values: int = 0
    gaps: int = 0

    @property
    def share(self) -> float:
        return self.values / self.due if self.due else 0.0


class GapFinder:
    """Feed it rows, oldest first; it gives gaps as they end. ``channels`` is complete when ``rest`` has been taken."""

    def __init__(self) -> None:
        self.channels: dict[Key, Availability] = {}
        self._open: dict[Key, Gap] = {}
        self._last: dict[Key, Row] = {}

    def find(self, rows: Iterable[Row]) -> Iterator[Gap]:
        """Every gap, in the order in which they end; those that never end come last."""
        for row in rows:
            yield from self._feed(row)
        for key, gap in self._open.items():
            gap.ends_at = self._last[key].received_at
            yield gap

    def _feed(self, row: Row) -> Iterator[Gap]:
        key = Key(row.run or "", row.device, row.parameter, row.instance)
        seen = self.channels.setdefault(key, Availability())
        hole = self._hole(key, row)
        if hole:
            seen.due += hole
            self._begin(key, self._last[key].received_at, hole, HOLE)
        seen.due += 1
        if row.value is None and row.text is None:
            self._begin(key, row.received_at, 1, row.error or row.status)
        else:
            seen.values += 1
            if (gap := self._open.pop(key, None)) is not None:
                gap.ends_at = row.received_at
                yield gap
        self._last[key] = row

    def _hole(self, key: Key, row: Row) -> int:
        """How many slots between this row and the one before it have no row at all."""
        before = self._last.get(key)
        if before is None or before.tick is None or row.tick is None:
            return 0
        return max(0, row.tick - before.tick - 1)

    def _begin(self, key: Key, at: str, slots: int, reason: str) -> None:
        """A gap begins, or the one that is there goes on; the first reason is the one that counts."""
        gap = self._open.get(key)
        if gap is None:
            self.channels[key].gaps += 1
            self._open[key] = Gap(key, at, at, slots, reason)
        else:
            gap.slots += slots

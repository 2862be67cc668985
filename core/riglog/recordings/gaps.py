"""Gaps: times without values; and the availability of each channel. One pass over the rows, constant memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from riglog.recordings.slot_order import Stretch, in_slot_order
from riglog.sinks.rows import Row

NO_ROWS = "no rows (recording not running, computer suspended, or samples lost)"
STEP_S = 0.5
"""UTC that gains more than this on the monotonic clock between two rows was set, or the computer was suspended."""


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

    Slots without a row are inferred from the numbers of the slots, and from the clocks: UTC gains on the monotonic
    clock while the computer is suspended. The rows of a device-paced channel have no numbers: its gaps are those
    recorded as rows without a value, and those in which the computer was suspended.
    """

    def __init__(self) -> None:
        self.channels: dict[Key, Availability] = {}
        self._open: dict[Key, Gap] = {}
        self._last: dict[Key, Row] = {}
        self._last_slots: dict[Key, int] = {}
        self._clocks: dict[Key, _Clocks] = {}

    def find(self, rows: Iterable[Row]) -> Iterator[Gap]:
        """Return the gaps in the order of their ends; those that last until the end of the recording come last."""
        for row in in_slot_order(rows):
            yield from self._add(row)
        yield from self._unended()

    def find_in_stretches(self, stretches: Iterable[Stretch]) -> Iterator[tuple[Gap, Row | None]]:
        """Return the gaps in stretches of rows, each with the row that ends it.

        It is None for those that last until the end of the recording. The stretches of one channel are in the order of
        receipt; the channels of a run may come one after the other.
        """
        for stretch in in_slot_order(stretches):
            for gap in self._add(stretch.first):
                yield gap, stretch.first
            if stretch.rows > 1:
                self._add_regular(stretch.last, stretch.rows - 1)
        for gap in self._unended():
            yield gap, None

    def _unended(self) -> Iterator[Gap]:
        for key, gap in self._open.items():
            gap.ended_at = _measured_at(self._last[key])
            yield gap

    def _add_regular(self, row: Row, rows: int) -> None:
        """Add so many rows up to this one, which follow the last one slot by slot, and have a value if that has one."""
        key = Key(row.run or "", row.device, row.parameter, row.instance)
        seen = self.channels[key]
        seen.slots_due += rows
        if (gap := self._open.get(key)) is None:
            seen.slots_with_value += rows
        else:
            gap.slots += rows
        self._clocks[key].add_regular(row, rows)
        if row.tick is not None:
            self._last_slots[key] = max(self._last_slots[key], row.tick)
        self._last[key] = row

    def _add(self, row: Row) -> Iterator[Gap]:
        key = Key(row.run or "", row.device, row.parameter, row.instance)
        seen = self.channels.setdefault(key, Availability())
        clocks = self._clocks.setdefault(key, _Clocks())
        without_row = self._slots_without_row(key, row) + clocks.slots_suspended(row)
        if without_row:
            seen.slots_due += without_row
            self._extend(key, _measured_at(self._last[key]), without_row, NO_ROWS)
        seen.slots_due += 1
        if row.value is None and row.text is None:
            self._extend(key, _measured_at(row), 1, row.error or row.status)
        else:
            seen.slots_with_value += 1
            if (gap := self._open.pop(key, None)) is not None:
                gap.ended_at = max(gap.started_at, _measured_at(row))  # it may be the clock of the instrument
                yield gap
        self._last[key] = row

    def _slots_without_row(self, key: Key, row: Row) -> int:
        """Return the number of slots between this row and the previous ones."""
        if row.tick is None:
            return 0
        previous = self._last_slots.get(key, row.tick)
        self._last_slots[key] = max(previous, row.tick)
        return max(0, row.tick - previous - 1)

    def _extend(self, key: Key, at: str, slots: int, cause: str) -> None:
        """Extend the open gap of a channel, or open one."""
        gap = self._open.get(key)
        if gap is None:
            self.channels[key].gaps += 1
            self._open[key] = Gap(key, at, at, slots, cause)
        else:
            gap.slots += slots


def has_own_time(row: Row) -> bool:
    """Return True for a sample of a burst: the instrument states when it was measured."""
    return row.latency_s is None and row.midpoint_at != row.received_at


def _measured_at(row: Row) -> str:
    """Return the time at which a gap begins or ends: many samples of a burst were received at the same time."""
    return row.midpoint_at if has_own_time(row) else row.received_at


class _Clocks:
    """Both clocks at the rows of one channel: finds what the numbers of the slots do not show."""

    def __init__(self) -> None:
        self._first: Row | None = None  # since the clocks were last apart
        self._last: Row | None = None
        self._rows = 0  # since _first
        self._offset_s: float | None = None  # UTC minus monotonic time at _last; None: not known

    def slots_suspended(self, row: Row) -> int:
        """Return how many slots passed before this row while the monotonic clock stood still."""
        previous, self._last = self._last, row
        backwards = previous is not None and row.monotonic_ns <= previous.monotonic_ns  # the computer was restarted
        if previous is None or backwards or has_own_time(row) or has_own_time(previous):
            self._restart(row, None)
            return 0
        offset_s = _offset_s(row)
        ahead_s = 0.0 if self._offset_s is None else offset_s - self._offset_s
        self._offset_s = offset_s
        if abs(ahead_s) <= STEP_S:
            self._rows += 1
            return 0
        slots = self._slots(previous, row, ahead_s) if ahead_s > 0 else 0
        self._restart(row, offset_s)
        return slots

    def add_regular(self, row: Row, rows: int) -> None:
        """Add so many rows up to this one, between which the clocks did not come apart."""
        if has_own_time(row):
            self._restart(row, None)
        else:
            self._rows += rows
            self._offset_s = _offset_s(row)
        self._last = row

    def _restart(self, row: Row, offset_s: float | None) -> None:
        self._first, self._rows, self._offset_s = row, 0, offset_s

    def _slots(self, previous: Row, row: Row, ahead_s: float) -> int:
        """Return the slots in ``ahead_s``, as far as the numbers of the slots do not count them."""
        assert self._first is not None
        seconds = (previous.monotonic_ns - self._first.monotonic_ns) / 1e9
        if row.tick is None or previous.tick is None or self._first.tick is None:
            return max(1, round(ahead_s * self._rows / seconds)) if self._rows else 1
        passed_s = (row.monotonic_ns - previous.monotonic_ns) / 1e9
        if previous.tick > self._first.tick:
            slot_s = seconds / (previous.tick - self._first.tick)
        elif row.tick == previous.tick + 1:
            slot_s = passed_s
        else:
            return 0
        without_number_s = min(ahead_s, ahead_s + passed_s - (row.tick - previous.tick) * slot_s)
        return round(without_number_s / slot_s) if without_number_s > STEP_S else 0


def _offset_s(row: Row) -> float:
    """Return UTC minus monotonic time."""
    return datetime.fromisoformat(row.midpoint_at).timestamp() - row.monotonic_ns / 1e9

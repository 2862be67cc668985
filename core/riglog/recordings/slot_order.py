"""Rows in the order of their slots. They are stored in the order of receipt: a poll that overruns delivers its row
after those of the slots that were skipped meanwhile.
"""

import heapq
from collections.abc import Hashable, Iterable, Iterator
from itertools import count
from typing import NamedTuple, TypeVar

from riglog.sinks.rows import Row

MOST_HELD = 4096
"""Rows of one channel that wait for the row of an earlier slot; after that it is taken for lost."""


class Stretch(NamedTuple):
    """Rows of one channel that follow each other, slot by slot, by both clocks: all with a value, or all without one.

    ``rows`` counts them. Between the first and the last one is nothing that a gap could begin or end with.
    """

    first: Row
    last: Row
    rows: int

    @property
    def run(self) -> str | None:
        return self.first.run

    @property
    def tick(self) -> int | None:
        return self.first.tick

    @property
    def device(self) -> str:
        return self.first.device

    @property
    def parameter(self) -> str:
        return self.first.parameter

    @property
    def instance(self) -> int:
        return self.first.instance


T = TypeVar("T", Row, Stretch)


def in_slot_order(rows: Iterable[T]) -> Iterator[T]:
    """Return rows (or stretches) that are in the order of receipt with those of each channel in the order of their
    slots.

    Rows without a number of a slot stay where they are.
    """
    held: dict[Hashable, list[tuple[int, int, T]]] = {}
    held_rows: dict[Hashable, int] = {}
    following: dict[Hashable, int] = {}
    numbers = count()  # rows are not compared
    for row in rows:
        if row.tick is None:
            yield row
            continue
        key = row.run, row.device, row.parameter, row.instance
        waiting = held.get(key)
        if not waiting and row.tick <= following.get(key, row.tick):
            following[key] = max(following.get(key, 0), _slot_after(row))
            yield row
            continue
        waiting = held.setdefault(key, [])
        heapq.heappush(waiting, (row.tick, next(numbers), row))
        held_rows[key] = held_rows.get(key, 0) + _rows_of(row)
        while waiting and (waiting[0][0] <= following[key] or held_rows[key] > MOST_HELD):
            _, _, first = heapq.heappop(waiting)
            held_rows[key] -= _rows_of(first)
            following[key] = max(following[key], _slot_after(first))
            yield first
    for waiting in held.values():
        yield from (row for _, _, row in sorted(waiting))


def _slot_after(row: Row | Stretch) -> int:
    last = row.last if isinstance(row, Stretch) else row
    assert last.tick is not None
    return last.tick + 1


def _rows_of(row: Row | Stretch) -> int:
    return row.rows if isinstance(row, Stretch) else 1

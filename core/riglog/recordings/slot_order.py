"""Rows in the order of their slots. They are stored in the order of receipt: a poll that overruns delivers its row
after those of the slots that were skipped meanwhile.
"""

import heapq
from collections.abc import Hashable, Iterable, Iterator
from itertools import count

from riglog.sinks.rows import Row

MOST_HELD = 4096
"""Rows of one channel that wait for the row of an earlier slot; after that it is taken for lost."""

Held = list[tuple[int, int, Row]]


def in_slot_order(rows: Iterable[Row]) -> Iterator[Row]:
    """Return rows that are in the order of receipt with those of each channel in the order of their slots.

    Rows without a number of a slot stay where they are.
    """
    held: dict[Hashable, Held] = {}
    following: dict[Hashable, int] = {}
    numbers = count()  # rows are not compared
    for row in rows:
        if row.tick is None:
            yield row
            continue
        key = row.run, row.device, row.parameter, row.instance
        waiting = held.get(key)
        if not waiting and row.tick <= following.get(key, row.tick):
            following[key] = max(following.get(key, 0), row.tick + 1)
            yield row
            continue
        waiting = held.setdefault(key, [])
        heapq.heappush(waiting, (row.tick, next(numbers), row))
        while waiting and (waiting[0][0] <= following[key] or len(waiting) > MOST_HELD):
            tick, _, first = heapq.heappop(waiting)
            following[key] = max(following[key], tick + 1)
            yield first
    for waiting in held.values():
        yield from (row for _, _, row in sorted(waiting))

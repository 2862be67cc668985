"""The columns of the row with their types: from these every store makes types of its own."""

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from riglog.sinks.rows import COLUMNS


class Kind(Enum):
    """What a column holds. TIME is UTC with microseconds, in text ISO 8601 with ``Z``."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    TIME = "time"


class Column(Struct, frozen=True):
    """``required``: never empty."""

    name: str
    kind: Kind
    required: bool = False


Columns = Sequence[Column]

ROW: tuple[Column, ...] = (
    Column("run", Kind.TEXT, True),
    Column("tick", Kind.INTEGER),
    Column("device", Kind.TEXT, True),
    Column("driver", Kind.TEXT, True),
    Column("protocol", Kind.TEXT, True),
    Column("address", Kind.TEXT),
    Column("parameter", Kind.TEXT, True),
    Column("parameter_id", Kind.INTEGER),
    Column("instance", Kind.INTEGER, True),
    Column("value", Kind.REAL),
    Column("text", Kind.TEXT),
    Column("unit", Kind.TEXT),
    Column("status", Kind.TEXT, True),
    Column("flags", Kind.TEXT, True),
    Column("error", Kind.TEXT),
    Column("requested_at", Kind.TIME),
    Column("received_at", Kind.TIME, True),
    Column("midpoint_at", Kind.TIME, True),
    Column("latency_s", Kind.REAL),
    Column("monotonic_ns", Kind.INTEGER, True),
)
assert tuple(column.name for column in ROW) == COLUMNS
EMPTY_IS_A_WORD = frozenset({"flags"})
"""Columns in which an empty text is what it says; in the others text stores read it as nothing."""


def address(word: str | None) -> int | str | None:
    """An address out of a store that knows only words: a number if it is written like one."""
    return int(word) if word and word.isdecimal() and str(int(word)) == word else word

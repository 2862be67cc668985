"""The long-format row with its columns: the only place where a sample becomes columns."""

import math
from collections.abc import Iterator, Sequence
from enum import Enum
from types import NoneType
from typing import Annotated, Any, SupportsFloat, get_args, get_type_hints

from msgspec import Meta, Struct

from riglog.model import NS, Batch, Sample, Status
from riglog.model.stamp import iso_times

NOT_FINITE = "no value: the number is not finite"
Time = Annotated[str, Meta(title="time")]
"""UTC, as ISO 8601 with microseconds and ``Z``. Nanoseconds are truncated."""


class Row(Struct, frozen=True):
    """One sample as every tabular sink stores it. The order of the fields is the order of the columns.

    ``latency_s`` is in seconds.
    """

    run: str | None
    tick: int | None
    device: str
    driver: str
    protocol: str
    address: int | str | None
    parameter: str
    parameter_id: int | None
    instance: int
    value: float | None
    text: str | None
    unit: str | None
    status: str
    flags: str
    error: str | None
    requested_at: Time | None
    received_at: Time
    midpoint_at: Time
    latency_s: float | None
    monotonic_ns: int


class EventRow(Struct, frozen=True):
    """One event as it is stored. ``kind`` is the present name, also of an event stored under an earlier one.

    ``user``, ``program`` and ``host`` are who has caused it, and ``reason`` why; None if that is not known.
    """

    run: str
    at: Time
    kind: str
    device: str | None
    port: str | None
    message: str
    user: str | None = None
    program: str | None = None
    host: str | None = None
    reason: str | None = None


EVENT_COLUMNS = ("run", "at", "kind", "device", "port", "message")
"""Those of the view ``events``, and of the table in PostgreSQL."""


class Kind(Enum):
    """The type of a column, from which every sink derives its own type."""

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
KINDS: dict[Any, Kind] = {Time: Kind.TIME, str: Kind.TEXT, float: Kind.REAL, int: Kind.INTEGER}
"""In the order of precedence: an address is an integer or a text, so its column is a text."""


def columns_of(struct: type[Struct]) -> tuple[Column, ...]:
    """Return the columns of a struct such as Row."""
    found = []
    for name, hint in get_type_hints(struct, include_extras=True).items():
        types = {hint} if hint in KINDS else set(get_args(hint))
        kind = next(kind for type_, kind in KINDS.items() if type_ in types)
        found.append(Column(name, kind, NoneType not in types))
    return tuple(found)


COLUMNS: tuple[str, ...] = Row.__struct_fields__
ROW: tuple[Column, ...] = tuple(
    Column(column.name, column.kind, column.required or column.name == "run") for column in columns_of(Row)
)
"""The columns of stored rows. ``run`` is never empty there; it is None only in rows that are printed."""
EMPTY_STRING_COLUMNS = frozenset({"flags"})
"""Columns in which an empty field of a text file is the empty string; in all others it is None."""


def rows(run: str | None, batches: Sequence[Batch]) -> Iterator[Row]:
    """Return every sample of the batches as a row."""
    for batch in batches:
        for sample in batch.samples:
            yield row(run, batch.tick, sample)


def row(run: str | None, tick: int | None, sample: Sample) -> Row:
    """Return one sample as a row.

    Raises:
        TypeError, ValueError: the sample cannot be stored.
    """
    channel, stamp = sample.channel, sample.stamp
    latency = stamp.latency_ns
    requested_at, received_at, midpoint_at = iso_times(stamp.received_ns, latency, stamp.own_ns)
    number, text, status, error = content(sample)
    return Row(
        run,
        tick,
        channel.device,
        channel.driver,
        channel.protocol,
        channel.address,
        channel.parameter,
        channel.parameter_id,
        channel.instance,
        number,
        text,
        sample.unit,
        status._value_,  # the value of an Enum is a property, and this is the hottest line of a text file
        flags(sample) if sample.flags else "",
        error,
        requested_at,
        received_at,
        midpoint_at,
        None if latency is None else latency / NS,
        stamp.monotonic_ns,
    )


def content(sample: Sample) -> tuple[float | None, str | None, Status, str | None]:
    """Return the columns ``value``, ``text``, ``status`` and ``error`` of a sample; every sink stores these.

    A number is stored as a float, a bool as 0 or 1, a string as ``text``. A number that is not finite is not a value:
    it is stored as None with status out_of_range.

    Raises:
        TypeError, ValueError: a value or text of a type that cannot be stored.
    """
    value, text, status, error = sample.value, sample.text, sample.status, sample.error
    number: float | None = None
    if type(value) is float:
        number = value
    elif isinstance(value, (float, int)):
        number = float(value)
    elif isinstance(value, str):
        text = value
    elif value is not None:
        number = _number(value)
    if number is not None and not math.isfinite(number):
        number, status, error = None, Status.OUT_OF_RANGE, error or NOT_FINITE
    if text is not None or error is not None or not isinstance(sample.unit, str):
        _check_texts(text, sample.unit, error)
    return number, text, status, error


def _number(value: object) -> float:
    """Convert numbers that are neither float nor int, such as those of numpy. Not bytes: float() would parse them."""
    if isinstance(value, SupportsFloat):
        return float(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored")


def _check_texts(*texts: object) -> None:
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise TypeError(f"a text of type {type(text).__name__} cannot be stored")


def flags(sample: Sample) -> str:
    """Return the flags, separated by blanks; empty if there are none."""
    return " ".join(sample.flags)


def as_json_object(row: Row) -> dict[str, object]:
    """Return a row with its column names, without ``run``, as ``riglog read --json`` prints it."""
    return {name: getattr(row, name) for name in COLUMNS if name != "run"}


def parse_address(text: str | None) -> int | str | None:
    """Return an address from a format that stores it as text: a number if it is written like one."""
    return int(text) if text and text.isdecimal() and str(int(text)) == text else text

"""The tables of the central database, as data and as SQL. One schema holds the recordings of many hosts."""

import re
from collections.abc import Iterator

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.sinks.rows import EVENT_COLUMNS, ROW, Column, Columns, EventRow, Kind, Time, columns_of

CENTRAL_VERSION = 1
TYPES = {
    Kind.TEXT: "text",
    Kind.INTEGER: "bigint",
    Kind.REAL: "double precision",
    Kind.TIME: "timestamp with time zone",
}
IDENTIFIER = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


class RunRow(Struct, frozen=True):
    """One run as it is stored centrally."""

    run: str
    name: str
    started_at: Time
    finished_at: Time | None
    rate_hz: float | None
    host: str
    versions: str
    rig: str | None


class SealRow(Struct, frozen=True):
    """A head of the seals of a file as it was when it was forwarded; ``at`` is the time of its newest row or event."""

    run: str
    at: Time
    hash: str


class Table(Struct, frozen=True):
    """``key`` is the primary key: a row whose key is present is not inserted again, only its ``updated`` columns."""

    name: str
    columns: Columns
    key: tuple[str, ...]
    updated: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


ORIGIN = (Column("host", Kind.TEXT, True), Column("sequence", Kind.INTEGER, True))
SAMPLES = Table("samples", (*ROW, *ORIGIN), ("run", "host", "sequence", "received_at"))
"""``sequence`` is the number of the reading in its file, so it stands for channel and tick. The time is in the key
because TimescaleDB requires it, and because a file that loses rows in a power failure uses their numbers again."""
EVENT = tuple(column for column in columns_of(EventRow) if column.name in EVENT_COLUMNS)
EVENTS = Table("events", (*EVENT, *ORIGIN), ("run", "host", "sequence", "at"))
RUNS = Table("runs", columns_of(RunRow), ("run", "host"), updated=("finished_at",))
SEALS = Table("seals", (*columns_of(SealRow), *ORIGIN), ("run", "host", "sequence", "hash"))
"""Heads, as a witness: never changed, and a file that is sealed again has other ones. ``sequence`` is ``flush.id``."""
TABLES = (RUNS, EVENTS, SAMPLES, SEALS)
INDEXES = ("(device, parameter, instance, host, received_at)", "USING brin (received_at)")
"""Of ``samples``: a channel in the order of time; and a time over all channels, which costs next to no space, because
rows arrive nearly in the order of their times."""


def identifier(name: str) -> str:
    """Return a schema name that needs no quotes in SQL, except for a key word as ``user``.

    Raises:
        ConfigError: it has other characters, or belongs to PostgreSQL.
    """
    if not IDENTIFIER.fullmatch(name):
        hint = "Use lower-case letters, digits and _, at most 63 characters, not starting with a digit or pg_"
        raise ConfigError(f"invalid schema name {name!r}", hint=hint)
    return name


def quoted(schema: str) -> str:
    """Return a checked schema name as it stands in SQL: with quotes, so that it may be a key word as ``user``."""
    return f'"{schema}"'


def create(schema: str, *, hypertable: bool) -> Iterator[str]:
    """Return the statements that create the schema; ``hypertable`` for a server with TimescaleDB."""
    name = quoted(schema)
    yield f"CREATE SCHEMA IF NOT EXISTS {name}"
    yield f"CREATE TABLE {name}.meta (key text PRIMARY KEY, value text NOT NULL)"
    for table in TABLES:
        yield create_table(schema, table)
    if hypertable:
        yield f"SELECT create_hypertable('{name}.samples', 'received_at')"
    for index in INDEXES:
        yield f"CREATE INDEX ON {name}.samples {index}"
    yield f"INSERT INTO {name}.meta VALUES ('schema', '{CENTRAL_VERSION}'), ('id', gen_random_uuid()::text)"  # noqa: S608


def create_table(schema: str, table: Table) -> str:
    """Return the statement that creates one table."""
    columns = ", ".join(
        f"{column.name} {TYPES[column.kind]}{' NOT NULL' if column.required else ''}" for column in table.columns
    )
    return f"CREATE TABLE {quoted(schema)}.{table.name} ({columns}, PRIMARY KEY ({', '.join(table.key)}))"


def merge(schema: str, table: Table) -> str:
    """Return the statement that inserts the rows that are not present yet; its arguments are the columns as lists.

    One statement without a temporary table: it also works behind a connection pool.
    """
    names = ", ".join(table.names)
    updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in table.updated)
    then = f"({', '.join(table.key)}) DO UPDATE SET {updates}" if updates else "DO NOTHING"
    arrays = ", ".join(f"${number}::{TYPES[column.kind]}[]" for number, column in enumerate(table.columns, 1))
    return (
        f"INSERT INTO {quoted(schema)}.{table.name} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608 - checked names
        f" ON CONFLICT {then}"
    )

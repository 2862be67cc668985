"""The tables of the central database, as data and as SQL. One schema holds the recordings of many hosts."""

import re
from collections.abc import Iterator

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.sinks.columns import ROW, Column, Columns, Kind

CENTRAL_VERSION = 1
TYPES = {Kind.TEXT: "text", Kind.INTEGER: "bigint", Kind.REAL: "double precision", Kind.TIME: "timestamptz"}
IDENTIFIER = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


class Table(Struct, frozen=True):
    """``key`` is what makes a row one that is already there; ``renewed`` columns may still change then."""

    name: str
    columns: Columns
    key: tuple[str, ...]
    renewed: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


SAMPLES = Table(
    "samples",
    (*ROW, Column("host", Kind.TEXT, True), Column("sequence", Kind.INTEGER, True)),
    ("run", "host", "sequence", "received_at"),
)
"""``sequence`` numbers the readings of a file, so it stands for channel and tick; the time is in the key because
TimescaleDB wants it there, and because a file that lost its newest rows in a power cut gives their numbers again."""
EVENTS = Table(
    "events",
    (
        Column("run", Kind.TEXT, True),
        Column("at", Kind.TIME, True),
        Column("kind", Kind.TEXT, True),
        Column("device", Kind.TEXT),
        Column("port", Kind.TEXT),
        Column("message", Kind.TEXT, True),
        Column("host", Kind.TEXT, True),
        Column("sequence", Kind.INTEGER, True),
    ),
    ("run", "host", "sequence", "at"),
)
RUNS = Table(
    "runs",
    (
        Column("run", Kind.TEXT, True),
        Column("name", Kind.TEXT, True),
        Column("started_at", Kind.TIME, True),
        Column("finished_at", Kind.TIME),
        Column("rate_hz", Kind.REAL),
        Column("host", Kind.TEXT, True),
        Column("versions", Kind.TEXT, True),
        Column("rig", Kind.TEXT),
    ),
    ("run", "host"),
    ("finished_at",),
)
TABLES = (RUNS, EVENTS, SAMPLES)


def identifier(name: str) -> str:
    """A name that is safe in SQL as it stands.

    Raises:
        ConfigError: it is not one.
    """
    if not IDENTIFIER.fullmatch(name):
        hint = "use small letters, digits and _, at most 63, not beginning with a digit or pg_"
        raise ConfigError(f"{name!r} is no name for a schema", hint=hint)
    return name


def create(schema: str, *, hypertable: bool) -> Iterator[str]:
    """The statements that make the schema; ``hypertable`` for a server with TimescaleDB."""
    yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
    yield f"CREATE TABLE {schema}.meta (key text PRIMARY KEY, value text NOT NULL)"
    for table in TABLES:
        columns = ", ".join(
            f"{column.name} {TYPES[column.kind]}{' NOT NULL' if column.required else ''}" for column in table.columns
        )
        yield f"CREATE TABLE {schema}.{table.name} ({columns}, PRIMARY KEY ({', '.join(table.key)}))"
    if hypertable:
        yield f"SELECT create_hypertable('{schema}.samples', 'received_at')"
    yield f"CREATE INDEX ON {schema}.samples (device, parameter, received_at)"
    yield f"INSERT INTO {schema}.meta VALUES ('schema', '{CENTRAL_VERSION}'), ('id', gen_random_uuid()::text)"  # noqa: S608


def incoming(schema: str, table: Table) -> str:
    """The statement for the temporary table that COPY fills."""
    return f"CREATE TEMPORARY TABLE incoming_{table.name} (LIKE {schema}.{table.name}) ON COMMIT DELETE ROWS"


def merge(schema: str, table: Table) -> str:
    """The statement that takes over what came and is not there yet."""
    names = ", ".join(table.names)
    renewal = ", ".join(f"{name} = EXCLUDED.{name}" for name in table.renewed)
    then = f"({', '.join(table.key)}) DO UPDATE SET {renewal}" if renewal else "DO NOTHING"
    return (
        f"INSERT INTO {schema}.{table.name} ({names}) SELECT {names} FROM incoming_{table.name}"  # noqa: S608
        f" ON CONFLICT {then}"
    )

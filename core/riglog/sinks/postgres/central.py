"""The central database: connects, makes or checks its tables, takes records. The only file that uses asyncpg."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from riglog.errors import ConfigError, NewerSchemaError, NotARecordingError, StorageError
from riglog.sinks.optional_dependencies import library
from riglog.sinks.postgres.tables import CENTRAL_VERSION, TABLES, Table, create, incoming, merge

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0
CLOSE_SECONDS = 2.0
CREATING = 0x7269676C
"""The advisory lock under which tables are made, so that twenty hosts can meet an empty database at once."""
Records = Mapping[Table, Sequence[tuple[Any, ...]]]


class UnreachableError(StorageError):
    """The database is not there just now, or cut the conversation off; trying again may help."""


def check_url(url: str) -> None:
    """See that a database can be meant by it, and that asyncpg is there. Reads only.

    Raises:
        ConfigError: not.
    """
    library("asyncpg", "postgres")
    if not url.startswith(("postgresql://", "postgres://")):
        hint = "it looks like postgresql://user@host:5432/database; the password may come from PGPASSWORD or ~/.pgpass"
        raise ConfigError("this is no address of a PostgreSQL database", hint=hint, to=safe(url))


def safe(url: str) -> str:
    """The address without the password."""
    return re.sub(r"(?<=[?&])password=[^&]*&?", "", re.sub(r"(://[^:@/]*):[^@]*@", r"\1@", url)).rstrip("?&")


class Central:
    """One connection. ``identity`` is the database's own; one that was made anew has another."""

    def __init__(self, connection: Any, where: str, schema: str, identity: str) -> None:
        self._connection = connection
        self._where = where
        self._schema = schema
        self.identity = identity

    async def take(self, records: Records) -> None:
        """Commit all of them; those that are already there stay as they are.

        Raises:
            UnreachableError: it is not known whether they were committed; give them again.
        """
        async with _translated(self._where), self._connection.transaction():
            for table, found in records.items():
                if found:
                    await self._connection.copy_records_to_table(
                        f"incoming_{table.name}", records=found, columns=table.names
                    )
                    await self._connection.execute(merge(self._schema, table))


@asynccontextmanager
async def connect(url: str, schema: str) -> AsyncIterator[Central]:
    """A connection to a database whose tables are there and right.

    Raises:
        UnreachableError: try again later.
        NotARecordingError, NewerSchemaError: the schema holds something else; it was left as it was.
        StorageError: the database refuses us for good.
    """
    asyncpg = library("asyncpg", "postgres")
    async with _translated(safe(url)):
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS)
    try:
        async with _translated(safe(url)):
            identity = await _prepare(connection, schema)
        yield Central(connection, safe(url), schema, identity)
        async with _translated(safe(url)):
            await connection.close(timeout=CLOSE_SECONDS)
    finally:
        connection.terminate()


async def _prepare(connection: Any, schema: str) -> str:
    """Make the tables if there are none, look at them if there are; the database's identity."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", CREATING)
        known = await _columns(connection, schema)
        if not known:
            timescale = await connection.fetchval("SELECT true FROM pg_extension WHERE extname = 'timescaledb'")
            for statement in create(schema, hypertable=bool(timescale)):
                await connection.execute(statement)
            known = await _columns(connection, schema)
    if "meta" not in known:
        raise _other(schema, "it has no table meta")
    meta = dict(await connection.fetch(f"SELECT key, value FROM {schema}.meta"))  # noqa: S608 - a checked identifier
    if int(meta.get("schema", 0)) > CENTRAL_VERSION:
        raise NewerSchemaError(f"the database has schema {meta['schema']}", hint="update riglog", schema=schema)
    for table in TABLES:
        if known.get(table.name) != table.names:
            raise _other(schema, f"the table {table.name} has other columns")
        await connection.execute(incoming(schema, table))
    return str(meta["id"])


async def _columns(connection: Any, schema: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column in await connection.fetch(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') AND a.attnum > 0"
        " AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
        schema,
    ):
        found.setdefault(table, []).append(column)
    return found


def _other(schema: str, why: str) -> NotARecordingError:
    return NotARecordingError(
        f"the schema holds something else: {why}",
        hint="choose another with --schema; nothing was changed",
        schema=schema,
    )


@asynccontextmanager
async def _translated(where: str) -> AsyncIterator[None]:
    """asyncpg's errors as ours: what may pass by itself, and what will not."""
    asyncpg = library("asyncpg", "postgres")
    passing = (
        OSError,
        TimeoutError,
        asyncio.IncompleteReadError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.TransactionRollbackError,
        asyncpg.LockNotAvailableError,
    )
    try:
        yield
    except passing as error:
        if isinstance(error, ValueError):  # asyncpg's own for what it cannot make sense of
            raise StorageError(f"asyncpg says: {error}", hint="check the address", database=where) from error
        raise UnreachableError(f"no connection: {str(error) or type(error).__name__}", database=where) from error
    except asyncpg.PostgresError as error:
        hint = "check user, password, database name and rights"
        raise StorageError(f"PostgreSQL says: {error}", hint=hint, database=where) from error

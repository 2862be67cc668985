"""The central database: connects, creates or checks the tables, inserts records. The only file that uses asyncpg."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from riglog.errors import NewerSchemaError, NotARecordingError, StorageError
from riglog.log import get_logger
from riglog.sinks.optional_dependencies import import_optional
from riglog.sinks.postgres.address import Address, parse
from riglog.sinks.postgres.tables import (
    CENTRAL_VERSION,
    SEALS,
    TABLES,
    TYPES,
    Table,
    create,
    create_table,
    merge,
    quoted,
)

log = get_logger("riglog.sinks")
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0
CLOSE_SECONDS = 2.0
CREATE_LOCK = 0x7269676C
"""The advisory lock for creating the tables: many hosts may connect to an empty database at the same time."""
Records = Mapping[Table, Sequence[tuple[Any, ...]]]


class UnreachableError(StorageError):
    """The database cannot be reached, or closed the connection. A retry may help."""


def check_url(url: str) -> Address:
    """Parse a URL, and check that asyncpg is installed. Connects to nothing.

    Raises:
        ConfigError: one of the two is wrong.
    """
    address = parse(url)  # first: whoever has a database of another kind needs no package for this one
    import_optional("asyncpg", "postgres")
    return address


class Central:
    """One connection. ``identity`` belongs to the database; a database that is created again has a new one."""

    def __init__(
        self, connection: Any, address: Address, schema: str, identity: str, *, has_seals: bool = True
    ) -> None:
        self._connection = connection
        self._has_seals = has_seals
        self._address = address
        self._schema = schema
        self.identity = identity

    async def insert(self, records: Records) -> None:
        """Commit all records; those that are present already are not changed.

        Raises:
            UnreachableError: it is unknown whether they were committed; insert them again.
        """
        async with _postgres_errors(self._address), self._connection.transaction():
            for table, found in records.items():
                if found and (table is not SEALS or self._has_seals):
                    await self._connection.execute(merge(self._schema, table), *zip(*found, strict=True))

    async def heads(self, runs: Sequence[str]) -> list[str]:
        """Return the heads of the seals of these runs, hexadecimal, as they were when they were forwarded."""
        if not self._has_seals:
            return []
        select = f"SELECT DISTINCT hash FROM {quoted(self._schema)}.seals WHERE run = ANY($1::text[])"  # noqa: S608
        async with _postgres_errors(self._address):
            return [str(row[0]) for row in await self._connection.fetch(select, list(runs))]


@asynccontextmanager
async def connect(address: Address, schema: str, *, reading: bool = False) -> AsyncIterator[Central]:
    """Connect to a database, and create or check its tables.

    Args:
        reading: create nothing.
    Raises:
        UnreachableError: a later attempt may succeed.
        NotARecordingError, NewerSchemaError: the schema holds something else; it was not modified.
        StorageError: the database refuses the connection or a statement; retries will not help.
    """
    asyncpg = import_optional("asyncpg", "postgres")
    async with _postgres_errors(address):
        connection = await asyncpg.connect(
            address.url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            statement_cache_size=0,  # behind a connection pool, the next transaction has another server process
        )
    try:
        async with _postgres_errors(address):
            identity, has_seals = await _prepare(connection, schema, reading=reading)
        yield Central(connection, address, schema, identity, has_seals=has_seals)
        async with _postgres_errors(address):
            await connection.close(timeout=CLOSE_SECONDS)
    finally:
        connection.terminate()


async def open_for_reading(address: Address, schema: str, *, command_timeout: float) -> Any:
    """Open a connection that cannot change anything, and check the tables. The caller closes it.

    Raises:
        UnreachableError: a later attempt may succeed.
        NotARecordingError, NewerSchemaError: the schema holds something else, or nothing.
        StorageError: the database refuses the connection.
    """
    asyncpg = import_optional("asyncpg", "postgres")
    async with _postgres_errors(address):
        connection = await asyncpg.connect(
            address.url,
            timeout=CONNECT_SECONDS,
            command_timeout=command_timeout,
            statement_cache_size=0,
            server_settings={"default_transaction_read_only": "on"},
        )
        try:
            await _check(connection, schema, await _columns(connection, schema))
        except BaseException:
            connection.terminate()
            raise
    return connection


async def close_connection(connection: Any) -> None:
    """Close a connection, in order if the server still replies."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except Exception:  # whatever it is, nothing is done with the connection any more
        connection.terminate()
    await asyncio.sleep(0)  # its socket is closed by then


async def read_records(connection: Any, address: Address, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the records that a query gives.

    Raises:
        UnreachableError: a later attempt may succeed.
        StorageError: the database refuses the query.
    """
    async with _postgres_errors(address):
        return [tuple(record) for record in await connection.fetch(query, *values)]


async def _prepare(connection: Any, schema: str, *, reading: bool) -> tuple[str, bool]:
    """Create the tables, or check those that exist. Return the identity of the database, and whether it has seals."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", CREATE_LOCK)
        known = await _columns(connection, schema)
        if not known and not reading:
            timescale = await connection.fetchval("SELECT true FROM pg_extension WHERE extname = 'timescaledb'")
            for statement in create(schema, hypertable=bool(timescale)):
                await connection.execute(statement)
            known = await _columns(connection, schema)
        elif "meta" in known and SEALS.name not in known and not reading:
            known |= await _add_seals(connection, schema)
    return await _check(connection, schema, known)


async def _check(connection: Any, schema: str, known: Mapping[str, Mapping[str, str]]) -> tuple[str, bool]:
    """Check the tables. Return the identity of the database, and whether it has seals."""
    if "meta" not in known:
        raise _other(schema, "table meta is missing")
    meta = dict(await connection.fetch(f"SELECT key, value FROM {quoted(schema)}.meta"))  # noqa: S608 - a checked name
    if int(meta.get("schema", 0)) > CENTRAL_VERSION:
        raise NewerSchemaError(
            f"schema version {meta['schema']} of the database is newer than this riglog supports ({CENTRAL_VERSION})",
            hint="Update riglog",
            schema=schema,
        )
    for table in TABLES:
        if table is SEALS and SEALS.name not in known:
            continue
        wanted = {column.name: TYPES[column.kind] for column in table.columns}
        columns = known.get(table.name, {})
        if list(columns) != list(wanted):
            raise _other(schema, f"table {table.name} has different columns")
        for name, kind in columns.items():
            if kind != wanted[name]:  # values would be changed without a message, for example by a smaller type
                raise _other(schema, f"column {table.name}.{name} has the type {kind} instead of {wanted[name]}")
    return str(meta["id"]), SEALS.name in known


async def _add_seals(connection: Any, schema: str) -> dict[str, dict[str, str]]:
    """Give a database of before there were seals their table, if this user may create one."""
    asyncpg = import_optional("asyncpg", "postgres")
    try:
        async with connection.transaction():
            await connection.execute(create_table(schema, SEALS))
    except asyncpg.InsufficientPrivilegeError:
        log.warning("%s.seals: heads of seals are not stored: this user may not create the table", schema)
        return {}
    return await _columns(connection, schema)


async def _columns(connection: Any, schema: str) -> dict[str, dict[str, str]]:
    """Return the columns of each table with their types, in their order."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in await connection.fetch(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p') AND a.attnum > 0"
        " AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
        schema,
    ):
        found.setdefault(table, {})[column] = kind
    return found


def _other(schema: str, reason: str) -> NotARecordingError:
    return NotARecordingError(
        f"schema is not a riglog schema: {reason}",
        hint="Choose another schema with --schema. Nothing was modified",
        schema=schema,
    )


@asynccontextmanager
async def _postgres_errors(address: Address) -> AsyncIterator[None]:
    """Raise errors of asyncpg as UnreachableError if a retry may help, and as StorageError if not."""
    asyncpg = import_optional("asyncpg", "postgres")
    retryable = (
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
    except retryable as error:
        reason = address.redact(str(error) or type(error).__name__)
        if isinstance(error, ValueError):  # an InterfaceError of asyncpg about its arguments
            raise StorageError(
                f"PostgreSQL driver error: {reason}", hint="Check the URL", database=address.shown
            ) from None
        if isinstance(error, asyncpg.InterfaceError) and "connection is closed" in reason:
            reason = "connection lost"  # asyncpg names the call of its own that noticed it
        raise UnreachableError(f"PostgreSQL not reachable: {reason}", database=address.shown) from None
    except (asyncpg.PostgresError, ValueError) as error:
        hint = "Check user, password, database name and privileges"
        reason = address.redact(str(error))
        raise StorageError(f"PostgreSQL error: {reason}", hint=hint, database=address.shown) from None

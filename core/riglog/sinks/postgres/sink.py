"""``[[sink]] type = "postgres"``: records into a local SQLite file, which is forwarded on the way."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import anyio

from riglog.errors import StorageError
from riglog.model import SYSTEM_CLOCK, Batch, Event, EventKind, Run
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.postgres.asyncio_thread import AsyncioThread
from riglog.sinks.postgres.central import check_url, safe
from riglog.sinks.postgres.forwarder import SCHEMA, Forwarded, Forwarder
from riglog.sinks.postgres.tables import identifier
from riglog.sinks.sqlite import SqliteSink

LAST_SECONDS = 5.0
"""How long the end of a recording waits for the network; what is left then is shipped by ``riglog forward``."""


class PostgresConfig(FileConfig, kw_only=True, frozen=True):
    """``url`` of the database, ``path`` of the local recording that no other sink may have."""

    url: str
    schema: str = SCHEMA


class PostgresSink(SqliteSink):
    """A recording in SQLite that is forwarded while it grows. Rows are safe as soon as they are in the local file:
    recording never waits for the network.

    When the database goes away or comes back, an event in the recording says so.
    """

    name = "postgres"

    def __init__(self, url: str, path: str | Path, *, schema: str = SCHEMA, overwrite: bool = False) -> None:
        super().__init__(path, overwrite=overwrite)
        self.url = url
        self.schema = schema
        self._said: deque[Event] = deque()
        self._away: str | None = None

    async def check(self) -> None:
        check_url(self.url)
        identifier(self.schema)
        await super().check()

    async def open(self, run: Run) -> None:
        await super().open(run)
        self._forwarder = Forwarder(
            self.path, self.url, schema=self.schema, follow=True, stubborn=True, tell=self._hear
        )
        self._thread = AsyncioThread(self._forwarder.run)
        self._thread.start()

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        said = list(self._said)
        await super().write(batches, [*events, *said])
        for _ in said:
            self._said.popleft()

    async def aclose(self) -> None:
        try:
            if not await self._shipped():
                command = f"riglog forward {self.path} --to {safe(self.url)}"
                why = f": {self._away}" if self._away else ""
                self.remark = f"not everything is in PostgreSQL yet{why}; `{command}` ships it"
                self._say(EventKind.SINK_FAILED, self.remark)
            await self.write((), ())
        finally:
            await super().aclose()

    async def _shipped(self) -> bool:
        """Let the forwarder come to its end, if that does not take long; whether everything is over."""
        self._thread.call(self._forwarder.finish)
        with anyio.move_on_after(LAST_SECONDS):
            try:
                await self._thread.result()
            except StorageError as error:
                self._away = str(error)
            else:
                return True
        await self._thread.cancel()
        return False

    def _hear(self, figures: Forwarded) -> None:
        """Called in the forwarder's thread."""
        if figures.trouble and not self._away:
            self._say(EventKind.SINK_FAILED, f"PostgreSQL: {figures.trouble}; rows wait in {self.path}")
        elif self._away and not figures.trouble:
            self._say(EventKind.SINK_BACK, "PostgreSQL is back; what waited is being shipped")
        self._away = figures.trouble

    def _say(self, kind: EventKind, message: str) -> None:
        self._said.append(Event(SYSTEM_CLOCK.utc_ns(), kind, message))


POSTGRES = SinkType(
    "postgres",
    "a local SQLite file, forwarded to PostgreSQL",
    PostgresConfig,
    lambda config: PostgresSink(config.url, config.path, schema=config.schema, overwrite=config.overwrite),
)

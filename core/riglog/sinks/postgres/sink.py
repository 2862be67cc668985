"""``[[sink]] type = "postgres"``: records into a local SQLite file, which is forwarded while it is recorded."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import anyio

from riglog.errors import StorageError
from riglog.model import SYSTEM_CLOCK, Batch, Event, EventKind, Run
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.disk import Durability
from riglog.sinks.postgres.address import Address, unencrypted_warning
from riglog.sinks.postgres.asyncio_thread import AsyncioThread
from riglog.sinks.postgres.central import check_url
from riglog.sinks.postgres.forwarder import SCHEMA, Forwarder, ForwardProgress
from riglog.sinks.postgres.tables import identifier
from riglog.sinks.sqlite import SqliteSink
from riglog.sinks.sqlite.blocks import Profile

CLOSE_TIMEOUT_SECONDS = 5.0
"""How long the end of a run waits for the network. The rest is forwarded by ``riglog forward``."""


class PostgresConfig(FileConfig, kw_only=True, frozen=True):
    """``url`` of the database, ``path`` of the local recording, which no other sink may use."""

    profile: Profile = "desk"
    sign: str | None = None
    keep_bytes: bool | None = None
    url: str
    schema: str = SCHEMA


class PostgresSink(SqliteSink):
    """An SQLite recording that is forwarded while it grows.

    Samples are stored when they are in the local file: recording never waits for the network. Events in the recording
    report when forwarding is delayed and when it resumes.
    """

    name = "postgres"

    def __init__(
        self,
        url: str,
        path: str | Path,
        *,
        schema: str = SCHEMA,
        overwrite: bool = False,
        durability: Durability = "flush",
        profile: Profile = "desk",
        sign: str | None = None,
        keep_bytes: bool | None = None,
    ) -> None:
        super().__init__(
            path, overwrite=overwrite, durability=durability, profile=profile, sign=sign, keep_bytes=keep_bytes
        )
        self.url = url
        self.schema = schema
        self._address: Address | None = None
        self._pending_events: deque[Event] = deque()
        self._last_error: str | None = None

    async def check(self) -> None:
        self._checked_address()
        identifier(self.schema)
        await super().check()

    async def open(self, run: Run) -> None:
        await super().open(run)
        self._start_forwarding()

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        pending = list(self._pending_events)
        await super().write(batches, [*events, *pending])
        for _ in pending:
            self._pending_events.popleft()
        if self.path != self._forwarder.path:  # the file was deleted or moved, and the recording goes on in another one
            await self._thread.cancel()
            self._start_forwarding()

    async def aclose(self) -> None:
        try:
            if not await self._finish_forwarding():
                command = f"riglog forward {self.path} --to {self._checked_address().shown}"
                reason = f": {self._last_error}" if self._last_error else ""
                self.warning = f"not all rows are in PostgreSQL yet{reason}; run `{command}` to send the rest"
                self._add_event(EventKind.FORWARD_DELAYED, self.warning)
            await self.write((), ())
        finally:
            await super().aclose()

    def _start_forwarding(self) -> None:
        self._forwarder = Forwarder(
            self.path, self.url, schema=self.schema, follow=True, retry_all=True, on_progress=self._on_progress
        )
        self._thread = AsyncioThread(self._forwarder.run)
        self._thread.start()

    def _checked_address(self) -> Address:
        if self._address is None:
            self._address = check_url(self.url)
            if self._address.unencrypted_host:
                self.warning = unencrypted_warning(self._address.unencrypted_host)
        return self._address

    async def _finish_forwarding(self) -> bool:
        """Let the forwarder finish within the close timeout. Return True if all rows are in the database."""
        self._thread.call(self._forwarder.finish)
        with anyio.move_on_after(CLOSE_TIMEOUT_SECONDS):
            try:
                await self._thread.result()
            except StorageError as error:
                self._last_error = str(error)
            else:
                return True
        await self._thread.cancel()
        return False

    def _on_progress(self, progress: ForwardProgress) -> None:
        """Add an event when forwarding is delayed or resumes. Called in the thread of the forwarder."""
        if progress.last_error and not self._last_error:
            message = f"forwarding delayed: {progress.last_error}; rows are kept in {self.path} until it succeeds"
            self._add_event(EventKind.FORWARD_DELAYED, message)
        elif self._last_error and not progress.last_error:
            self._add_event(EventKind.FORWARD_RESUMED, "PostgreSQL reachable again; sending the accumulated rows")
        self._last_error = progress.last_error

    def _add_event(self, kind: EventKind, message: str) -> None:
        self._pending_events.append(Event(SYSTEM_CLOCK.utc_ns(), kind, message))


POSTGRES = SinkType(
    "postgres",
    "local SQLite file, forwarded to PostgreSQL",
    PostgresConfig,
    lambda config: PostgresSink(
        config.url,
        config.path,
        schema=config.schema,
        overwrite=config.overwrite,
        durability=config.durability,
        profile=config.profile,
        sign=config.sign,
        keep_bytes=config.keep_bytes,
    ),
)

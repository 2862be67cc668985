"""Ships a recording, also one that grows, to the central database: oldest first, nothing lost, nothing twice."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from riglog.errors import StorageError
from riglog.sinks.postgres.asyncio_thread import AsyncioThread
from riglog.sinks.postgres.central import Central, UnreachableError, check_url, connect
from riglog.sinks.postgres.outbox import Cursor, Outbox
from riglog.sinks.postgres.tables import identifier

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
LOOK_SECONDS = 1.0
SCHEMA = "riglog"


class Forwarded(Struct):
    """How far it is, live. ``trouble`` is why nothing moves just now, None while it does."""

    samples: int = 0
    remaining: int = 0
    lost_connections: int = 0
    trouble: str | None = None


class Forwarder:
    """One file on its way to one database. Runs on asyncio; ``tell`` is called whenever something has changed.

    The cursor in the file is moved only after the commit at the other side. Whatever happens in between, the same rows
    are given again, and the key of the table keeps them from being there twice.
    """

    def __init__(
        self,
        path: str | Path,
        url: str,
        *,
        schema: str = SCHEMA,
        follow: bool = False,
        again: bool = False,
        stubborn: bool = False,
        patience: float | None = None,
        tell: Callable[[Forwarded], None] = lambda _: None,
    ) -> None:
        check_url(url)
        self.path, self.url, self.schema = Path(path), url, identifier(schema)
        self.follow = follow
        self.figures = Forwarded()
        self._again = again
        self._passing = StorageError if stubborn else UnreachableError
        self._patience = patience
        self._tell = tell
        self._finishing = asyncio.Event()

    def finish(self) -> None:
        """End when everything is shipped, or with the first trouble; to be called on the forwarder's own loop."""
        self.follow = False
        self._finishing.set()

    async def run(self) -> Forwarded:
        """Ship until everything is shipped, and on if it is to follow.

        Raises:
            UnreachableError: the database was away for longer than patience lasts.
            StorageError: the database refuses us, or the file cannot be read.
        """
        outbox, failures, since = Outbox(self.path), 0, time.monotonic()
        try:
            while True:
                before = self.figures.samples
                try:
                    async with connect(self.url, self.schema) as central:
                        await self._ship(outbox, central)
                    return self.figures
                except self._passing as error:
                    if self.figures.samples > before:
                        failures, since = 0, time.monotonic()
                    self._give_up(since, error)
                    failures += 1
                    self._trouble(error)
                await self._wait(_pause(failures))
        finally:
            outbox.close()

    async def _ship(self, outbox: Outbox, central: Central) -> None:
        if self._again:
            outbox.forget(central.identity)
            self._again = False
        cursor = outbox.cursor(central.identity)
        self._moved(outbox, cursor, 0)
        while True:
            while page := outbox.next(cursor):
                await central.take(page.records)
                cursor = page.cursor
                outbox.shipped(central.identity, page)
                self._moved(outbox, cursor, page.samples)
            if not self.follow:
                return
            await self._wait(LOOK_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Sleep, until somebody waits for the end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._finishing.wait(), seconds)

    def _moved(self, outbox: Outbox, cursor: Cursor, samples: int) -> None:
        self.figures.samples += samples
        self.figures.remaining = outbox.remaining(cursor)
        self.figures.trouble = None
        self._tell(self.figures)

    def _trouble(self, error: StorageError) -> None:
        self.figures.lost_connections += 1
        self.figures.trouble = str(error)
        self._tell(self.figures)

    def _give_up(self, since: float, error: StorageError) -> None:
        """Raise if patience is at its end, or if somebody waits for ours."""
        patience = 0.0 if self._finishing.is_set() else self._patience
        if patience is not None and time.monotonic() - since > patience:
            error.hint = "nothing is lost: run the same command again when the database is back"
            raise error


async def forward(
    path: str | Path,
    url: str,
    *,
    schema: str = SCHEMA,
    follow: bool = False,
    again: bool = False,
    patience: float | None = 60.0,
    tell: Callable[[Forwarded], None] = lambda _: None,
) -> Forwarded:
    """Ship a recording to a PostgreSQL database; on any event loop. Rows that are already there are not doubled.

    Args:
        schema: where the tables are, or are made.
        follow: go on when everything is shipped, and ship what the file still gains, until cancelled.
        again: begin with the oldest row, whatever was shipped before.
        patience: seconds without any progress after which to give up; None never.
        tell: called with live figures, in another thread.
    Raises:
        ConfigError: the address or the schema's name makes no sense, or asyncpg is not installed.
        StorageError: the file or the database cannot be used.
    """
    forwarder = Forwarder(path, url, schema=schema, follow=follow, again=again, patience=patience, tell=tell)
    async with AsyncioThread(forwarder.run) as thread:
        return await thread.result()


def _pause(failures: int) -> float:
    """Longer and longer, and never for many hosts at the same moment."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 20)) * random.uniform(0.5, 1.0)

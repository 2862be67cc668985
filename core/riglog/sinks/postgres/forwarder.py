"""Forwards a recording, also one that is growing, to the central database: oldest rows first, each row once."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from riglog.errors import StorageError
from riglog.sinks.part_names import parts, parts_after
from riglog.sinks.postgres.asyncio_thread import AsyncioThread
from riglog.sinks.postgres.central import Central, UnreachableError, check_url, connect
from riglog.sinks.postgres.forward_queue import ForwardQueue, remaining
from riglog.sinks.postgres.tables import identifier
from riglog.sinks.postgres.unsent import Cursor
from riglog.sinks.sqlite.writer_lock import is_locked

MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.2, 30.0
FOLLOW_INTERVAL_SECONDS = 1.0
SCHEMA = "riglog"


class ForwardProgress(Struct):
    """How far a recording is forwarded; updated while it is.

    Attributes:
        samples: rows forwarded by this call.
        remaining: rows that are not in the database yet; None until the database was reached once.
        failed_attempts: attempts to connect or to insert that failed.
        last_error: the error of the last attempt; None if it succeeded.
    """

    samples: int = 0
    remaining: int | None = None
    failed_attempts: int = 0
    last_error: str | None = None


class Forwarder:
    """Forwards one file to one database. Runs on asyncio; ``on_progress`` is called after every change.

    ``following`` returns the files in which the recording goes on: with one, and without a recorder, this is complete.

    The cursor in the file moves only after the commit in the database. After an interruption in between, the same rows
    are sent again, and the primary key of the table prevents duplicates.
    """

    def __init__(
        self,
        path: str | Path,
        url: str,
        *,
        schema: str = SCHEMA,
        follow: bool = False,
        restart: bool = False,
        retry_all: bool = False,
        give_up_after: float | None = None,
        on_progress: Callable[[ForwardProgress], None] = lambda _: None,
        following: Callable[[], Sequence[Path]] = lambda: (),
    ) -> None:
        self.address = check_url(url)
        self.path, self.schema = Path(path), identifier(schema)
        self.follow = follow
        self.progress = ForwardProgress()
        self._restart = restart
        self._retryable = StorageError if retry_all else UnreachableError
        self._give_up_after = give_up_after
        self._on_progress = on_progress
        self._following = following
        self._behind = 0
        self._finishing = asyncio.Event()

    def finish(self) -> None:
        """End when all rows are forwarded, or at the next error. To be called on the event loop of the forwarder."""
        self.follow = False
        self._finishing.set()

    async def run(self) -> ForwardProgress:
        """Forward all rows; with ``follow``, also those that the file gains later.

        Raises:
            UnreachableError: no progress for ``give_up_after`` seconds.
            StorageError: the database refuses the connection or the rows, or the file cannot be read.
        """
        queue, failures, since = ForwardQueue(self.path), 0, time.monotonic()
        try:
            while True:
                before = self.progress.samples
                try:
                    async with connect(self.address, self.schema) as central:
                        await self._forward(queue, central)
                    return self.progress
                except self._retryable as error:
                    if self.progress.samples > before:
                        failures, since = 0, time.monotonic()
                    self._check_deadline(since, error)
                    failures += 1
                    self._attempt_failed(error)
                await self._wait(_backoff(failures))
        finally:
            queue.close()

    async def _forward(self, queue: ForwardQueue, central: Central) -> None:
        if self._restart:
            queue.reset(central.identity)
            self._restart = False
        cursor = queue.cursor(central.identity)
        self._behind = sum(remaining(path, central.identity) for path in self._following())
        self._update(queue, cursor, 0)
        while True:
            is_complete = bool(self._following()) and not is_locked(self.path)  # before its last rows are read
            while page := queue.next(cursor):
                await central.insert(page.records)
                cursor = page.cursor
                queue.mark_forwarded(central.identity, page)
                self._update(queue, cursor, page.samples)
            if not self.follow or is_complete:
                return
            await self._wait(FOLLOW_INTERVAL_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not longer than until ``finish`` is called."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._finishing.wait(), seconds)

    def _update(self, queue: ForwardQueue, cursor: Cursor, samples: int) -> None:
        self.progress.samples += samples
        self.progress.remaining = queue.remaining(cursor) + self._behind
        self.progress.last_error = None
        self._on_progress(self.progress)

    def _attempt_failed(self, error: StorageError) -> None:
        self.progress.failed_attempts += 1
        self.progress.last_error = str(error)
        self._on_progress(self.progress)

    def _check_deadline(self, since: float, error: StorageError) -> None:
        """Raise the error if there was no progress for too long, or if ``finish`` was called."""
        limit = 0.0 if self._finishing.is_set() else self._give_up_after
        if limit is not None and time.monotonic() - since > limit:
            error.hint = "No data is lost. Run the same command again when the database is reachable"
            raise error


async def forward(
    path: str | Path,
    url: str,
    *,
    schema: str = SCHEMA,
    follow: bool = False,
    restart: bool = False,
    give_up_after: float | None = 60.0,
    on_progress: Callable[[ForwardProgress], None] = lambda _: None,
) -> ForwardProgress:
    """Forward a recording to a PostgreSQL database, on any event loop. No row is inserted twice.

    Args:
        path: the recording; the first file of a rotation stands for all of them.
        schema: the schema with the tables; it is created if it does not exist.
        follow: continue after the last row, and forward what the file gains, until cancelled.
        restart: start with the oldest row, whatever was forwarded before.
        give_up_after: seconds without progress after which the last error is raised; None: never.
        on_progress: called after every change, in another thread.
    Raises:
        ConfigError: the URL or the schema name is invalid, or asyncpg is not installed.
        StorageError: the file or the database cannot be used.
    """
    first = Path(path)
    check_url(url)
    identifier(schema)

    async def forward_all() -> ForwardProgress:
        progress = ForwardProgress()
        present: Path | None = (parts(first) or [first])[0]
        while present is not None:
            forwarder = Forwarder(
                present,
                url,
                schema=schema,
                follow=follow,
                restart=restart,
                give_up_after=give_up_after,
                on_progress=on_progress,
                following=partial(parts_after, first, present),
            )
            forwarder.progress = progress
            await forwarder.run()
            present = next(iter(parts_after(first, present)), None)
        return progress

    async with AsyncioThread(forward_all) as thread:
        return await thread.result()


def _backoff(failures: int) -> float:
    """Return a delay that grows with the failures, with a random part so that many hosts do not retry together."""
    return min(MAX_BACKOFF_SECONDS, MIN_BACKOFF_SECONDS * 2.0 ** min(failures, 20)) * random.uniform(0.5, 1.0)

"""The SQLite sink: one transaction per flush, all SQL in a worker thread."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from riglog.errors import StorageError
from riglog.model import Batch, Event, EventKind, Message, Run
from riglog.protocol.wire_log import WireLog
from riglog.sinks.base import RotatingConfig, SinkType
from riglog.sinks.disk import Durability
from riglog.sinks.files import FileSink, deleted_error
from riglog.sinks.inbox import Inbox
from riglog.sinks.sqlite.blocks import Profile
from riglog.sinks.sqlite.messages import message_ids
from riglog.sinks.sqlite.run_file import RunFile
from riglog.sinks.sqlite.schema import (
    DATA_ERRORS,
    MOST_LOG_BYTES,
    UNREADABLE,
    check_path,
    is_lock_lost,
    remove_recording,
    storage_error,
)
from riglog.sinks.sqlite.seals import Signer
from riglog.sinks.sqlite.writer_lock import check_unlocked

T = TypeVar("T")
FAILURES_BEFORE_REOPENING = 3


class SqliteConfig(RotatingConfig, kw_only=True, frozen=True):
    """``profile``: ``desk`` answers questions fastest, ``card`` writes the fewest bytes to flash memory.

    ``sign``: the file of an Ed25519 key that signs the seals, or ``agent``. ``keep_bytes``: requests and replies are
    stored beside the rows; default: with ``desk``.
    """

    profile: Profile = "desk"
    keep_bytes: bool | None = None
    sign: str | None = None


class SqliteSink(FileSink):
    """One file with any number of runs, described in docs/reference/schema.md."""

    name = "sqlite"
    _file: "RunFile | None" = None
    _failures = 0  # consecutive
    _revived_rows = _revived_events = 0  # of what is written again: they are in the file already

    def __init__(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        durability: Durability = "flush",
        profile: Profile = "desk",
        sign: str | None = None,
        keep_bytes: bool | None = None,
    ) -> None:
        super().__init__(path, overwrite=overwrite, durability=durability)
        self.keep_bytes = keep_bytes
        self.wire_log: WireLog | None = None
        self.profile: Profile = profile
        self.sign = sign
        self._signer: Signer | None = None
        self._inboxes = [Inbox(self.path)]

    async def check(self) -> None:
        await self._load_key()
        await self._in_thread(lambda: check_path(self.path, overwrite=self.overwrite))
        await self._in_thread(lambda: check_unlocked(self.path))

    async def open(self, run: Run) -> None:
        if self.overwrite:
            await self._in_thread(lambda: check_unlocked(self.path))
            await self._in_thread(lambda: remove_recording(self.path, unless_run=run.id))
        await self._load_key()
        self._file = await self._in_thread(
            lambda: RunFile(self.path, run, durable=self.durable, profile=self.profile, signer=self._signer)
        )

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        await self._in_thread(lambda: self._write(batches, events), passing=DATA_ERRORS)

    async def incoming(self) -> Sequence[Message]:
        return await self._in_thread(lambda: [each for inbox in self._inboxes for each in inbox.messages()])

    def take_messages_for(self, path: Path) -> None:
        """Also take the messages that were sent to another file of this recording, just before it was complete."""
        self._inboxes.append(Inbox(path))

    async def aclose(self) -> None:
        if self._file is not None:
            await self._in_thread(self._close)

    @property
    def keeps_bytes(self) -> bool:
        """True if requests and replies are stored, unless the sink is given none."""
        return self.profile == "desk" if self.keep_bytes is None else self.keep_bytes

    def keep_wires(self) -> WireLog | None:
        """Return the log from which the sink takes requests and replies; None if it keeps none."""
        self.wire_log = (self.wire_log or WireLog()) if self.keeps_bytes else None
        return self.wire_log

    async def _load_key(self) -> None:
        key = self.sign
        if key is not None and self._signer is None:
            from riglog.sinks.sqlite.signatures import KeySigner

            self._signer = await self._in_thread(lambda: KeySigner(key))

    def _write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        file = self._present_file()
        try:
            if self._failures >= FAILURES_BEFORE_REOPENING:
                file = self._file = file.reopened()
                self._revived_rows += file.revived.rows
                self._revived_events += file.revived.events
            rows, rest = without_first(batches, self._revived_rows), events[self._revived_events :]
            file.write(rows, rest, self.wire_log)
        except DATA_ERRORS:
            raise
        except BaseException as error:
            # SQLite has tried for 10 s: in this connection a lock is lost for ever
            self._failures += FAILURES_BEFORE_REOPENING if is_lock_lost(error) else 1
            raise
        self._failures = self._revived_rows = self._revived_events = 0
        stored = [message_id for event in events for message_id in message_ids(event)]
        for inbox in self._inboxes if stored else ():
            inbox.discard(stored)
        if file.log_bytes() > MOST_LOG_BYTES and self.warning is None:
            self._warn(
                "another program reads the recording in one transaction that does not end, so the write-ahead log"
                f" grows: {self.path}-wal",
                EventKind.LOG_GROWING,
            )

        if self.wire_log is not None and self.wire_log.dropped and self.warning is None:
            self._warn(
                f"{self.wire_log.dropped} requests and replies were not kept, because the file could not be written;"
                " all rows are counted as usual",
                EventKind.SINK_FAILED,
            )

    def _close(self) -> None:
        file = self._file
        try:
            file = self._present_file()
        except (OSError, StorageError):
            if file is not None and file.is_deleted():
                self.samples_deleted += file.samples
            raise
        finally:
            self._file = None
            if file is not None and not file.left:
                file.close()
                self.newest_seal = file.seals.head

    def _present_file(self) -> "RunFile":
        """Return the open file; if it was deleted or moved, the one in which the recording goes on."""
        file = self._file
        assert file is not None, "open() comes first"
        if not file.is_displaced():
            return self._unless_overwritten(file)
        try:
            if not file.left and not file.disconnected:
                self.path, self.warning = file.leave()
                self.take_messages_for(self.path)
                self.warning_kind = EventKind.RECORDING_MOVED
            self._file = file.continued(self.path)
        except (OSError, StorageError, *UNREADABLE) as error:
            cause = storage_error(error, self.path) if isinstance(error, UNREADABLE) else error
            raise deleted_error(self.path, cause) from error
        return self._file

    def _unless_overwritten(self, file: "RunFile") -> "RunFile":
        """Return a file; if another program has destroyed its content, a new one. Its rows are counted as lost."""
        if file.disconnected or not (file.left or file.is_overwritten()):
            file.lock.renew()
            return file
        if not file.left:
            self.path, self.warning = file.leave_overwritten()
            self.warning_kind = EventKind.RECORDING_MOVED
            self.samples_deleted += file.samples
            self._inboxes.append(Inbox(self.path))
        self._file = file.continued(self.path, samples=0)
        return self._file

    async def _in_thread(self, call: Callable[[], T], *, passing: tuple[type[Exception], ...] = ()) -> T:
        try:
            return await super()._in_thread(call)
        except passing:
            raise
        except UNREADABLE as error:
            raise storage_error(error, self.path) from error


def without_first(batches: Sequence[Batch], samples: int) -> Sequence[Batch]:
    """Return batches without those that have the first so many samples."""
    for number, batch in enumerate(batches):
        if samples <= 0:
            return batches[number:]
        samples -= len(batch.samples)
    return []


SQLITE = SinkType(
    "sqlite",
    "SQLite file with any number of runs",
    SqliteConfig,
    lambda config: SqliteSink(
        config.path,
        overwrite=config.overwrite,
        durability=config.durability,
        profile=config.profile,
        sign=config.sign,
        keep_bytes=config.keep_bytes,
    ),
)

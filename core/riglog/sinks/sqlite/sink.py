"""The SQLite sink: one transaction per flush, all SQL in a worker thread."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from riglog.errors import StorageError
from riglog.model import OK, Batch, Channel, Event, Run, Sample
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.disk import identity, is_deleted, open_descriptor
from riglog.sinks.files import FileSink, deleted_error
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.displaced import is_displaced, leave_displaced
from riglog.sinks.sqlite.run_lock import RunLock, check_no_writer
from riglog.sinks.sqlite.schema import DATA_ERRORS, check_path, open_database, remove_recording, storage_error

T = TypeVar("T")
ReadingColumns = tuple[int, int | None, int, int | None, int, float | None, int | None]
CHANNEL_COLUMNS = Channel.__struct_fields__

CACHED_ANNOTATIONS = 10_000
FAILURES_BEFORE_REOPENING = 3


class SqliteSink(FileSink):
    """One file with any number of runs, described in docs/reference/schema.md."""

    name = "sqlite"
    _file: "_File | None" = None
    _failures = 0  # consecutive

    async def check(self) -> None:
        await self._in_thread(lambda: check_path(self.path))

    async def open(self, run: Run) -> None:
        if self.overwrite:
            await self._in_thread(lambda: check_no_writer(self.path))
            await self._in_thread(lambda: remove_recording(self.path, unless_run=run.id))
        self._file = await self._in_thread(lambda: _File(self.path, run, durable=self.durable))

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        await self._in_thread(lambda: self._write(batches, events), passing=DATA_ERRORS)

    async def aclose(self) -> None:
        if self._file is not None:
            await self._in_thread(self._close)

    def _write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        file = self._present_file()
        try:
            if self._failures >= FAILURES_BEFORE_REOPENING:
                file = self._file = file.reopened()
            file.write(batches, events)
        except DATA_ERRORS:
            raise
        except BaseException:
            self._failures += 1
            raise
        self._failures = 0

    def _close(self) -> None:
        file = self._file
        try:
            file = self._present_file()
        except (OSError, StorageError):
            if file is not None and file.is_deleted():
                self.samples_deleted = file.samples
            raise
        finally:
            self._file = None
            if file is not None and not file.left:
                file.close()

    def _present_file(self) -> "_File":
        """Return the open file; if it was deleted or moved, the one in which the recording goes on."""
        file = self._file
        assert file is not None, "open() comes first"
        if not file.is_displaced():
            return file
        try:
            if not file.left:
                self.path, self.warning = file.leave()
            self._file = _File(self.path, file.run, durable=self.durable, samples=file.samples)
        except (OSError, sqlite3.Error, StorageError) as error:
            cause = storage_error(error, self.path) if isinstance(error, sqlite3.Error) else error
            raise deleted_error(self.path, cause) from error
        return self._file

    async def _in_thread(self, call: Callable[[], T], *, passing: tuple[type[Exception], ...] = ()) -> T:
        try:
            return await super()._in_thread(call)
        except passing:
            raise
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


class _File:
    """The open database, with the ids of the channels and annotations in it. Blocking; one thread at a time."""

    def __init__(self, path: Path, run: Run, *, durable: bool, samples: int = 0, lock: RunLock | None = None) -> None:
        self.path = path
        self.run = run
        self.durable = durable
        self.samples = samples  # stored since the recording was opened
        self.left = False  # closed, because it was deleted or moved
        self.lock = lock or RunLock(path, run.id)
        try:
            self.database = open_database(path, durable=durable)
        except BaseException:
            if lock is None:
                self.lock.release()
            raise
        self.channels: dict[Channel, int] = {}
        self.annotations: dict[tuple[object, ...], int] = {}
        self.rollback_pending = False
        try:
            self.run_id = self._insert_run()
            self.identity = identity(path)
        except BaseException:
            self.database.close()
            if lock is None:
                self.lock.release()
            raise

    def is_displaced(self) -> bool:
        """Return whether the file was deleted or moved."""
        return is_displaced(self.path, self.identity)

    def is_deleted(self) -> bool:
        """Return whether its rows are lost when it is closed."""
        file = None if self.identity is None else open_descriptor(self.identity)
        return file is not None and is_deleted(file)

    def leave(self) -> tuple[Path, str]:
        """Close the file that was deleted or moved; see ``leave_displaced``."""
        assert self.identity is not None
        found = leave_displaced(self.database, self.path, self.identity)
        self.left = True
        self.lock.release()
        return found

    def reopened(self) -> "_File":
        """Return the file with a new connection: one whose locks or reads failed can stay unusable for ever."""
        other = _File(self.path, self.run, durable=self.durable, samples=self.samples, lock=self.lock)
        with suppress(sqlite3.Error):
            self.database.close()
        return other

    def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        """Store all of it, or none and raise."""
        database = self.database
        if self.rollback_pending:
            self._roll_back()
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany(
                "INSERT INTO reading (channel_id, tick, received_ns, latency_ns, skew_ns, value, note_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self._reading_columns(batch.tick, sample) for batch in batches for sample in batch.samples],
            )
            if events:
                database.executemany(
                    "INSERT INTO event (run_id, at_ns, kind, device, port, message) VALUES (?, ?, ?, ?, ?, ?)",
                    [(self.run_id, e.at_ns, e.kind.value, e.device, e.port, e.message) for e in events],
                )
            database.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.samples += sum(len(batch.samples) for batch in batches)

    def close(self) -> None:
        """Finish the run, write the write-ahead log back into the file, and close."""
        try:
            self.database.execute(
                "UPDATE run SET finished_ns = (SELECT max(at_ns) FROM event WHERE run_id = :id) WHERE id = :id",
                {"id": self.run_id},
            )
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.database.close()
            self.lock.release()

    def _insert_run(self) -> int:
        """Return the id of the run: a new one, or the present one if it is resumed."""
        run = self.run
        known = self.database.execute("SELECT id FROM run WHERE run = ?", (run.id,)).fetchone()
        if known is not None:
            self.channels = self._stored_channels(known[0])
            return int(known[0])
        cursor = self.database.execute(
            "INSERT INTO run (run, name, started_ns, anchor_ns, rate_hz, host, versions, rig) VALUES (?,?,?,?,?,?,?,?)",
            (
                run.id,
                run.name,
                run.started_ns,
                run.anchor_ns,
                run.rate_hz,
                run.host,
                msgspec.json.encode(run.versions).decode(),
                run.rig,
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _stored_channels(self, run_id: int) -> dict[Channel, int]:
        """Return the channels of a run that are in the file, with their ids."""
        found = self.database.execute(
            f"SELECT id, {', '.join(CHANNEL_COLUMNS)} FROM channel WHERE run_id = ?",  # noqa: S608 - constants
            (run_id,),
        )
        return {Channel(**dict(zip(CHANNEL_COLUMNS, columns, strict=True))): number for number, *columns in found}

    def _reading_columns(self, tick: int | None, sample: Sample) -> ReadingColumns:
        channel, stamp, run = sample.channel, sample.stamp, self.run
        channel_id = self.channels.get(channel) or self._insert_channel(channel)
        number, text, status, error = content(sample)
        plain = text is None and status is OK and error is None and not sample.flags and sample.unit == channel.unit
        return (
            channel_id,
            tick,
            stamp.received_ns - run.started_ns,
            stamp.latency_ns,
            stamp.monotonic_ns - run.anchor_ns - (stamp.midpoint_ns - run.started_ns),
            number,
            None if plain else self._annotation_id((text, sample.unit, status.value, flags(sample), error)),
        )

    def _insert_channel(self, channel: Channel) -> int:
        found = self.database.execute(
            "INSERT INTO channel (run_id, device, driver, protocol, address, parameter, parameter_id, instance, unit)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (self.run_id, *msgspec.structs.astuple(channel)),
        ).fetchone()[0]
        self.channels[channel] = found
        return int(found)

    def _annotation_id(self, columns: tuple[str | None, str | None, str, str, str | None]) -> int:
        """Return the id of an annotation: text, unit, status, flags and error, stored once for many readings."""
        if columns not in self.annotations:
            if len(self.annotations) >= CACHED_ANNOTATIONS:
                self.annotations.clear()  # some are then stored twice, which is correct and costs bytes only
            self.annotations[columns] = self.database.execute(
                "INSERT INTO note (text, unit, status, flags, error) VALUES (?, ?, ?, ?, ?) RETURNING id", columns
            ).fetchone()[0]
        return self.annotations[columns]

    def _roll_back(self) -> None:
        """Undo the transaction, and forget the ids it inserted: they do not exist, or will belong to other rows."""
        self.rollback_pending = True  # until it is complete: on a failing disk each of these statements may fail too
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")
        self.annotations.clear()
        self.channels = self._stored_channels(self.run_id)
        self.rollback_pending = False


SQLITE = SinkType(
    "sqlite",
    "SQLite file with any number of runs",
    FileConfig,
    lambda config: SqliteSink(config.path, overwrite=config.overwrite, durability=config.durability),
)

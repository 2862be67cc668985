"""The SQLite sink: one transaction per flush, all SQL in a worker thread."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from riglog.model import OK, Batch, Channel, Event, Run, Sample
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.files import FileSink
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.run_lock import RunLock, check_no_writer
from riglog.sinks.sqlite.schema import DATA_ERRORS, check_path, open_database, remove_recording, storage_error

T = TypeVar("T")
ReadingColumns = tuple[int, int | None, int, int | None, int, float | None, int | None]
CHANNEL_COLUMNS = Channel.__struct_fields__

CACHED_ANNOTATIONS = 10_000


class SqliteSink(FileSink):
    """One file with any number of runs, described in docs/reference/schema.md."""

    name = "sqlite"
    _file: "_File | None" = None

    async def check(self) -> None:
        await self._in_thread(lambda: check_path(self.path))

    async def open(self, run: Run) -> None:
        if self.overwrite:
            await self._in_thread(lambda: check_no_writer(self.path))
            await self._in_thread(lambda: remove_recording(self.path, unless_run=run.id))
        self._file = await self._in_thread(lambda: _File(self.path, run))

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        file = self._file
        assert file is not None, "open() comes first"
        await self._in_thread(lambda: file.write(batches, events), passing=DATA_ERRORS)

    async def aclose(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            await self._in_thread(file.close)

    async def _in_thread(self, call: Callable[[], T], *, passing: tuple[type[Exception], ...] = ()) -> T:
        try:
            return await super()._in_thread(call)
        except passing:
            raise
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


class _File:
    """The open database, with the ids of the channels and annotations in it. Blocking; one thread at a time."""

    def __init__(self, path: Path, run: Run) -> None:
        self.run = run
        self.lock = RunLock(path, run.id)
        try:
            self.database = open_database(path)
        except BaseException:
            self.lock.release()
            raise
        self.channels: dict[Channel, int] = {}
        self.annotations: dict[tuple[object, ...], int] = {}
        self.rollback_pending = False
        try:
            self.run_id = self._insert_run()
        except BaseException:
            self.database.close()
            self.lock.release()
            raise

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
    lambda config: SqliteSink(config.path, overwrite=config.overwrite),
)

"""Records into SQLite: one transaction per flush, all SQL off the event loop."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from riglog.model import OK, Batch, Channel, Event, Run, Sample, Sink
from riglog.sinks.base import FileConfig, SinkType
from riglog.sinks.rows import flags, number, words
from riglog.sinks.sqlite.schema import check_path, open_database, remove_recording, storage_error

T = TypeVar("T")
Reading = tuple[int, int | None, int, int | None, int, float | None, int | None]
COLUMNS_OF_CHANNEL = Channel.__struct_fields__

NOTES_REMEMBERED = 10_000


class SqliteSink(Sink):
    """One file, many runs. See docs/reference/schema.md for what is in it."""

    name = "sqlite"

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self._limiter = anyio.CapacityLimiter(1)
        self._file: _File | None = None

    async def check(self) -> None:
        await self._in_thread(lambda: check_path(self.path))

    async def open(self, run: Run) -> None:
        if self.overwrite:
            await self._in_thread(lambda: remove_recording(self.path, unless_run=run.id))
        self._file = await self._in_thread(lambda: _File(self.path, run))

    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        file = self._file
        assert file is not None, "open() comes first"
        await self._in_thread(lambda: file.write(batches, events))

    async def aclose(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            await self._in_thread(file.close)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._limiter)
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


class _File:
    """The open database and the numbers by which it knows words. Blocking; one thread at a time."""

    def __init__(self, path: Path, run: Run) -> None:
        self.database = open_database(path)
        self.run = run
        self.channels: dict[Channel, int] = {}
        self.notes: dict[tuple[object, ...], int] = {}
        try:
            self.run_id = self._enter_run()
        except BaseException:
            self.database.close()
            raise

    def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        """All of it or nothing."""
        database = self.database
        if database.in_transaction:  # even taking back failed the last time
            self._roll_back()
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany(
                "INSERT INTO reading (channel_id, tick, received_ns, latency_ns, skew_ns, value, note_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self._reading(batch.tick, sample) for batch in batches for sample in batch.samples],
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
        """Finish the run, fold the write-ahead log into the file, and close."""
        try:
            self.database.execute(
                "UPDATE run SET finished_ns = (SELECT max(at_ns) FROM event WHERE run_id = ?1) WHERE id = ?1",
                (self.run_id,),
            )
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.database.close()

    def _enter_run(self) -> int:
        """The number of the run: a new one, or the one it has if it is resumed."""
        run = self.run
        known = self.database.execute("SELECT id FROM run WHERE run = ?", (run.id,)).fetchone()
        if known is not None:
            self.channels = self._entered(known[0])
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

    def _entered(self, run_id: int) -> dict[Channel, int]:
        """The channels of a run that are in the file."""
        found = self.database.execute(
            f"SELECT id, {', '.join(COLUMNS_OF_CHANNEL)} FROM channel WHERE run_id = ?",  # noqa: S608 - constants
            (run_id,),
        )
        return {Channel(**dict(zip(COLUMNS_OF_CHANNEL, words, strict=True))): number for number, *words in found}

    def _reading(self, tick: int | None, sample: Sample) -> Reading:
        channel, stamp, run = sample.channel, sample.stamp, self.run
        channel_id = self.channels.get(channel) or self._enter_channel(channel)
        plain = sample.status is OK and not sample.flags and sample.unit == channel.unit and sample.error is None
        text = words(sample)
        return (
            channel_id,
            tick,
            stamp.received_ns - run.started_ns,
            stamp.latency_ns,
            stamp.monotonic_ns - run.anchor_ns - (stamp.midpoint_ns - run.started_ns),
            number(sample),
            None if plain and text is None else self._note(text, sample),
        )

    def _enter_channel(self, channel: Channel) -> int:
        found = self.database.execute(
            "INSERT INTO channel (run_id, device, driver, protocol, address, parameter, parameter_id, instance, unit)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (self.run_id, *msgspec.structs.astuple(channel)),
        ).fetchone()[0]
        self.channels[channel] = found
        return int(found)

    def _note(self, text: str | None, sample: Sample) -> int:
        key = (text, sample.unit, sample.status.value, flags(sample), sample.error)
        if key not in self.notes:
            if len(self.notes) >= NOTES_REMEMBERED:
                self.notes.clear()  # then a note is entered again; that costs bytes, not truth
            self.notes[key] = self.database.execute(
                "INSERT INTO note (text, unit, status, flags, error) VALUES (?, ?, ?, ?, ?) RETURNING id", key
            ).fetchone()[0]
        return self.notes[key]

    def _roll_back(self) -> None:
        """Forget what was entered in the transaction that failed: its numbers do not exist, or come to be another's."""
        self.notes.clear()
        self.channels.clear()  # first, because on a sick disk what follows may fail too
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")
        self.channels = self._entered(self.run_id)


SQLITE = SinkType(
    "sqlite",
    "one SQLite file, any number of runs",
    FileConfig,
    lambda config: SqliteSink(config.path, overwrite=config.overwrite),
)

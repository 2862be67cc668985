"""A run in an open file: what one flush stores, in one transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from riglog.errors import NewerSchemaError, NotARecordingError, StorageError
from riglog.model import OK, Batch, Event, Run, Sample
from riglog.protocol.wire_log import KeptTransaction, OpenedDevice, WireLog
from riglog.sinks.disk import beside, identity, is_deleted, open_descriptor
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.blocks import Blocks, Profile
from riglog.sinks.sqlite.displaced import is_displaced, leave_displaced, leave_overwritten
from riglog.sinks.sqlite.equipment import add_equipment
from riglog.sinks.sqlite.messages import insert_event
from riglog.sinks.sqlite.overviews import Overviews
from riglog.sinks.sqlite.places import Places
from riglog.sinks.sqlite.schema import check_recording, check_sound, open_database
from riglog.sinks.sqlite.seals import Seals, Signer
from riglog.sinks.sqlite.wires import Wires
from riglog.sinks.sqlite.writer_lock import WriterLock

Annotation = tuple[str | None, str | None, str, str, str | None]
FlushColumns = tuple[int, int, int, int | None, int | None, int, int | None]
ReadingColumns = tuple[int, int, int, float | None, int | None, int | None, int | None, int, int | None]
"""Of one reading; its block is that of the flush."""
PLAIN = "({block}, ?, ?, ?, ?, NULL, ?, ?, ?, NULL)"
"""Nearly all readings. The sqlite3 module takes 0.4 us to bind each None, which is a fifth of storing a reading."""
READING = "({block}, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERTED = 50
"""Readings of one statement: of each by itself, the module would take 0.3 us to begin and to end it."""
CACHED_ANNOTATIONS = 10_000
MOST_CHECKS = 5
"""Of the whole file, after another program has changed it: one that checkpoints again and again does no harm."""


class Revived(NamedTuple):
    """Rows and events of a transaction that failed, and that SQLite has found complete in its write-ahead log since."""

    rows: int = 0
    events: int = 0


class RunFile:
    """The open database, with the ids of the channels and annotations in it. Blocking; one thread at a time."""

    def __init__(
        self,
        path: Path,
        run: Run,
        *,
        durable: bool,
        profile: Profile,
        samples: int = 0,
        lock: WriterLock | None = None,
        sealed: bool = True,
        signer: Signer | None = None,
    ) -> None:
        self.path = path
        self.run = run
        self.durable = durable
        self.profile = profile
        self.samples = samples  # stored since the recording was opened
        self.left = False  # closed, because it was deleted or moved
        self.disconnected = False  # closed, to be opened again
        self.lock = lock or WriterLock(path)
        try:
            self.database = open_database(path, durable=durable)
        except BaseException:
            if lock is None:
                self.lock.release()
            raise
        self.annotations: dict[Annotation, int] = {}
        self.annotated: dict[int, Annotation] = {}
        self.sealed = sealed
        self.signer = signer
        self.rollback_pending = False
        try:
            self.run_id = self._insert_run()
            self.places = Places(self.database, self.run_id)
            self.overviews = Overviews(self.database, self.run_id)
            self.blocks = Blocks(self.database, self.run_id, profile)
            self.block_id = 0  # of the flush that is being stored
            self.wires = Wires(self.database, self.run_id)
            self._devices: Sequence[OpenedDevice] = ()  # that are stored
            self._states_equipment = False
            self.seals = Seals(self.database, self.run_id, signer=signer)
            self.identity = identity(path)
            self.revived = Revived()
            self._newest = self._newest_ids()
            self.checks_left = MOST_CHECKS
            self._seen = _size_and_time(path)
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

    def is_overwritten(self) -> bool:
        """Return whether another program has changed the file since the last call of ``write``, and destroyed it."""
        if _size_and_time(self.path) in (self._seen, None):
            return False
        try:
            check_recording(self.path)  # first: SQLite deletes the log of an empty file
        except (NotARecordingError, NewerSchemaError):
            return True
        except StorageError:  # it cannot be read now
            return False
        if self.checks_left <= 0:
            return False
        self.checks_left -= 1
        try:
            with closing(sqlite3.connect(self.path)) as fresh:  # this connection has pages of its own in memory
                check_sound(fresh, self.path)
        except (StorageError, UnicodeDecodeError):
            return True
        except sqlite3.DatabaseError as error:
            return not isinstance(error, sqlite3.OperationalError)  # else it cannot be read now
        return False

    def leave_overwritten(self) -> tuple[Path, str]:
        """Close the file that was overwritten; see ``leave_overwritten``."""
        found = leave_overwritten(self.database, self.path)
        self.left = True
        self.lock.release()
        return found

    def leave(self) -> tuple[Path, str]:
        """Close the file that was deleted or moved; see ``leave_displaced``."""
        assert self.identity is not None
        found = leave_displaced(self.database, self.path, self.identity)
        self.left = True
        self.lock.release()
        return found

    def reopened(self) -> "RunFile":
        """Return the file with a new connection: one whose locks or reads failed can stay unusable for ever.

        The old one is closed first: as long as it is open, SQLite shares its locks with the new one. Nothing may be
        written until this has succeeded.

        Where a sync has failed, the transaction can be complete in the write-ahead log all the same: the new connection
        then finds it there, as committed. ``revived`` of the new one tells what must not be written once more.
        """
        self.disconnected = True
        with suppress(sqlite3.Error):
            self.database.close()
        opened = self._opened(self.path, lock=self.lock)
        opened.revived = opened._stored_since(self._newest)
        opened.samples += opened.revived.rows
        return opened

    def continued(self, path: Path, *, samples: int | None = None) -> "RunFile":
        """Return the file in which the run goes on, because this one was deleted, moved or overwritten.

        Args:
            samples: stored so far, and still there; None: all that were stored.
        """
        return self._opened(path, samples=samples)

    def _opened(self, path: Path, *, lock: WriterLock | None = None, samples: int | None = None) -> "RunFile":
        return RunFile(
            path,
            self.run,
            durable=self.durable,
            profile=self.profile,
            samples=self.samples if samples is None else samples,
            lock=lock,
            sealed=self.sealed,
            signer=self.signer,
        )

    def write(self, batches: Sequence[Batch], events: Sequence[Event], wire_log: WireLog | None = None) -> None:
        """Store all of it, or none and raise; and what a log has of the ports."""
        ports = {} if wire_log is None else wire_log.waiting()
        try:
            self._write(batches, events, ports, () if wire_log is None else wire_log.devices)
            if wire_log is not None:
                wire_log.stored(ports)
            self._newest = self._newest_ids()
        finally:
            self._seen = _size_and_time(self.path)

    def _write(
        self,
        batches: Sequence[Batch],
        events: Sequence[Event],
        ports: dict[str, list[KeptTransaction]],
        devices: Sequence[OpenedDevice],
    ) -> None:
        database = self.database
        if self.rollback_pending:
            self._roll_back()
        if len(self.annotations) >= CACHED_ANNOTATIONS:
            self._forget_annotations()  # some are then stored twice, which is correct and costs bytes only
        database.execute("BEGIN IMMEDIATE")
        try:
            count = sum(len(batch.samples) for batch in batches)
            if count:
                self.block_id = self.blocks.next(count, len(self.places))
            found = self._segments(batches)
            for readings in found.values():
                self._insert_readings(readings)
            for event in events:
                insert_event(database, self.run_id, event)
            added = self._devices != devices and self.wires.add_devices(devices)
            if not self._states_equipment:
                added = add_equipment(database, self.run_id, self.run.equipment) or added
            self.wires.insert(ports)
            flushes = self._insert_flush(found, with_events=bool(events or added or ports))
            if flushes and self.sealed and self.seals.active:
                self._seal(flushes, found, ports, with_tables=bool(events) or added)
            database.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._devices, self._states_equipment = devices, True
        self.samples += count
        with suppress(sqlite3.Error):  # the rows are stored: merging is repeated with the next flush
            self.blocks.merge_if_due(len(self.places))
            self.wires.merge()

    def _newest_ids(self) -> tuple[int, int]:
        """Return the ids of the newest flush and of the newest event."""
        found = self.database.execute(
            "SELECT (SELECT coalesce(max(id), 0) FROM flush), (SELECT coalesce(max(id), 0) FROM event)"
        ).fetchone()
        return int(found[0]), int(found[1])

    def _stored_since(self, newest: tuple[int, int]) -> Revived:
        found = self.database.execute(
            "SELECT (SELECT coalesce(sum(rows), 0) FROM flush WHERE id > ?), (SELECT count(*) FROM event WHERE id > ?)",
            newest,
        ).fetchone()
        return Revived(*found)

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        try:
            return beside(self.path, "-wal").stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Finish the run, write the write-ahead log back into the file, and close."""
        if self.disconnected:
            self.lock.release()
            return
        try:
            with suppress(sqlite3.Error):  # no space: the rows are stored, only not as they are read fastest
                self.blocks.merge()
                self.wires.merge(1)
            self.database.execute("BEGIN IMMEDIATE")
            self.overviews.complete(self.places)
            self.database.execute(
                "UPDATE run SET finished_ns = (SELECT max(at_ns) FROM event WHERE run_id = :id) WHERE id = :id",
                {"id": self.run_id},
            )
            self.seals.sign()
            self.database.execute("COMMIT")
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.database.close()
            self.lock.release()

    def _insert_run(self) -> int:
        """Return the id of the run: a new one, or the present one if it is resumed."""
        run, database = self.run, self.database
        known = database.execute("SELECT id FROM run WHERE run = ?", (run.id,)).fetchone()
        if known is not None:
            return int(known[0])
        database.execute("BEGIN IMMEDIATE")
        cursor = database.execute(
            "INSERT INTO run (run, name, started_ns, anchor_ns, rate_hz, host, versions, rig) VALUES (?,?,?,?,?,?,?,?)",
            (
                run.id,
                run.name,
                run.started_ns,
                run.anchor_ns,
                run.rate_hz,
                run.host,
                msgspec.json.encode(run.versions | {"sqlite": sqlite3.sqlite_version}).decode(),
                run.rig,
            ),
        )
        run_id = cursor.lastrowid
        assert run_id is not None
        database.execute("INSERT INTO block (run_id, merged) VALUES (?, 1)", (run_id,))
        database.execute("COMMIT")
        return run_id

    def _segments(self, batches: Sequence[Batch]) -> dict[int, list[ReadingColumns]]:
        """Return the readings of each segment in the order of their keys.

        There are two segments only if the clock was set back since the last flush. The rows of a poll that overran come
        before those of the slots that were skipped meanwhile, and are newer.
        """
        segments: dict[int, dict[int, list[ReadingColumns]]] = {}  # and of each channel, in which time never goes back
        segment = None
        channels: dict[int, list[ReadingColumns]] = {}
        for _, tick, sample in _in_order_of_receipt(batches):
            columns = self._reading_columns(tick, sample)
            if segment != self.places.segment:
                segment = self.places.segment
                channels = segments[segment] = defaultdict(list)
            channels[columns[0]].append(columns)
        return {
            segment: list(chain.from_iterable(channels[channel] for channel in sorted(channels)))
            for segment, channels in segments.items()
        }

    def _insert_readings(self, readings: Sequence[ReadingColumns]) -> None:
        plain: list[object] = []
        others: list[object] = []
        for columns in readings:
            channel, received, n, value, annotation, tick, latency, skew, own = columns
            if annotation is None and own is None:
                plain += (channel, received, n, value, tick, latency, skew)
            else:
                others += columns
        for row, found in ((PLAIN, plain), (READING, others)):
            columns_at_once = INSERTED * row.count("?")
            for at in range(0, len(found), columns_at_once):
                some = found[at : at + columns_at_once]
                rows = [row.format(block=self.block_id)] * (len(some) // row.count("?"))
                self.database.execute(f"INSERT INTO reading VALUES {', '.join(rows)}", some)  # noqa: S608

    def _seal(
        self,
        flushes: Sequence[FlushColumns],
        found: dict[int, list[ReadingColumns]],
        ports: dict[str, list[KeptTransaction]],
        *,
        with_tables: bool,
    ) -> None:
        """Seal what this transaction has added. The channels of a later segment have greater numbers."""
        annotated = self.annotated
        readings = [
            columns if columns[4] is None else (*columns[:4], annotated[columns[4]], *columns[5:])
            for readings in found.values()
            for columns in readings
        ]
        self.seals.seal(flushes, readings, ports, with_tables=with_tables)

    def _reading_columns(self, tick: int | None, sample: Sample) -> ReadingColumns:
        channel, stamp, run = sample.channel, sample.stamp, self.run
        number, text, status, error = content(sample)
        if number == 0.0:
            number = 0.0  # SQLite stores no minus zero
        plain = text is None and status is OK and error is None and not sample.flags and sample.unit == channel.unit
        place = self.places.next(channel, stamp.received_ns)
        return (
            place.channel_id,
            stamp.received_ns,
            place.n,
            number,
            None if plain else self._annotation_id((text, sample.unit, status.value, flags(sample), error)),
            tick,
            stamp.latency_ns,
            stamp.monotonic_ns - run.anchor_ns - (stamp.midpoint_ns - run.started_ns),
            None if stamp.own_ns is None else stamp.own_ns - stamp.received_ns,
        )

    def _complete_overviews(self, newest_ns: int) -> None:
        self.overviews.close(self.places.closed)
        self.places.closed.clear()
        self.overviews.update(self.places, newest_ns)

    def _insert_flush(self, found: dict[int, list[ReadingColumns]], *, with_events: bool) -> list[FlushColumns]:
        """Note what this transaction adds: the range of times in each segment, and the newest event."""
        event_id = None
        if with_events:
            (event_id,) = self.database.execute("SELECT max(id) FROM event").fetchone()
        ranges: list[tuple[int, int | None, int | None, int]] = []
        for segment, readings in found.items():
            times = list(map(itemgetter(1), readings))
            ranges.append((segment, min(times), max(times), len(times)))
            self._complete_overviews(max(times))
        flushes: list[FlushColumns] = []
        for range_ in ranges or ([(self.places.segment, None, None, 0)] if with_events else []):
            columns = self.run_id, *range_, event_id
            cursor = self.database.execute(
                "INSERT INTO flush (run_id, segment, first_ns, last_ns, rows, event_id) VALUES (?, ?, ?, ?, ?, ?)",
                columns,
            )
            assert cursor.lastrowid is not None
            flushes.append((cursor.lastrowid, *columns))
        return flushes

    def _annotation_id(self, columns: Annotation) -> int:
        """Return the id of an annotation: text, unit, status, flags and error, stored once for many readings."""
        number = self.annotations.get(columns)
        if number is None:
            number = self.database.execute(
                "INSERT INTO annotation (text, unit, status, flags, error) VALUES (?, ?, ?, ?, ?) RETURNING id", columns
            ).fetchone()[0]
            self.annotations[columns] = number
            self.annotated[number] = columns
        return number

    def _forget_annotations(self) -> None:
        self.annotations.clear()
        self.annotated.clear()

    def _roll_back(self) -> None:
        """Undo the transaction, and forget the ids it inserted: they do not exist, or will belong to other rows."""
        self.rollback_pending = True  # until it is complete: on a failing disk each of these statements may fail too
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")
        self._forget_annotations()
        self.seals.load()
        self.wires.load()
        self.places.load()
        self.blocks.load()
        self.overviews.forget()
        self.rollback_pending = False


def _in_order_of_receipt(batches: Sequence[Batch]) -> list[tuple[int, int | None, Sample]]:
    """Return when each sample was received (monotonic), its slot, and the sample, in the order of these times.

    What was received at once, as a burst with times of its own, stays together.
    """
    taken: list[tuple[int, int | None, Sample]] = []
    for batch in batches:
        newest, tick = 0, batch.tick
        for sample in batch.samples:
            stamp = sample.stamp
            received = stamp.monotonic_ns + (stamp.latency_ns or 0) // 2
            if stamp.own_ns is not None:
                received = newest = newest or max(each.stamp.monotonic_ns for each in batch.samples)
            taken.append((received, tick, sample))
    taken.sort(key=itemgetter(0))
    return taken


def _size_and_time(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns

"""A corrected recording: a copy in which the rows are what the drivers of today make of the kept bytes.

The recording itself stays as it is. What has no bytes is carried as it was recorded, and derived channels are computed
again from the corrected rows of their inputs. The copy names its source, has its own seals, and gets its name when it
is complete and was verified.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, structs

from riglog.config.rig import parse_rig
from riglog.derived import Deriver
from riglog.errors import RiglogError, StorageError
from riglog.model import Batch, Channel, Sample, Stamp, Status
from riglog.plugin import Registry, installed
from riglog.recordings.new_files import new_file, publish_file
from riglog.recordings.resealing import seal_again
from riglog.recordings.verification import verify
from riglog.rig.kept_bytes import not_kept, refuse_schema_1
from riglog.rig.redecoding import Difference, Place, Redecoded, SetClock, compare_all
from riglog.rig.wires import driver_version
from riglog.sinks.disk import beside
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.overviews import rebuild
from riglog.sinks.sqlite.reader import Database, opened_recording
from riglog.sinks.sqlite.schema import open_database
from riglog.sinks.sqlite.seals import head_of
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, StoredRows
from riglog.sinks.sqlite.writer_lock import WriterLock

CORRECTED = "-corrected"
"""At the end of the id of a run: it is another run than the one that it was made of."""
NOT_DECODED = "no value: the drivers of today do not accept this reply"
NOT_COMPUTED = "no value: an input was corrected, and the formula could not be computed again"
ANNOTATION = "SELECT id FROM annotation WHERE (text, unit, status, flags, error) IS (?, ?, ?, ?, ?)"
UNUSED = "DELETE FROM annotation WHERE id NOT IN (SELECT annotation_id FROM reading WHERE annotation_id IS NOT NULL)"
INPUTS = f"""
SELECT {READING_COLUMNS} FROM channel JOIN series ON series.id = series_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
WHERE channel.run_id = ? ORDER BY channel.segment, reading.received_ns, channel.id, reading.n"""  # noqa: S608


class Corrected(Struct, frozen=True):
    """What was written into the new recording.

    Attributes:
        found: what was compared; ``found.different`` rows were corrected.
        out: the new recording; None: no row is different, so nothing was written.
        carried: rows that are as they were recorded: they have no bytes, or are not different.
        derived: rows of derived channels that were computed again, and are different.
        not_computed: those that have no value now: they could not be computed again.
    """

    found: Redecoded
    out: str | None = None
    carried: int = 0
    derived: int = 0
    not_computed: int = 0


class Source(Struct, frozen=True, omit_defaults=True):
    """Of which recording a run was made, as ``run.source`` has it.

    ``sha256`` of the file, if all of it was in one file; ``head``: its newest seal. ``drivers``: version when it was
    recorded, and version that has decoded it, of each device.
    """

    run: str
    file: str
    sha256: str | None
    head: str | None
    drivers: dict[str, tuple[str | None, str | None]]
    riglog: str | None
    recorded_with: dict[str, str] = {}


async def write_corrected(
    path: str | Path,
    out: str | Path,
    *,
    registry: Registry | None = None,
    on_difference: Callable[[Difference], None] = lambda _: None,
) -> Corrected:
    """Decode the kept bytes of a recording with the drivers of today, and write a corrected recording.

    Raises:
        ConfigError: no bytes were kept in it.
        StorageError: ``out`` exists or cannot be written, another program writes the recording, or the recording is not
            as it was sealed. Nothing was left behind.
        NotARecordingError, NewerSchemaError: the file is something else.
    """
    path, out = Path(path), Path(out)
    with new_file(out, option="--write") as copy:
        _refuse_changed(path)
        with WriterLock(path):
            found = await _write(path, copy, registry or installed(), on_difference)
            if not found.found.different:
                return found
            if not verify(copy).complete:
                raise StorageError("the copy is not as it was sealed", hint="Report this with the recording", path=path)
            publish_file(copy, out)
    return structs.replace(found, out=str(out))


def _refuse_changed(path: Path) -> None:
    with opened_recording(path) as database:
        refuse_schema_1(database)
        if database.execute("SELECT 1 FROM wire LIMIT 1").fetchone() is None:
            raise not_kept("recording")
    if verify(path).changed:
        raise StorageError(
            "the recording is not as it was sealed",
            hint=f"See what was changed: riglog verify {path}. Nothing was written",
            path=path,
        )


async def _write(path: Path, copy: Path, registry: Registry, on_difference: Callable[[Difference], None]) -> Corrected:
    sha256 = None if _has_log(path) else _sha256(path)
    with opened_recording(path) as source, closing(open_database(copy, durable=False)) as target:
        source.backup(target)
        target.execute("BEGIN")
        changes = _Changes(target)
        found = await compare_all(source, registry, on_difference, changes.correct)
        if not found.different:
            target.execute("ROLLBACK")
            return Corrected(found)
        derived = _Derived(source, target, changes, registry, path)
        for run_id, rig in source.execute("SELECT id, rig FROM run ORDER BY id").fetchall():
            derived.compute_again(run_id, rig)
        _name_source(source, target, path, sha256, registry)
        target.execute(UNUSED)
        rebuild(target)
        seal_again(target)
        (rows,) = target.execute("SELECT count(*) FROM reading").fetchone()
        target.execute("COMMIT")
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    carried = rows - found.different - derived.different - derived.not_computed
    return Corrected(found, None, carried, derived.different, derived.not_computed)


def _has_log(path: Path) -> bool:
    log = beside(path, "-wal")
    return log.exists() and log.stat().st_size > 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name_source(source: Database, target: Database, path: Path, sha256: str | None, registry: Registry) -> None:
    head = head_of(source)
    for run_id, run, versions in source.execute("SELECT id, run, versions FROM run").fetchall():
        drivers = {
            name: (then, driver_version(registry.drivers[driver]) if driver in registry.drivers else None)
            for name, driver, then in source.execute(
                "SELECT name, driver, version FROM device WHERE run_id = ? ORDER BY id", (run_id,)
            )
        }
        recorded_with = msgspec.json.decode(versions, type=dict[str, str])
        named = Source(
            run=run,
            file=path.name,
            sha256=sha256,
            head=None if head is None else head.hash,
            drivers=drivers,
            riglog=driver_version(None),
            recorded_with=recorded_with,
        )
        values = {"source": msgspec.json.encode(named).decode(), "run": run + CORRECTED, "id": run_id}
        target.execute("UPDATE run SET source = :source, run = :run WHERE id = :id", values)


class _Changes:
    """Corrects rows in the copy. ``series`` are the channels of each run that have corrected rows."""

    def __init__(self, target: Database) -> None:
        self._target = target
        self._series: dict[int, tuple[int, str]] = {}
        self._annotations: dict[tuple[Any, ...], int] = {}
        self.series: set[tuple[int, str]] = set()

    def correct(self, place: Place, sample: Sample | None) -> None:
        """Store what a row is today."""
        if sample is None:
            self.store(place, None, None, (None, self._unit(place), Status.MISSING.value, "", NOT_DECODED))
        else:
            number, text, status, error = content(sample)
            unit = sample.unit
            plain = status is Status.OK and text is None and error is None and not sample.flags
            plain = plain and unit == self._unit(place)
            self.store(place, number, sample.stamp, None if plain else (text, unit, status.value, flags(sample), error))
        self.series.add(self._name(place.channel_id))

    def store(self, place: Place, number: float | None, stamp: Stamp | None, annotation: Any) -> None:
        """Store the content of a row; and its times, if it was made after a reply that was refused."""
        if number == 0.0:
            number = 0.0  # SQLite stores no minus zero
        where = {"channel": place.channel_id, "at": place.received_ns, "n": place.n}
        at = "block_id IN (SELECT id FROM block WHERE run_id = (SELECT run_id FROM channel WHERE id = :channel))"
        at += " AND (channel_id, received_ns, n) = (:channel, :at, :n)"
        values = {"value": number, "annotation": None if annotation is None else self._annotation(annotation)}
        self._target.execute(
            f"UPDATE reading SET value = :value, annotation_id = :annotation WHERE {at}",  # noqa: S608 - constants
            where | values,
        )
        if stamp is not None and stamp.received_ns != place.received_ns:
            times = {"received": stamp.received_ns, "latency": stamp.latency_ns}
            self._target.execute(
                f"UPDATE OR IGNORE reading SET received_ns = :received, n = 0, latency_ns = :latency WHERE {at}",  # noqa: S608
                where | times,
            )

    def _annotation(self, columns: tuple[Any, ...]) -> int:
        number = self._annotations.get(columns)
        if number is None:
            known = self._target.execute(ANNOTATION, columns).fetchone()
            if known is None:
                insert = "INSERT INTO annotation (text, unit, status, flags, error) VALUES (?, ?, ?, ?, ?) RETURNING id"
                known = self._target.execute(insert, columns).fetchone()
            number = self._annotations[columns] = int(known[0])
        return number

    def _unit(self, place: Place) -> str | None:
        found = self._target.execute("SELECT unit FROM channel WHERE id = ?", (place.channel_id,)).fetchone()
        return None if found is None else found[0]

    def _name(self, channel: int) -> tuple[int, str]:
        if channel not in self._series:
            select = (
                "SELECT run_id, device, parameter, instance FROM channel JOIN series ON series.id = series_id"
                " WHERE channel.id = ?"
            )
            run, device, parameter, instance = self._target.execute(select, (channel,)).fetchone()
            self._series[channel] = run, _text(device, parameter, instance)
        return self._series[channel]


def _text(device: str, parameter: str, instance: int) -> str:
    return f"{device}.{parameter}[{instance}]" if instance != 1 else f"{device}.{parameter}"


class _Computed(NamedTuple):
    """A row that a formula gives."""

    number: float | None
    text: str | None
    unit: str | None
    status: str
    flags: str
    error: str | None


Results = dict[tuple[str, int], _Computed]
"""By channel and slot; without slots, by time of receipt."""


class _Derived:
    """Computes the derived channels of a run again, of the rows as they were recorded and as they are now.

    What does not give again what was recorded (a run that was resumed, a window that had begun before) is not replaced
    by another guess: such a row has no value if its inputs were corrected.
    """

    def __init__(self, source: Database, target: Database, changes: _Changes, registry: Registry, path: Path) -> None:
        self._source = source
        self._target = target
        self._changes = changes
        self._registry = registry
        self._path = path
        self.different = self.not_computed = 0

    def compute_again(self, run_id: int, rig: str | None) -> None:
        affected = self._affected(run_id)
        if not affected:
            return
        try:
            config = parse_rig(rig or "", self._path, registry=self._registry, out=self._path)
            derived = config.derived
        except (RiglogError, ExceptionGroup, ValueError):
            derived = ()
        before: Results = {}
        now: Results = {}
        if derived:
            inputs = {name for each in derived for name in each.formula.inputs}
            before = _results(self._source, Deriver(derived, clock := SetClock()), clock, run_id, inputs)
            now = _results(self._target, Deriver(derived, clock := SetClock()), clock, run_id, inputs)
        row = StoredRows(self._source).row
        for reading in self._source.execute(INPUTS, (run_id,)).fetchall():
            one = row(reading)
            name = _text(one.device, one.parameter, one.instance)
            if one.driver != "derived" or name not in affected:
                continue
            key = name, reading[0] if one.tick is None else one.tick
            was, new = before.get(key), now.get(key)
            stored = _Computed(one.value, one.text, one.unit, one.status, one.flags, one.error)
            if was == new and was is not None:
                continue
            place = Place(reading[2], *reading[:2])
            if was == stored and new is not None:
                self.different += 1
                self._changes.store(place, new.number, None, new[1:])
            elif one.value is not None:
                self.not_computed += 1
                missing = None, one.unit, Status.MISSING.value, "", NOT_COMPUTED
                self._changes.store(place, None, None, missing)

    def _affected(self, run_id: int) -> set[str]:
        """Return the derived channels that need a channel with corrected rows, also through others."""
        known = {
            _text(*name): msgspec.json.decode(inputs or "[]", type=list[str])
            for *name, inputs in self._source.execute(
                "SELECT device, parameter, instance, inputs FROM derived JOIN channel ON channel.id = channel_id"
                " JOIN series ON series.id = series_id WHERE run_id = ?",
                (run_id,),
            )
        }
        changed = {name for run, name in self._changes.series if run == run_id}
        affected: set[str] = set()
        while more := {name for name, needs in known.items() if changed.intersection(needs)} - affected:
            affected |= more
            changed |= more
        return affected


def _results(database: Database, deriver: Deriver, clock: SetClock, run_id: int, inputs: set[str]) -> Results:
    """Return what the formulas give for the rows of a run, as they are in a file."""
    found: Results = {}

    def note(batches: Any) -> None:
        for batch in batches:
            for sample in batch.samples:
                if sample.channel.formula is not None:
                    number, text, status, error = content(sample)
                    key = str(sample.channel), sample.stamp.received_ns if batch.tick is None else batch.tick
                    found[key] = _Computed(number, text, sample.unit, status.value, flags(sample), error)

    for batch, now_ns in _batches(database, run_id, inputs):
        clock.now_ns = now_ns
        note(deriver.late())
        note(deriver.derive(batch))
    note(deriver.rest())
    return found


def _batches(database: Database, run_id: int, inputs: set[str]) -> Iterator[tuple[Batch, int]]:
    row = StoredRows(database).row
    channels: dict[int, Channel | None] = {}

    def samples() -> Iterator[tuple[int | None, str, Sample]]:
        for reading in database.execute(INPUTS, (run_id,)):
            received_ns, _, number, *_, latency, _, own = reading
            channel = channels.get(number)
            if channel is None and number in channels:
                continue
            one = row(reading)
            if channel is None:
                channel = Channel(
                    device=one.device,
                    driver=one.driver,
                    protocol=one.protocol,
                    address=one.address,
                    parameter=one.parameter,
                    instance=one.instance,
                )
                channels[number] = channel if one.driver != "derived" and str(channel) in inputs else None
                if channels[number] is None:
                    continue
            yield (
                one.tick,
                one.device,
                Sample(
                    channel=channel,
                    stamp=Stamp(received_ns, latency, one.monotonic_ns, own),
                    value=one.value,
                    text=one.text,
                    unit=one.unit,
                    status=Status(one.status),
                    flags=tuple(one.flags.split()),
                    error=one.error,
                ),
            )

    for (tick, device), group in groupby(samples(), key=lambda each: each[:2]):
        batch = Batch(device, tick, [sample for *_, sample in group])
        newest = batch.samples[-1].stamp
        yield batch, newest.monotonic_ns + (newest.latency_ns or 0) // 2

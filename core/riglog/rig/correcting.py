"""A corrected recording: a copy in which the rows are what the drivers of today make of the kept bytes.

The recording itself stays as it is. What has no bytes is carried as it was recorded, and derived channels are computed
again from the corrected rows of their inputs. The copy names its source, has its own seals, and gets its name when it
is complete and was verified.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from riglog.errors import StorageError
from riglog.plugin import Registry, installed
from riglog.recordings.new_files import new_file, publish_file
from riglog.recordings.resealing import seal_again
from riglog.recordings.verification import verify
from riglog.rig.computing_again import DerivedAgain
from riglog.rig.corrections import Changes
from riglog.rig.kept_bytes import not_kept, refuse_schema_1
from riglog.rig.redecoding import Difference, Redecoded, compare_all
from riglog.rig.wires import driver_version
from riglog.sinks.disk import beside
from riglog.sinks.sqlite.overviews import rebuild
from riglog.sinks.sqlite.reader import Database, opened_recording
from riglog.sinks.sqlite.schema import open_database
from riglog.sinks.sqlite.seals import head_of
from riglog.sinks.sqlite.writer_lock import WriterLock

CORRECTED = "-corrected"
"""At the end of the id of a run: it is another run than the one that it was made of."""
UNUSED = "DELETE FROM annotation WHERE id NOT IN (SELECT annotation_id FROM reading WHERE annotation_id IS NOT NULL)"


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
        changes = Changes(target)
        found = await compare_all(source, registry, on_difference, changes.correct)
        if not found.different:
            target.execute("ROLLBACK")
            return Corrected(found)
        derived = DerivedAgain(source, target, changes, registry, path)
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

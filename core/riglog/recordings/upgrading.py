"""``upgrade``: a recording of an earlier schema, copied into a new file of the present one and compared row by row.

The old file is not changed. The new one gets its name when it is complete and was compared, so that there is never half
of it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

from msgspec import Struct

from riglog.errors import ConfigError, StorageError
from riglog.recordings.new_files import new_file, publish_file
from riglog.recordings.reading import read
from riglog.recordings.salvaging import salvage
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import read_events
from riglog.sinks.sqlite.schema import check_recording
from riglog.sinks.sqlite.tables import SCHEMA_VERSION
from riglog.sinks.sqlite.writer_lock import WriterLock


class Upgraded(Struct, frozen=True):
    """What was copied into the new file ``out``, and compared with the old one."""

    out: str
    rows: int
    events: int
    runs: int


def upgrade(path: str | Path, out: str | Path | None = None) -> Upgraded:
    """Copy a recording of an earlier schema into a new file. Blocking.

    Args:
        out: the new file; default: ``NAME-schema-2.sqlite`` in the folder of the old one.

    Raises:
        ConfigError: the recording has the present schema already.
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: ``out`` exists or cannot be written, another program writes the recording, it is damaged, or the
            copy is not equal to it. Nothing was left behind.
    """
    path = Path(path)
    target = path.with_name(f"{path.stem}-schema-{SCHEMA_VERSION}.sqlite") if out is None else Path(out)
    if check_recording(path) == SCHEMA_VERSION:
        raise ConfigError(f"the recording has schema {SCHEMA_VERSION} already", hint="Use it as it is", path=path)
    with new_file(target) as copy, WriterLock(path):
        found = salvage(path, copy)
        if not found.complete:
            hint = f"Save what can be read: riglog salvage {path} --out NEW.sqlite. The file was not modified"
            raise StorageError("recording is damaged", hint=hint, path=path)
        _compare(path, copy)
        publish_file(copy, target)
    return Upgraded(str(target), found.rows, found.events, found.runs)


def _compare(old: Path, new: Path) -> None:
    """Compare all rows and events of two recordings.

    Raises:
        StorageError: they differ.
    """
    if not _equal_rows(read(old), read(new)) or list(read_events(old)) != list(read_events(new)):
        hint = "Keep the old file, and report this with it: it can be read as before"
        raise StorageError("the copy differs from the recording", hint=hint, path=old)


def _equal_rows(old: Iterable[Row], new: Iterable[Row]) -> bool:
    """Return whether each channel of each run has the same rows in the same order.

    Between channels the order may differ: the present schema returns rows in the order of their times. Only rows whose
    counterpart has not been read yet are kept in memory.
    """
    waiting: dict[tuple[str | None, str, str, int], deque[tuple[bool, Row]]] = defaultdict(deque)
    for pair in zip_longest(old, new):
        for is_new, row in enumerate(pair):
            if row is None:
                continue
            others = waiting[row.run, row.device, row.parameter, row.instance]
            if others and others[0][0] != bool(is_new):
                if others.popleft()[1] != row:
                    return False
            else:
                others.append((bool(is_new), row))
    return not any(waiting.values())

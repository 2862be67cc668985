"""The events of a recording, oldest first."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from riglog.sinks.sqlite.reader import open_to_read


class EventRow(Struct, frozen=True):
    """A row of the view ``events``; ``at`` is ISO 8601, UTC."""

    run: str
    at: str
    kind: str
    device: str | None
    port: str | None
    message: str


def read_events(path: str | Path, *, run: str | None = None) -> Iterator[EventRow]:
    """The events of an SQLite recording.

    Args:
        run: only those of the run of that id.
    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    with closing(open_to_read(Path(path))) as database:
        for row in database.execute(
            "SELECT run, at, kind, device, port, message FROM events WHERE ?1 IS NULL OR run = ?1 ORDER BY at", (run,)
        ):
            yield EventRow(*row)

"""``riglog.read``: the rows of a recording, one by one or as a table."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import structs

from riglog.errors import ConfigError, error_context
from riglog.log import get_logger
from riglog.recordings.selection import Moment, Selection, check_selection
from riglog.sinks.arrow import arrow_schema, pyarrow, record_batch
from riglog.sinks.base import Damage
from riglog.sinks.formats import format_of
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import SQLITE_FORMAT, open_recording
from riglog.sinks.sqlite.recorded import PAGE_ROWS, recorded
from riglog.sinks.sqlite.schema import sqlite_errors

log = get_logger("riglog.recordings")


class Rows:
    """The rows of a recording, oldest first. Can be iterated repeatedly; memory does not grow with the recording.

    ``damage.lines`` is the number of damaged lines of a text file that were skipped by the last iteration.
    """

    def __init__(self, pages: Callable[[Damage], Iterator[list[Row]]]) -> None:
        self._read = pages
        self.damage = Damage()

    def _pages(self) -> Iterator[list[Row]]:
        self.damage = damage = Damage()
        yield from self._read(damage)
        if damage.lines:
            log.warning(
                "%d damaged lines skipped: a power failure or another program has changed the file", damage.lines
            )

    def __iter__(self) -> Iterator[Row]:
        for page in self._pages():
            yield from page

    def batches(self) -> Iterator[Any]:
        """Return the rows as Arrow record batches of some thousand rows.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        for page in self._pages():
            yield record_batch([structs.astuple(row) for row in page])

    def table(self) -> Any:
        """Return all rows as one ``pyarrow.Table``, for ``.to_pandas()`` or ``polars.from_arrow``.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        return pyarrow().Table.from_batches(self.batches(), arrow_schema())


def read(
    path: str | Path,
    *,
    run: str | None = None,
    device: str | None = None,
    parameter: str | None = None,
    start: Moment = None,
    end: Moment = None,
) -> Rows:
    """Return the rows of a recording: an SQLite, CSV, JSON Lines or Parquet file, or a folder of Parquet files.

    Args:
        run: only the run with this id, or the runs with this name.
        device, parameter: only those of this device or parameter.
        start, end: only rows received at ``start`` or later and before ``end``; ISO 8601 or datetime, UTC if they have
            no time zone.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: it cannot be read.
        ConfigError: an invalid time; a run, device or parameter that is not in it; a selection from a recording that
            is not SQLite.
    """
    path = Path(path)
    selection = Selection(run, device, parameter, start, end)
    selection.condition("")  # an invalid time is refused before anything is opened
    format = format_of(path)
    if format is SQLITE_FORMAT:
        with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
            check_selection(selection, database)  # so that errors are raised here, not at the first row
        return Rows(lambda damage: _selected_pages(path, selection))
    if selection:
        raise ConfigError(
            "selecting rows is only supported for SQLite recordings", hint="Read all rows and filter them", path=path
        )
    return Rows(lambda damage: _pages(format.read(path, damage)))


def _selected_pages(path: Path, selection: Selection) -> Iterator[list[Row]]:
    with closing(open_recording(path)) as database, sqlite_errors(path):
        for page in recorded(database).pages(selection):
            yield page.rows


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while page := list(islice(rows, PAGE_ROWS)):
        yield page

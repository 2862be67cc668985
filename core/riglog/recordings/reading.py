"""``riglog.read``: the rows of a recording, one after the other or as a table."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import structs

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.recordings.selection import Moment, Selection
from riglog.sinks.arrow import arrow_schema, pyarrow, record_batch
from riglog.sinks.csv import CsvSink, read_csv
from riglog.sinks.jsonl import is_row, read_jsonl
from riglog.sinks.parquet import read_parquet
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import PAGE_ROWS, open_to_read, read_pages
from riglog.sinks.sqlite.schema import HEADER
from riglog.sinks.text_files import first_line


class Rows:
    """The rows of a recording, oldest first. Can be gone through again and again; memory does not grow with it."""

    def __init__(self, pages: Callable[[], Iterator[list[Row]]]) -> None:
        self._pages = pages

    def __iter__(self) -> Iterator[Row]:
        for page in self._pages():
            yield from page

    def batches(self) -> Iterator[Any]:
        """The rows as Arrow record batches of some thousand rows.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        for page in self._pages():
            yield record_batch([structs.astuple(row) for row in page])

    def table(self) -> Any:
        """All rows as one ``pyarrow.Table``, for ``.to_pandas()`` or ``polars.from_arrow``.

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
    """The rows of a recording of any kind: SQLite, CSV, JSON lines, Parquet file or folder.

    Args:
        run: only the run of that id, or the runs of that name.
        start, end: only what was received at ``start`` or later and before ``end``; ISO 8601 or datetime, UTC if
            they say no zone. Only SQLite recordings can be asked for a part.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: it cannot be read.
        ConfigError: a time makes no sense, or a part is asked of a file that is not SQLite.
    """
    path = Path(path)
    selection = Selection(run, device, parameter, start, end)
    where, values = selection.condition()
    other = _other_reader(path)
    if other is None:
        open_to_read(path).close()
        return Rows(lambda: _sqlite_pages(path, where, values))
    if where:
        raise ConfigError("only an SQLite recording can be read in part", hint="choose among the rows", path=path)
    return Rows(lambda: _chunks(other(path)))


def _other_reader(path: Path) -> Callable[[Path], Iterator[Row]] | None:
    """How to read a file, by what it begins with; None for SQLite."""
    if path.is_dir():
        return read_parquet
    try:
        first = first_line(path)
    except FileNotFoundError:
        raise StorageError("there is no such file", hint="check the path", path=path) from None
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", hint="check the permissions", path=path) from error
    if first.startswith(HEADER.rstrip(b"\0")):
        return None
    if first + b"\n" == CsvSink.head:
        return read_csv
    if is_row(first):
        return read_jsonl
    if first.startswith(b"PAR1"):
        return read_parquet
    raise NotARecordingError("this is no recording", hint="riglog reads SQLite, CSV, JSON lines and Parquet", path=path)


def _sqlite_pages(path: Path, where: str, values: list[object]) -> Iterator[list[Row]]:
    with closing(open_to_read(path)) as database:
        for page in read_pages(database, where, values):
            yield [row for _, row in page]


def _chunks(found: Iterator[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for row in found:
        chunk.append(row)
        if len(chunk) == PAGE_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

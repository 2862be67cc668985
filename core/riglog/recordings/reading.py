"""``riglog.read``: the rows of a recording, one by one or as a table."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from riglog.errors import ConfigError, StorageError
from riglog.log import get_logger
from riglog.recordings.corrected import CORRECTED_ROW, CorrectedRow, Corrections
from riglog.recordings.overview import Bucket, overview, overview_of_rows
from riglog.recordings.selection import Moment, Selection, check_selection
from riglog.recordings.several import of_each
from riglog.recordings.wide import check_interval, column_name, layout, refuse_wide_corrected, wide_records
from riglog.sinks.arrow import arrow_schema, pyarrow, record_batch
from riglog.sinks.base import Damage
from riglog.sinks.formats import format_of
from riglog.sinks.optional_dependencies import import_optional
from riglog.sinks.rows import ROW, Row
from riglog.sinks.sqlite.reader import SQLITE_FORMAT, opened_recording
from riglog.sinks.sqlite.recorded import PAGE_ROWS, nanoseconds, recorded
from riglog.sinks.sqlite.schema import check_recording
from riglog.sinks.sqlite.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from riglog.recordings.charts.chart import Chart
    from riglog.recordings.charts.picture import Picture

log = get_logger("riglog.recordings")


class Rows:
    """The rows of a recording, oldest first. Can be iterated repeatedly; memory does not grow with the recording.

    ``damage.lines`` is the number of damaged lines of a text file that were skipped by the last iteration.
    """

    def __init__(
        self,
        pages: Callable[[Damage], Iterator[list[Row]]],
        path: Path,
        selection: Selection | None = None,
        *,
        charted: tuple[Sequence[Path], Selection] | None = None,
        others: Sequence[Path] = (),
    ) -> None:
        self._others = others  # files of the same recording
        self._read = pages
        self._path = path
        self._selection = selection  # of an SQLite recording
        self._charted = charted  # SQLite files whose charts need not all of their rows
        self.damage = Damage()

    def __repr__(self) -> str:
        return f"<Rows of {self._path}; iterate, or use to_pandas(), to_polars(), to_numpy()>"

    def pages(self, damage: Damage) -> Iterator[list[Row]]:
        """Return the rows in lists of some thousand; what cannot be read is counted."""
        return self._read(damage)

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

    def corrected(self) -> Iterator[CorrectedRow]:
        """Return the rows with their corrected values, as the view ``corrected`` of the file has them.

        Raises:
            ConfigError: a recording that is not SQLite.
            StorageError: it cannot be read.
        """
        corrections = Corrections([self._path, *self._others])
        for row in self:
            yield corrections.row(row)

    def overview(self, start: Moment = None, end: Moment = None, buckets: int = 1000) -> list[Bucket]:
        """Return each channel in at most so many buckets of time: rows, count, low, high, mean, first and last.

        In an SQLite recording the cost of buckets of a minute and more depends on their number, not on the number of
        rows. Every bucket begins at a multiple of its width, which is a round number of seconds, minutes or hours.

        Args:
            start, end: from when to when, as for ``read``; default: those of the selection, else all of it.

        Raises:
            ConfigError: an invalid time or number of buckets.
            StorageError: the recording cannot be read.
        """
        selection = self._selection or Selection()
        selection = structs.replace(
            selection,
            start=selection.start if start is None else start,
            end=selection.end if end is None else end,
        )
        if self._selection is not None:
            return overview(self._path, selection, buckets)
        first, last = selection.start_ns, selection.end_ns
        timed = ((nanoseconds(row.received_at), row) for row in self)
        return overview_of_rows(
            (row for at, row in timed if (first is None or at >= first) and (last is None or at < last)),
            selection,
            buckets,
        )

    def batches(self, *, corrected: bool = False) -> Iterator[Any]:
        """Return the rows as Arrow record batches of some thousand rows; ``corrected``: with the columns behind.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        corrections = Corrections([self._path, *self._others]) if corrected else None
        for page in self._pages():
            if corrections is None:
                yield record_batch([structs.astuple(row) for row in page])
            else:
                yield record_batch([structs.astuple(corrections.row(row)) for row in page], CORRECTED_ROW)

    def table(self, *, wide: bool = False, every: float | None = None, corrected: bool = False) -> Any:
        """Return the rows as one ``pyarrow.Table``.

        Args:
            wide: one row per slot, one column per channel, named ``device.parameter[instance] [unit]``. If the channels
                have different rates, or with ``every``, a row covers so many seconds since the start of the run, and
                holds the last value of each channel. Nothing is filled in. Only of SQLite recordings.
            corrected: with the columns of ``corrected`` behind those of the row; not with ``wide``.

        Raises:
            ConfigError: pyarrow is not installed; ``wide`` of another format; ``every`` without ``wide``.
        """
        check_interval(wide, every)
        if not wide:
            columns = CORRECTED_ROW if corrected else ROW
            return pyarrow().Table.from_batches(self.batches(corrected=corrected), arrow_schema(columns))
        refuse_wide_corrected(corrected)
        if self._selection is None:
            hint = "Record into SQLite, or read the rows and arrange them"
            raise ConfigError("wide tables are only supported for SQLite recordings", hint=hint, path=self._path)
        with opened_recording(self._path) as database:
            found = recorded(database)
            shape = layout(found, self._selection, every)
            pages = wide_records(found, self._selection, shape)
            batches = [record_batch(records, shape.columns) for _, records in pages]
        return pyarrow().Table.from_batches(batches, arrow_schema(shape.columns))

    def to_pandas(self, *, wide: bool = False, every: float | None = None, corrected: bool = False) -> Any:
        """Return ``table`` as a ``pandas.DataFrame``; times have the zone UTC, and a missing value is NaN.

        Raises:
            ConfigError: as for ``table``; pandas is not installed.
        """
        import_optional("pandas", "pandas")
        return self.table(wide=wide, every=every, corrected=corrected).to_pandas()

    def to_polars(self, *, wide: bool = False, every: float | None = None, corrected: bool = False) -> Any:
        """Return ``table`` as a ``polars.DataFrame``; times have the zone UTC, and a missing value is null.

        Raises:
            ConfigError: as for ``table``; polars is not installed.
        """
        polars = import_optional("polars", "polars")
        return polars.from_arrow(self.table(wide=wide, every=every, corrected=corrected))

    def to_numpy(self) -> dict[str, Any]:
        """Return one structured array for each channel and unit, named ``device.parameter[instance] [unit]``.

        Each array has the fields ``time`` (``received_at``, datetime64[us], UTC) and ``value`` (float64, NaN where
        there is no number), oldest first. A channel is in it under each unit in which it has rows.

        Raises:
            ConfigError: numpy is not installed.
        """
        numpy = import_optional("numpy", "numpy")
        columns: dict[str, list[tuple[str, float]]] = {}
        for row in self:
            name = column_name(f"{row.device}.{row.parameter}[{row.instance}]", row.unit)
            value = math.nan if row.value is None else row.value
            columns.setdefault(name, []).append((row.received_at.removesuffix("Z"), value))
        kinds = [("time", "datetime64[us]"), ("value", "float64")]
        return {name: numpy.array(values, dtype=kinds) for name, values in columns.items()}

    def plot(
        self,
        out: str | Path | None = None,
        *,
        channels: Sequence[str] = (),
        compare: tuple[str, str] | None = None,
        align: str | None = None,
        overwrite: bool = False,
    ) -> "Picture":
        """Return a picture of the rows: one panel per unit, with gaps, notes, events and alarms, in local time.

        A long time is drawn in buckets of about a pixel: the band from lowest to highest value, and the mean.

        Args:
            out: also write it into this file: ``.png``, ``.svg`` or ``.pdf``.
            channels: only those that match one of these patterns, such as ``oven.*``.
            compare: two runs (ids, or names: then the latest run of the name) over the time since their start.
            align: with ``compare``: since the first event of this kind, such as ``alarm_raised`` or ``note:door``.
            overwrite: replace an earlier picture in the same format at ``out``; nothing else is ever replaced.

        Raises:
            ConfigError: matplotlib is not installed; a channel, run or event that is not in the recording.
            StorageError: the recording cannot be read, or ``out`` cannot be written, or exists.
        """
        from riglog.recordings.charts.picture import check_picture, draw

        if out is not None:
            check_picture(out, overwrite=overwrite)
        picture = draw(self.chart(channels=channels, compare=compare, align=align))
        if out is not None:
            picture.save(out, overwrite=overwrite)
        return picture

    def chart(
        self,
        *,
        channels: Sequence[str] = (),
        last_s: float | None = None,
        compare: tuple[str, str] | None = None,
        align: str | None = None,
        buckets: int | None = None,
    ) -> "Chart":
        """Return what ``plot`` draws: panels with lines as lists of numbers.

        Args:
            last_s: only so many seconds before the last row.
            buckets: at most so many buckets of time; default: about as many as a picture has pixels.
        """
        from riglog.recordings.charts.chart import Wanted, chart, chart_of_rows, compared

        if align is not None and compare is None:
            raise ConfigError("--align needs --compare", hint="Name two runs: --compare RUN RUN")
        files, selection = self._charted or ((), Selection())
        wanted = Wanted(selection, tuple(channels), last_s, buckets)
        if compare is not None and files:
            return compared(files, wanted, compare, align)
        if compare is not None:
            hint = "Give SQLite recordings with both runs"
            raise ConfigError("--compare needs SQLite recordings", hint=hint, path=self._path)
        if files:
            return chart(files, wanted)
        return chart_of_rows(self, wanted, self._path.name)

    def _repr_png_(self) -> bytes | None:
        """Return a picture for a notebook; None without matplotlib, and if there is nothing to draw."""
        try:
            return self.plot().content("png")
        except (ConfigError, StorageError):
            return None


def read(
    path: str | Path | Sequence[str | Path],
    *,
    run: str | None = None,
    device: str | None = None,
    parameter: str | None = None,
    start: Moment = None,
    end: Moment = None,
) -> Rows:
    """Return the rows of a recording: an SQLite, CSV, JSON Lines or Parquet file, or a folder of Parquet files.

    Args:
        path: a recording, or several, such as those of a rotation; they are read in the order of their first rows.
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
    if not isinstance(path, (str, Path)):
        return _read_all(path, run=run, device=device, parameter=parameter, start=start, end=end)
    path = Path(path)
    selection = Selection(run, device, parameter, start, end)
    selection.condition("")  # an invalid time is refused before anything is opened
    format = format_of(path)
    if format is SQLITE_FORMAT:
        with opened_recording(path) as database:
            check_selection(selection, database)  # so that errors are raised here, not at the first row
        return Rows(lambda damage: _selected_pages(path, selection), path, selection, charted=((path,), selection))
    if selection:
        raise ConfigError(
            "selecting rows is only supported for SQLite recordings", hint="Read all rows and filter them", path=path
        )
    return Rows(lambda damage: _pages(format.read(path, damage)), path)


def _read_all(
    paths: Sequence[str | Path],
    *,
    run: str | None,
    device: str | None,
    parameter: str | None,
    start: Moment,
    end: Moment,
) -> Rows:
    """Return the rows of several recordings. A name must be in one of them."""
    selection = Selection(run, device, parameter, start, end)
    found = of_each(paths, lambda path: read(path, run=run, device=device, parameter=parameter, start=start, end=end))
    begins = {rows: next((row.received_at for row in rows), "") for rows in found}
    found.sort(key=begins.__getitem__)

    def pages(damage: Damage) -> Iterator[list[Row]]:
        for rows in found:
            yield from rows.pages(damage)

    files = [Path(path) for path in paths]
    charted = (files, selection) if all(_is_schema_2(path) for path in files) else None
    return Rows(pages, files[0], charted=charted, others=files[1:])


def _is_schema_2(path: Path) -> bool:
    if format_of(path) is not SQLITE_FORMAT or not path.stat().st_size:  # an empty file is a recording without rows
        return False
    return check_recording(path) == SCHEMA_VERSION


def _selected_pages(path: Path, selection: Selection) -> Iterator[list[Row]]:
    with opened_recording(path) as database:
        for page in recorded(database).pages(selection):
            yield page.rows


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Return rows in lists; if the recording is damaged, also those before the damage come."""
    damaged: StorageError | None = None
    while damaged is None:
        page: list[Row] = []
        try:
            page.extend(islice(rows, PAGE_ROWS))
        except StorageError as error:
            damaged = error
        if page:
            yield page
        elif damaged is None:
            return
    raise damaged

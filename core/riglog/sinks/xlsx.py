"""Excel workbooks, for exports: numbers as numbers, times as dates, texts never as formulas."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from riglog.errors import ConfigError, NotARecordingError
from riglog.sinks.base import Damage, Format, Records, RecordWriter
from riglog.sinks.optional_dependencies import import_optional
from riglog.sinks.rows import Columns, Kind, Row

SHEET_ROWS = 1_048_576
"""What a sheet can hold, with the names of the columns; further rows are on a further sheet."""
SHEET_COLUMNS = 16_384
CELL_CHARACTERS = 32_767
EXACT = 10**15
"""A spreadsheet keeps fifteen digits: a longer integer is written as a text."""
DATES = "yyyy-mm-dd hh:mm:ss.000"
MARK = "riglog export"


class _Exact(float):
    """A number with all its digits: xlsxwriter formats numbers with sixteen, and a value can need seventeen."""

    def __format__(self, specification: str) -> str:
        return float.__repr__(self)


class XlsxWriter(RecordWriter):
    """Exports to a workbook, row by row: the memory used does not depend on their number.

    A date of a spreadsheet has no time zone: the column ``utc_offset`` has that of local times.
    """

    def __init__(self, file: BinaryIO, columns: Columns, *, marked: bool = False) -> None:
        if len(columns) >= SHEET_COLUMNS:
            raise ConfigError(
                f"{len(columns)} columns do not fit into a workbook", hint="Export fewer channels, or to Parquet"
            )
        module = import_optional("xlsxwriter", "xlsx")
        self._folder = tempfile.mkdtemp(prefix="riglog-")
        options = {
            "tmpdir": self._folder,
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "remove_timezone": True,
            "default_date_format": DATES,
        }
        self._book = module.Workbook(file, options)
        self._book.use_zip64()
        if marked:
            self._book.set_properties({"comments": MARK})
        self._columns = columns
        self._sheet: Any = None
        self._next = 0
        self._begin_sheet()

    def write(self, records: Records) -> None:
        for record in records:
            if self._next >= SHEET_ROWS:
                self._begin_sheet()
            for place, (column, cell) in enumerate(zip(self._columns, record, strict=True)):
                if cell is not None:
                    self._write_cell(place, column.kind, cell)
            self._next += 1

    def close(self) -> None:
        self._book.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        for sheet in self._book.worksheets():
            sheet.row_data_fh.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin_sheet(self) -> None:
        number = len(self._book.worksheets()) + 1
        self._sheet = self._book.add_worksheet("rows" if number == 1 else f"rows {number}")
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            if column.kind is Kind.TIME:
                self._sheet.set_column(place, place, len(DATES))
            self._sheet.write_string(0, place, column.name)
        self._next = 1

    def _write_cell(self, place: int, kind: Kind, cell: Any) -> None:
        if kind is Kind.TIME:
            moment = datetime.fromisoformat(cell)
            self._sheet.write_datetime(self._next, place, moment)
        elif isinstance(cell, float) or (isinstance(cell, int) and abs(cell) < EXACT):
            self._sheet.write_number(self._next, place, _Exact(cell))
        else:
            self._write_text(place, str(cell))

    def _write_text(self, place: int, text: str) -> None:
        if len(text) > CELL_CHARACTERS:
            raise ConfigError(
                f"a text of {len(text)} characters does not fit into a cell", hint="Export to CSV or Parquet instead"
            )
        self._sheet.write_string(self._next, place, text)


def is_export(path: Path) -> bool:
    """Return True if XlsxWriter wrote and marked the file."""
    try:
        with zipfile.ZipFile(path) as book:
            return MARK.encode() in book.read("docProps/core.xml")
    except (OSError, KeyError, zipfile.BadZipFile):
        return False


def _not_read(path: Path, damage: Damage) -> Iterator[Row]:
    raise NotARecordingError(
        "this is an Excel workbook or another archive, which cannot be read back",
        hint="Give the recording from which it was made",
        path=path,
    )


XLSX_FORMAT = Format("xlsx", lambda first: first.startswith(b"PK\3\4"), _not_read, XlsxWriter, is_export)
"""It can be written only; reading names the reason."""

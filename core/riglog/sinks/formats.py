"""All formats of recordings: the only list of them. Each is defined in the file of its sink."""

from pathlib import Path

from riglog.errors import ConfigError, NotARecordingError
from riglog.sinks.base import Format, RecordWriter
from riglog.sinks.csv import CSV_FORMAT
from riglog.sinks.files import first_line, is_blank
from riglog.sinks.jsonl import JSONL_FORMAT
from riglog.sinks.netcdf import NETCDF_FORMAT
from riglog.sinks.other_files import refuse_known_files
from riglog.sinks.parquet import PARQUET_FORMAT
from riglog.sinks.parquet_parts import is_parquet_folder
from riglog.sinks.sqlite.reader import SQLITE_FORMAT
from riglog.sinks.xlsx import XLSX_FORMAT

FORMATS = (SQLITE_FORMAT, CSV_FORMAT, JSONL_FORMAT, PARQUET_FORMAT, XLSX_FORMAT, NETCDF_FORMAT)
EXPORT_FORMATS = {format.name: format.writer for format in FORMATS if format.writer is not None}
"""The formats of exports, and their endings."""
BINARY_FORMATS = frozenset({PARQUET_FORMAT.name, XLSX_FORMAT.name, NETCDF_FORMAT.name})
"""Those that need a file: standard output cannot take them."""


def format_of(path: Path) -> Format:
    """Return the format of a recording. A folder is a Parquet recording.

    Raises:
        NotARecordingError: it is in none of the formats.
        StorageError: the file cannot be read.
    """
    if is_parquet_folder(path):
        return PARQUET_FORMAT
    if not path.is_dir():
        first = first_line(path)
        for format in FORMATS:
            if format.recognizes(first) or (path.suffix == f".{format.name}" and is_blank(path, format.is_torn)):
                return format  # a text file is empty until the first flush, also after a power failure
        refuse_known_files(path)
    else:
        raise NotARecordingError("path is a directory", hint="Give the name of a file in it", path=path)
    hint = "Give a riglog recording in SQLite, CSV, JSON Lines or Parquet"
    raise NotARecordingError("not a riglog recording", hint=hint, path=path)


def record_writer(format: str) -> type[RecordWriter]:
    """Return the writer of a format.

    Raises:
        ConfigError: unknown format.
    """
    if format not in EXPORT_FORMATS:
        raise ConfigError(f"unknown format {format!r}", hint=f"Available: {', '.join(EXPORT_FORMATS)}")
    return EXPORT_FORMATS[format]


def is_export(path: Path, name: str) -> bool:
    """Return True if a file is an export in the format of this name: riglog wrote it, and it is not a recording."""
    return any(format.is_export(path) for format in FORMATS if format.name == name)

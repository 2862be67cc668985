"""``riglog.read``: the rows of a recording, with a parameter also by a name that people use for it."""

from collections.abc import Sequence
from pathlib import Path

from riglog.config.recorded_names import recorded_parameter
from riglog.recordings import Rows
from riglog.recordings import read as read_rows
from riglog.recordings.selection import Moment


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
        device: only this device.
        parameter: only this parameter; also a name that people use for it, such as ``pv``, if the driver is installed.
        start, end: only rows received at ``start`` or later and before ``end``; ISO 8601 or datetime, UTC if they have
            no time zone.
    Raises:
        NotARecordingError, NewerSchemaError: the file is something else.
        StorageError: it cannot be read.
        ConfigError: an invalid time; a run, device or parameter that is not in it; a selection from a recording that
            is not SQLite.
    """
    if parameter is not None:
        parameter = recorded_parameter([path] if isinstance(path, (str, Path)) else path, parameter)
    return read_rows(path, run=run, device=device, parameter=parameter, start=start, end=end)

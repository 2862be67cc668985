"""Which rows of an SQLite recording are selected, and the check that there are any."""

import sqlite3

from riglog.sinks.sqlite.reader import RUNS, refuse_unknown
from riglog.sinks.sqlite.recorded import Moment, Selection, nanoseconds

__all__ = ["Moment", "Selection", "check_selection", "nanoseconds"]


def check_selection(selection: Selection, database: sqlite3.Connection) -> None:
    """Refuse a run, device or parameter that is not in the recording: the selection would be empty.

    Raises:
        ConfigError: the hint names those that are there.
    """
    refuse_unknown(database, "run", selection.run, RUNS)
    for what in ("device", "parameter"):
        wanted = selection.device if what == "device" else selection.parameter
        refuse_unknown(database, what, wanted, f"SELECT DISTINCT {what} FROM {_named(database)} ORDER BY id")  # noqa: S608


def _named(database: sqlite3.Connection) -> str:
    """Return the table that has the names of devices and parameters."""
    found = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'series'").fetchone()
    return "series" if found else "channel"

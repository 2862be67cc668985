"""A selection of rows of an SQLite recording, as an SQL condition."""

import sqlite3
from datetime import UTC, datetime

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import NS
from riglog.sinks.sqlite.reader import RUNS, refuse_unknown

Moment = datetime | str | None
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Selection(Struct, frozen=True):
    """``run`` is an id or a name. Received at ``start`` or later and before ``end``; UTC if they have no time zone."""

    run: str | None = None
    device: str | None = None
    parameter: str | None = None
    start: Moment = None
    end: Moment = None

    def condition(self) -> tuple[str, list[object]]:
        """Return an SQL condition over reading and run, and the values for its placeholders.

        Raises:
            ConfigError: invalid time.
        """
        clauses: list[tuple[str, object]] = []
        if self.run is not None:
            clauses.append((_channels("run_id IN (SELECT id FROM run WHERE ? IN (run, name))"), self.run))
        if self.device is not None:
            clauses.append((_channels("device = ?"), self.device))
        if self.parameter is not None:
            clauses.append((_channels("parameter = ?"), self.parameter))
        if self.start is not None:
            clauses.append(("run.started_ns + reading.received_ns >= ?", nanoseconds(self.start)))
        if self.end is not None:
            clauses.append(("run.started_ns + reading.received_ns < ?", nanoseconds(self.end)))
        return " AND ".join(clause for clause, _ in clauses), [value for _, value in clauses]

    def check(self, database: sqlite3.Connection) -> None:
        """Refuse a run, device or parameter that is not in the recording: the selection would be empty.

        Raises:
            ConfigError: the hint names those that are there.
        """
        refuse_unknown(database, "run", self.run, RUNS)
        refuse_unknown(database, "device", self.device, "SELECT DISTINCT device FROM channel ORDER BY id")
        refuse_unknown(database, "parameter", self.parameter, "SELECT DISTINCT parameter FROM channel ORDER BY id")


def nanoseconds(moment: datetime | str) -> int:
    """Return a time as nanoseconds since the epoch, UTC.

    Raises:
        ConfigError: a text that is not ISO 8601.
    """
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        hint = "Use ISO 8601, for example 2026-11-20T12:00:00Z or 2026-11-20"
        raise ConfigError(f"invalid time {moment!r}", hint=hint) from None
    since = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def _channels(condition: str) -> str:
    """Return a condition on channels. There are few of them, so they are selected once and readings compared by id."""
    return f"reading.channel_id IN (SELECT id FROM channel WHERE {condition})"  # noqa: S608 - constants

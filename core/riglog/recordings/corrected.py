"""Rows with the corrected value beside the raw one, as the view ``corrected`` has them; computed here in Python."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from riglog.errors import ConfigError
from riglog.model.equipment import NO_CALIBRATION, Calibration, Certificate, Equipment
from riglog.sinks.formats import format_of
from riglog.sinks.rows import ROW, Row, columns_of
from riglog.sinks.sqlite.equipment import stored_equipment
from riglog.sinks.sqlite.reader import SQLITE_FORMAT, opened_recording
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.tables import SCHEMA_VERSION


class Correction(Struct, frozen=True):
    """What stands behind the columns of a row.

    Attributes:
        corrected: the corrected value, in the unit of the row; None: ``remark`` has the reason.
        uncertainty: its expanded uncertainty; None: not stated, or outside the calibrated range.
        coverage_factor: the factor k of the uncertainty.
        certificate: the number of the certificate.
        certificate_valid: 1 if it was valid on that day (UTC), 0 if not; None: no end is stated.
    """

    corrected: float | None
    uncertainty: float | None
    coverage_factor: float | None
    certificate: str | None
    certificate_valid: int | None
    remark: str | None


class CorrectedRow(Row, frozen=True):
    """A row, and what stands behind its columns in the view ``corrected``: ``value`` is the raw value."""

    corrected: float | None = None
    uncertainty: float | None = None
    coverage_factor: float | None = None
    certificate: str | None = None
    certificate_valid: int | None = None
    remark: str | None = None


CORRECTED_ROW = (*ROW, *columns_of(Correction))
NONE = Correction(None, None, None, None, None, NO_CALIBRATION)


class Corrections:
    """The calibrations of all runs of some recordings."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._found: dict[tuple[str | None, str, str, int], tuple[Certificate, Calibration]] = {}
        for path in paths:
            for run, equipment in read_equipment(path):
                for certificate in equipment.certificates:
                    for each in certificate.calibrations:
                        self._found[run, equipment.device, each.parameter, each.instance] = certificate, each

    def of(self, row: Row) -> Correction:
        """Return what the calibration of its channel makes of a row."""
        known = self._found.get((row.run, row.device, row.parameter, row.instance))
        if known is None:
            return NONE
        certificate, calibration = known
        found = calibration.correct(row.value, row.unit)
        valid = certificate.is_valid(row.received_at[:10])
        return Correction(
            found.value,
            found.uncertainty,
            calibration.coverage_factor,
            certificate.number,
            None if valid is None else int(valid),
            found.remark,
        )

    def row(self, row: Row) -> CorrectedRow:
        return CorrectedRow(*structs.astuple(row), *structs.astuple(self.of(row)))

    def record(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Return the columns of a row, and those behind it."""
        return (*row, *structs.astuple(self.of(Row(*row))))


def read_equipment(path: str | Path) -> list[tuple[str, Equipment]]:
    """Return what an SQLite recording states of its instruments, each with its run; nothing of schema 1.

    Raises:
        ConfigError: it is of another format, which has no calibrations.
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
    """
    path = Path(path)
    if format_of(path) is not SQLITE_FORMAT:
        raise ConfigError(
            "corrected values are only in SQLite recordings",
            hint="Record into SQLite: the other formats have no calibrations",
            path=path,
        )
    with opened_recording(path) as database:
        if schema_of(database) != SCHEMA_VERSION:
            return []
        runs = database.execute("SELECT id, run FROM run ORDER BY id").fetchall()
        return [(run, each) for number, run in runs for each in stored_equipment(database, number)]

"""The tables ``equipment``, ``certificate`` and ``calibration``: what a run states of its instruments."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from riglog.model.equipment import Calibration, Certificate, Equipment, Piece, Uncertainty

EQUIPMENT = "SELECT id, device, manufacturer, model, serial_number FROM equipment WHERE run_id = :run ORDER BY id"
CERTIFICATES = """
SELECT id, number, issued_on, valid_until, file, sha256 FROM certificate WHERE equipment_id = :equipment ORDER BY id"""
CALIBRATIONS = """
SELECT unit, form, correction, uncertainty, coverage_factor FROM calibration
WHERE certificate_id = :certificate ORDER BY id"""


class StoredCorrection(Struct, frozen=True):
    """The column ``correction``. ``channel`` is in it because it is sealed with it."""

    channel: str
    stated: dict[str, Any]
    pieces: tuple[Piece, ...]


def add_equipment(database: sqlite3.Connection, run_id: int, equipment: Sequence[Equipment]) -> bool:
    """Store what a run states of its instruments, within a transaction. False: it is stored already, or is nothing."""
    known = database.execute("SELECT 1 FROM equipment WHERE run_id = :run LIMIT 1", {"run": run_id}).fetchone()
    if known is not None or not equipment:
        return False
    for each in equipment:
        number = _insert(
            database,
            "equipment (run_id, device, manufacturer, model, serial_number)",
            (run_id, each.device, each.manufacturer, each.model, each.serial_number),
        )
        for certificate in each.certificates:
            _add_certificate(database, number, each.device, certificate)
    return True


def stored_equipment(database: sqlite3.Connection, run_id: int) -> tuple[Equipment, ...]:
    """Return what a run states of its instruments, without the content of files."""
    return tuple(
        Equipment(
            device=device,
            manufacturer=manufacturer,
            model=model,
            serial_number=serial_number,
            certificates=tuple(_certificates(database, number)),
        )
        for number, device, manufacturer, model, serial_number in database.execute(EQUIPMENT, {"run": run_id})
    )


def without_content(equipment: Sequence[Equipment]) -> tuple[Equipment, ...]:
    """Return equipment as ``stored_equipment`` does, to compare both."""
    decoded: tuple[Equipment, ...] = msgspec.json.decode(
        msgspec.json.encode(
            [
                msgspec.structs.replace(
                    each,
                    certificates=tuple(
                        msgspec.structs.replace(certificate, content=None) for certificate in each.certificates
                    ),
                )
                for each in equipment
            ]
        ),
        type=tuple[Equipment, ...],
    )
    return decoded


def _certificates(database: sqlite3.Connection, equipment_id: int) -> list[Certificate]:
    rows = database.execute(CERTIFICATES, {"equipment": equipment_id}).fetchall()
    return [
        Certificate(
            number=number,
            issued_on=issued_on,
            valid_until=valid_until,
            file=file,
            sha256=sha256,
            calibrations=tuple(
                _calibration(*columns) for columns in database.execute(CALIBRATIONS, {"certificate": certificate_id})
            ),
        )
        for certificate_id, number, issued_on, valid_until, file, sha256 in rows
    ]


def _calibration(
    unit: str | None, form: str, correction: str, uncertainty: str | None, factor: float | None
) -> Calibration:
    stored = msgspec.json.decode(correction, type=StoredCorrection)
    parameter, _, instance = stored.channel.partition(".")[2].rpartition("[")
    return Calibration(
        parameter=parameter,
        instance=int(instance.rstrip("]")),
        unit=unit or "",
        form=form,
        stated=stored.stated,
        pieces=stored.pieces,
        uncertainty=None if uncertainty is None else msgspec.json.decode(uncertainty, type=Uncertainty),
        coverage_factor=factor,
    )


def _add_certificate(database: sqlite3.Connection, equipment_id: int, device: str, certificate: Certificate) -> None:
    stored = database.execute(
        "SELECT 1 FROM certificate WHERE sha256 = :sha256 AND content IS NOT NULL LIMIT 1",
        {"sha256": certificate.sha256},
    ).fetchone()
    number = _insert(
        database,
        "certificate (equipment_id, number, issued_on, valid_until, file, sha256, content)",
        (
            equipment_id,
            certificate.number,
            certificate.issued_on,
            certificate.valid_until,
            certificate.file,
            certificate.sha256,
            certificate.content if stored is None else None,  # once in a file, however many runs it has
        ),
    )
    for each in certificate.calibrations:
        channel = {"device": device, "parameter": each.parameter, "instance": each.instance}
        database.execute(
            "INSERT OR IGNORE INTO series (device, parameter, instance) VALUES (:device, :parameter, :instance)",
            channel,
        )
        (series_id,) = database.execute(
            "SELECT id FROM series WHERE (device, parameter, instance) = (:device, :parameter, :instance)", channel
        ).fetchone()
        correction = StoredCorrection(f"{device}.{each.parameter}[{each.instance}]", each.stated, each.pieces)
        uncertainty = None if each.uncertainty is None else msgspec.json.encode(each.uncertainty).decode()
        columns = "certificate_id, series_id, unit, form, correction, uncertainty, coverage_factor"
        _insert(
            database,
            f"calibration ({columns})",
            (
                number,
                series_id,
                each.unit,
                each.form,
                msgspec.json.encode(correction).decode(),
                uncertainty,
                each.coverage_factor,
            ),
        )


def _insert(database: sqlite3.Connection, into: str, values: tuple[Any, ...]) -> int:
    marks = ", ".join("?" * len(values))
    cursor = database.execute(f"INSERT INTO {into} VALUES ({marks})", values)  # noqa: S608 - constants of this file
    assert cursor.lastrowid is not None
    return cursor.lastrowid

"""The tables ``[equipment.NAME]`` of a rig file: who made an instrument, its certificates, and its calibration."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from riglog.config.channels import recorded_channel
from riglog.config.dcc import Dcc, DccResult, is_dcc, read_dcc
from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.manager import DeviceSpec
from riglog.model.equipment import (
    MOST_COEFFICIENTS,
    Calibration,
    Certificate,
    Equipment,
    Piece,
    Uncertainty,
    interpolation,
    polynomial,
)
from riglog.plugin.names import mistakes_in
from riglog.plugin.options import convert_all

MOST_BYTES = 10_000_000
MOST_POINTS = 1000
CORRECTIONS = ("offset", "slope", "table", "polynomial", "result")
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Points = Annotated[tuple[tuple[float, float], ...], Meta(min_length=1, max_length=MOST_POINTS)]
NotNegative = Annotated[float, Meta(ge=0)]


class CalibrationConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A table ``[[equipment.NAME.certificate.calibration]]``.

    ``result``: the table of results in a digital calibration certificate, by its name, id or refType.
    """

    parameter: Text
    instance: Annotated[int, Meta(ge=1)] = 1
    unit: Annotated[str, Meta(max_length=32, description="the unit of the values, as recorded")]
    offset: float | None = None
    slope: float | None = None
    table: Points | None = None
    polynomial: Annotated[tuple[float, ...], Meta(min_length=1, max_length=MOST_COEFFICIENTS)] | None = None
    result: Text | None = None
    range: tuple[float, float] | None = None
    outside: Literal["none", "extend"] = "none"
    uncertainty: NotNegative | None = None
    uncertainty_relative: NotNegative | None = None
    uncertainty_table: Points | None = None
    coverage_factor: Annotated[float, Meta(gt=0)] | None = None


class CertificateConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A table ``[[equipment.NAME.certificate]]``. ``file`` is relative to the rig file."""

    file: Text | None = None
    number: Text | None = None
    issued_on: date | None = None
    valid_until: date | None = None
    calibration: tuple[dict[str, Any], ...] = ()


class EquipmentConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A table ``[equipment.NAME]``; NAME is that of a device."""

    manufacturer: Text | None = None
    model: Text | None = None
    serial_number: Text | None = None
    certificate: tuple[dict[str, Any], ...] = ()


def read_equipment(
    tables: Mapping[str, Any], specs: Sequence[DeviceSpec], names: Sequence[str], folder: Path
) -> tuple[Equipment, ...]:
    """Return the equipment of the devices of a rig; files are read, and nothing is opened besides.

    Args:
        specs: the devices without mistakes; ``names``: the names of all.
        folder: that of the rig file.

    Raises:
        ExceptionGroup: all mistakes, each a ConfigError.
    """
    problems: list[ConfigError] = []
    known = {spec.name: spec for spec in specs}
    found = []
    for name, table in tables.items():
        where = f"equipment.{name}"
        if name not in names:
            hint = did_you_mean(name, names).strip() or "Add a [[device]] of this name"
            problems.append(ConfigError(f"{where}: unknown device {name!r}", hint=hint))
            continue
        found.append(_Reader(name, where, known.get(name), folder, problems).equipment(table))
    if problems:
        raise ExceptionGroup("equipment", problems)
    return tuple(each for each in found if each is not None)


class _Reader:
    """Reads the tables of one device; mistakes are added to ``problems``."""

    def __init__(
        self, device: str, where: str, spec: DeviceSpec | None, folder: Path, problems: list[ConfigError]
    ) -> None:
        self.device, self.where, self.spec, self.folder, self.problems = device, where, spec, folder, problems

    def equipment(self, table: object) -> Equipment | None:
        if not isinstance(table, dict):
            self._wrong(f"{self.where}: must be a table [{self.where}]", f"Start the table with [{self.where}]")
            return None
        config = self._converted(table, EquipmentConfig, self.where)
        if config is None:
            return None
        certificates = [
            self.certificate(each, f"{self.where}.certificate {n}", config.serial_number)
            for n, each in enumerate(config.certificate, 1)
        ]
        made = tuple(certificate for certificate, _ in certificates if certificate is not None)
        stated = [dcc for _, dcc in certificates if dcc is not None]
        channels = [(one.parameter, one.instance) for each in made for one in each.calibrations]
        for parameter, instance in dict.fromkeys(channels):
            if channels.count((parameter, instance)) > 1:
                shown = f"{self.device}.{parameter}" + (f"[{instance}]" if instance > 1 else "")
                self._wrong(f"{self.where}: two calibrations of {shown}", "State one: it is used for every row")
        serials = next((dcc.serial_numbers for dcc in stated if len(dcc.serial_numbers) == 1), (None,))
        return Equipment(
            device=self.device,
            manufacturer=config.manufacturer or next((dcc.manufacturer for dcc in stated if dcc.manufacturer), None),
            model=config.model or next((dcc.model for dcc in stated if dcc.model), None),
            serial_number=config.serial_number or serials[0],
            certificates=made,
        )

    def certificate(
        self, table: dict[str, Any], where: str, serial_number: str | None
    ) -> tuple[Certificate | None, Dcc | None]:
        config = self._converted(table, CertificateConfig, where)
        if config is None:
            return None, None
        content = None if config.file is None else self._content(config.file, f"{where}.file")
        dcc = None
        if content is not None and is_dcc(content):
            try:
                with error_context(certificate=config.file):
                    dcc = read_dcc(content)
            except ConfigError as error:
                self._wrong(f"{where}.file: {error.message}", error.hint)
                return None, None
        self._compare(config, dcc, where, serial_number)
        number = config.number or (dcc.number if dcc is not None else None)
        if number is None:
            self._wrong(f"{where}.number: missing", "Add the number of the certificate")
        issued_on = config.issued_on.isoformat() if config.issued_on else dcc.issued_on if dcc is not None else None
        valid_until = config.valid_until.isoformat() if config.valid_until else None
        if issued_on is not None and valid_until is not None and valid_until < issued_on:
            self._wrong(f"{where}.valid_until: {valid_until} is before it was issued, {issued_on}", "Correct the dates")
        made = [
            self._calibration(each, f"{where}.calibration {n}", dcc) for n, each in enumerate(config.calibration, 1)
        ]
        return (
            Certificate(
                number=number or "",
                issued_on=issued_on,
                valid_until=valid_until,
                file=None if config.file is None else Path(config.file).name,
                sha256=None if content is None else hashlib.sha256(content).digest(),
                content=content,
                calibrations=tuple(each for each in made if each is not None),
            ),
            dcc,
        )

    def _compare(self, config: CertificateConfig, dcc: Dcc | None, where: str, serial_number: str | None) -> None:
        """Find what the rig file states otherwise than the certificate."""
        if dcc is None:
            return
        if config.number is not None and dcc.number is not None and config.number != dcc.number:
            self._wrong(
                f"{where}.number: {config.number} here, {dcc.number} in the certificate", "Is it the right file?"
            )
        stated = None if config.issued_on is None else config.issued_on.isoformat()
        if stated is not None and dcc.issued_on is not None and stated != dcc.issued_on:
            self._wrong(
                f"{where}.issued_on: {stated} here, {dcc.issued_on} in the certificate", "Is it the right file?"
            )
        if serial_number is not None and dcc.serial_numbers and serial_number not in dcc.serial_numbers:
            numbers = ", ".join(dcc.serial_numbers[:4])
            self._wrong(
                f"{self.where}.serial_number: {serial_number} here, {numbers:.100} in the certificate",
                "Is it the right file?",
            )

    def _content(self, file: str, where: str) -> bytes | None:
        path = self.folder / file
        try:
            if not path.is_file():
                self._wrong(f"{where}: {file}: file not found", "Its path is relative to the rig file")
                return None
            if path.stat().st_size > MOST_BYTES:
                self._wrong(f"{where}: {file}: more than {MOST_BYTES // 1_000_000} MB", "It is stored with each run")
                return None
            return path.read_bytes()
        except OSError as error:
            self._wrong(f"{where}: {file}: cannot be read: {error.strerror}", "Check its permissions")
            return None

    def _calibration(self, table: dict[str, Any], where: str, dcc: Dcc | None) -> Calibration | None:
        config = self._converted(table, CalibrationConfig, where)
        if config is None:
            return None
        before = len(self.problems)
        parameter = self._recorded(config, where)
        self.problems += _number_problems(config, where)
        given = [key for key in CORRECTIONS if getattr(config, key) is not None]
        form = "linear" if given and {*given} <= {"offset", "slope"} else given[0] if len(given) == 1 else None
        if form is None:
            what = "no correction" if not given else f"{' and '.join(given)} together"
            self._wrong(
                f"{where}: {what}", "Give offset and slope, or table, or polynomial, or result; offset = 0: none"
            )
        result = self._result(config, dcc, where) if config.result is not None else None
        if len(self.problems) > before:
            return None
        extend = config.outside == "extend"
        pieces: tuple[Piece, ...]
        match form:
            case "linear":
                slope = 1.0 if config.slope is None else config.slope
                pieces = polynomial((config.offset or 0.0, slope), config.range, extend=extend)
            case "polynomial":
                assert config.polynomial is not None
                pieces = polynomial(config.polynomial, config.range, extend=extend)
            case _:
                points = result.points if result is not None else config.table
                assert points is not None
                pieces = interpolation(sorted(points), extend=extend)
        uncertainty, factor = _uncertainty(config, result)
        return Calibration(
            parameter=parameter,
            instance=config.instance,
            unit=config.unit,
            form="table" if form == "result" else str(form),
            stated={key: value for key in CORRECTIONS if (value := getattr(config, key)) is not None}
            | ({} if result is None else {"table": result.points})
            | ({} if config.range is None else {"range": config.range})
            | ({"outside": config.outside} if extend else {}),
            pieces=pieces,
            uncertainty=uncertainty,
            coverage_factor=factor,
        )

    def _recorded(self, config: CalibrationConfig, where: str) -> str:
        """Return the name under which the parameter is recorded."""
        name = f"{self.device}.{config.parameter}"
        if self.spec is None:
            return config.parameter
        try:
            return recorded_channel(name, self.spec, f"{where}.parameter").partition(".")[2]
        except ConfigError as error:
            self.problems.append(error)
            return config.parameter

    def _result(self, config: CalibrationConfig, dcc: Dcc | None, where: str) -> DccResult | None:
        """Return the table of a digital calibration certificate."""
        if dcc is None:
            self._wrong(
                f"{where}.result: the certificate has no file that is a digital calibration certificate",
                "State the table in the rig file",
            )
            return None
        found = [each for each in dcc.results if config.result in each.names]
        if len(found) != 1:
            names = "; ".join(", ".join(each.names[:3]) for each in dcc.results)
            refused = f". Not usable: {'; '.join(dcc.refused)}" if dcc.refused else ""
            what = "no table" if not found else f"{len(found)} tables"
            self._wrong(
                f"{where}.result: {what} {config.result!r} in the certificate",
                f"It has: {names or 'none'}{refused}"[:400],
            )
            return None
        (result,) = found
        if result.unit != config.unit:
            self._wrong(
                f"{where}.unit: {config.unit!r} here, {result.unit!r:.40} in the certificate",
                "Values in another unit are not corrected: state that of the certificate",
            )
        self.problems += _table_problems(result.points, f"{where}.result")
        if config.uncertainty_table is not None or config.uncertainty is not None:
            self._wrong(f"{where}.uncertainty: the certificate states it", "Remove it")
        return result

    def _converted(self, table: Mapping[str, Any], to: type[Any], where: str) -> Any:
        try:
            return convert_all(table, to, where)
        except ConfigError as error:
            self.problems.append(error)
        except ExceptionGroup as group:
            self.problems += mistakes_in(group)
        return None

    def _wrong(self, message: str, hint: str | None) -> None:
        self.problems.append(ConfigError(message, hint=hint))


def _number_problems(config: CalibrationConfig, where: str) -> Iterator[ConfigError]:
    """Yield what is no usable number, or no usable table."""
    for key in ("offset", "slope", "uncertainty", "uncertainty_relative", "coverage_factor"):
        value = getattr(config, key)
        if value is not None and not math.isfinite(value):
            yield ConfigError(f"{where}.{key}: {value} is not a finite number")
    for value in config.polynomial or ():
        if not math.isfinite(value):
            yield ConfigError(f"{where}.polynomial: {value} is not a finite number")
    if config.range is not None and not -math.inf < config.range[0] < config.range[1] < math.inf:
        yield ConfigError(f"{where}.range: [{config.range[0]}, {config.range[1]}] is not from low to high")
    if config.range is not None and (config.table is not None or config.result is not None):
        hint = "Remove it: the range of a table is from its first to its last raw value"
        yield ConfigError(f"{where}.range: not with a table", hint=hint)
    for key in ("table", "uncertainty_table"):
        yield from _table_problems(getattr(config, key) or (), f"{where}.{key}")
    if config.uncertainty_table is not None:
        if config.uncertainty is not None or config.uncertainty_relative is not None:
            yield ConfigError(f"{where}.uncertainty_table: with another uncertainty", hint="Give one of them")
        if any(value < 0 for _, value in config.uncertainty_table):
            yield ConfigError(f"{where}.uncertainty_table: an uncertainty below 0")
    stated = (config.uncertainty, config.uncertainty_relative, config.uncertainty_table, config.result)
    if config.coverage_factor is not None and all(each is None for each in stated):
        yield ConfigError(f"{where}.coverage_factor: without an uncertainty", hint="Add uncertainty, or remove it")


def _table_problems(points: Sequence[tuple[float, float]], where: str) -> Iterator[ConfigError]:
    """Yield what is wrong with a table of pairs; their order does not matter."""
    for pair in points:
        if not all(math.isfinite(value) and abs(value) <= 1e300 for value in pair):
            yield ConfigError(f"{where}: [{pair[0]}, {pair[1]}] is not a pair of finite numbers")
            return
    ascending = sorted(points)
    for (one, _), (other, _) in pairwise(ascending):
        if one == other:
            yield ConfigError(f"{where}: two pairs for the raw value {one:g}", hint="Give one of them")
            return
    for (x, y), (next_x, next_y) in pairwise(ascending):
        if not math.isfinite((next_y - y) / (next_x - x)):
            yield ConfigError(f"{where}: the raw values {x!r} and {next_x!r} are too near to each other")
            return


def _uncertainty(config: CalibrationConfig, result: DccResult | None) -> tuple[Uncertainty | None, float | None]:
    """Return the expanded uncertainty and its coverage factor."""
    factor = config.coverage_factor
    if result is not None and result.uncertainty:
        return _over(sorted(result.uncertainty)), factor or result.coverage_factor
    if config.uncertainty_table is not None:
        return _over(sorted(config.uncertainty_table)), factor
    if config.uncertainty is None and config.uncertainty_relative is None:
        return None, None
    return Uncertainty(absolute=config.uncertainty or 0.0, relative=config.uncertainty_relative or 0.0), factor


def _over(points: Sequence[tuple[float, float]]) -> Uncertainty:
    return Uncertainty(pieces=interpolation(points, extend=False))

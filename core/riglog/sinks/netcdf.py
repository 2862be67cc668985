"""NetCDF (HDF5) files, for exports: a group for each channel, with its unit and its origin as attributes.

Follows the CF conventions for times, missing values and status flags. Written in pieces: the memory used does not
depend on the number of rows.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from riglog.errors import ConfigError, NotARecordingError
from riglog.model import Status
from riglog.sinks.base import Damage, Format, Records, RecordWriter
from riglog.sinks.optional_dependencies import import_optional
from riglog.sinks.rows import ROW, Columns, Kind, Row
from riglog.sinks.sqlite.recorded import EPOCH

MARK = "riglog_export"
SIGNATURE = b"\x89HDF"
STATUSES = tuple(status.value for status in Status)
NO_INTEGER = -(2**63)
MICROSECOND = timedelta(microseconds=1)
PACKED = {"compression": "gzip", "shuffle": True, "fletcher32": True}
"""A variable occupies whole pieces of the file, which are mostly empty in a short channel; and has checksums."""
TIME_UNITS = "microseconds since 1970-01-01T00:00:00Z"
OF_CHANNEL = ("device", "driver", "protocol", "address", "parameter", "parameter_id", "instance", "unit")
"""Columns that are attributes of a group; all others are variables."""
LONG_NAMES = {
    "requested_at": "time when the request was sent",
    "received_at": "time when the last byte of the reply was read",
    "midpoint_at": "best estimate of the time of the value",
    "latency_s": "time from the request to the reply",
    "monotonic_ns": "midpoint on a clock that is never set",
    "earliest_at": "earliest time of the value",
    "latest_at": "latest time of the value",
}


class _Group(Struct):
    group: Any
    unit: str | None
    has_value: bool = False


class NetcdfWriter(RecordWriter):
    """Exports the long form. A channel whose unit changes continues in a further group."""

    def __init__(self, file: BinaryIO, columns: Columns, *, marked: bool = False) -> None:
        if [column.name for column in columns[: len(ROW)]] != [column.name for column in ROW]:
            raise ConfigError("NetCDF has a group for each channel, in UTC", hint="Remove --wide and --local-time")
        module = import_optional("h5netcdf", "netcdf")
        self._h5py = import_optional("h5py", "netcdf")
        self._numpy = import_optional("numpy", "netcdf")
        self._out = file
        self._folder = tempfile.mkdtemp(prefix="riglog-")
        self._path = Path(self._folder) / "rows.nc"
        self._columns = columns
        self._places = {column.name: place for place, column in enumerate(columns)}
        self._groups: dict[tuple[Any, ...], list[_Group]] = {}
        self._present: dict[tuple[Any, ...], _Group] = {}
        self._count = 0
        try:
            self._file = module.File(str(self._path), "w")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._file.attrs["Conventions"] = "CF-1.11"
        self._file.attrs["featureType"] = "timeSeries"
        if marked:
            self._file.attrs[MARK] = 1

    def describe(self, facts: Mapping[str, str]) -> None:
        for name, value in facts.items():
            self._file.attrs[name] = value

    def write(self, records: Records) -> None:
        waiting: dict[int, tuple[_Group, list[Any]]] = {}
        for record in records:
            group = self._group_of(record)
            waiting.setdefault(id(group.group), (group, []))[1].append(record)
        for group, rows in waiting.values():
            self._append(group.group, rows)

    def close(self) -> None:
        self._file.close()
        with self._path.open("rb") as complete:
            shutil.copyfileobj(complete, self._out, 1024 * 1024)
        shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _group_of(self, record: Any) -> _Group:
        """Return the group of a row. One without a value has no unit, and belongs to the present group."""
        at = self._places
        key = tuple(record[at[name]] for name in OF_CHANNEL[:-1])
        unit = record[at["unit"]]
        known = self._groups.setdefault(key, [])
        has_value = record[at["value"]] is not None or record[at["text"]] is not None
        if not has_value and key in self._present:
            return self._present[key]
        group = next((each for each in known if each.unit == unit), None)
        if group is None:
            if not known or known[-1].has_value:
                known.append(_Group(self._new_group(key), None))
            group = known[-1]
            group.unit = unit
            if unit is not None:
                group.group.attrs["units"] = unit
                group.group.variables["value"].attrs["units"] = unit
        group.has_value |= has_value
        self._present[key] = group
        return group

    def _new_group(self, key: tuple[Any, ...]) -> Any:
        numpy = self._numpy
        self._count += 1
        group = self._file.create_group(f"channel_{self._count:04d}")
        group.dimensions = {"row": None}
        for name, value in zip(OF_CHANNEL[:-1], key, strict=True):
            if value is not None:
                group.attrs[name] = value
        group.attrs["long_name"] = f"{key[0]}.{key[4]}" + (f"[{key[6]}]" if key[6] != 1 else "")
        for column in self._columns:
            if column.name in OF_CHANNEL:
                continue
            if column.name == "status":
                made = group.create_variable("status", ("row",), "i1", **PACKED)
                made.attrs["flag_values"] = numpy.arange(len(STATUSES), dtype="i1")
                made.attrs["flag_meanings"] = " ".join(STATUSES)
                made.attrs["standard_name"] = "status_flag"
            elif column.kind is Kind.TIME:
                made = group.create_variable(column.name, ("row",), "i8", fillvalue=NO_INTEGER, **PACKED)
                made.attrs["units"] = TIME_UNITS
                made.attrs["calendar"] = "standard"
                if column.name == "midpoint_at":
                    made.attrs["standard_name"] = "time"
            elif column.kind is Kind.REAL:
                made = group.create_variable(column.name, ("row",), "f8", fillvalue=numpy.nan, **PACKED)
                made.attrs["ancillary_variables"] = "status"
                if column.name == "latency_s":
                    made.attrs["units"] = "s"
            elif column.kind is Kind.INTEGER:
                made = group.create_variable(column.name, ("row",), "i8", fillvalue=NO_INTEGER, **PACKED)
                if column.name == "monotonic_ns":
                    made.attrs["units"] = "ns"
            else:
                made = group.create_variable(column.name, ("row",), self._h5py.string_dtype(), compression="gzip")
            made.attrs["long_name"] = LONG_NAMES.get(column.name, column.name)
            if column.name == "value":
                made.attrs["coordinates"] = "midpoint_at"
        return group

    def _append(self, group: Any, rows: list[Any]) -> None:
        before = group.dimensions["row"].size
        end = before + len(rows)
        group.resize_dimension("row", end)
        for column in self._columns:
            if column.name in OF_CHANNEL:
                continue
            place = self._places[column.name]
            group.variables[column.name][before:end] = self._array(
                [row[place] for row in rows], column.name, column.kind
            )

    def _array(self, cells: list[Any], name: str, kind: Kind) -> Any:
        numpy = self._numpy
        if name == "status":
            return numpy.array([STATUSES.index(cell) for cell in cells], dtype="i1")
        if kind is Kind.REAL:
            return numpy.array([numpy.nan if cell is None else cell for cell in cells], dtype="f8")
        if kind is Kind.TIME:
            return numpy.array([NO_INTEGER if cell is None else _microseconds(cell) for cell in cells], dtype="i8")
        if kind is Kind.INTEGER:
            return numpy.array([NO_INTEGER if cell is None else cell for cell in cells], dtype="i8")
        return numpy.array(["" if cell is None else cell.replace("\0", "�") for cell in cells], dtype=object)


def _microseconds(time: str) -> int:
    return (datetime.fromisoformat(time) - EPOCH) // MICROSECOND


def is_export(path: Path) -> bool:
    """Return True if NetcdfWriter wrote and marked the file."""
    try:
        with import_optional("h5py", "netcdf").File(path, "r") as file:
            return MARK in file.attrs
    except (OSError, ConfigError):
        return False


def _not_read(path: Path, damage: Damage) -> Iterator[Row]:
    raise NotARecordingError(
        "this is a NetCDF or another HDF5 file, which cannot be read back",
        hint="Give the recording from which it was made",
        path=path,
    )


NETCDF_FORMAT = Format("nc", lambda first: first.startswith(SIGNATURE), _not_read, NetcdfWriter, is_export)
"""It can be written only; reading names the reason."""

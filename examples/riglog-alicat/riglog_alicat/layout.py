"""The columns of a data frame, as the instrument itself lists them: names, units, decimals, flags. Pure.

Two dialects of the table `??D*` are known; the header says which one it is, not the firmware.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from riglog.errors import MalformedReplyError

KNOWN_FLAGS = frozenset(
    [*("ADC", "MOV", "VOV", "TOV", "POV", "P2O", "OPL", "HLD"), *("EXH", "LCK", "OVR", "TMF", "COM", "GTA", "VTM")]
)
KEYS = {
    2: "abs_pressure",
    3: "temperature",
    4: "volumetric_flow",
    5: "mass_flow",
    6: "gauge_pressure",
    7: "diff_pressure",
    8: "total_volume",
    9: "total_mass",
    13: "valve_drive",
    15: "baro_pressure",
    344: "abs_pressure_2",
    352: "gauge_pressure_2",
    360: "diff_pressure_2",
    **dict.fromkeys((32, 34, 36, 37, 38, 39, 49, 345, 353, 361), "setpoint"),
    700: "unit_id",
    703: "gas",
}
"""The parameter of each statistic."""
LEGACY_KEYS = {
    "Unit ID": "unit_id",
    "Temperature": "temperature",
    "Volumetric": "volumetric_flow",
    "Mass": "mass_flow",
    "SetPoint": "setpoint",
    "Gas": "gas",
}
LEGACY_PRESSURES = {"A": "abs_pressure", "G": "gauge_pressure", "D": "diff_pressure"}
UNITS = {"`C": "degC", "`F": "degF", "C": "degC", "F": "degF", "`K": "K", "`R": "degR"}
"""Units that riglog spells in another way; all others are recorded as the instrument spells them."""
NO_UNIT = ("na", "---", "")

LEGACY_ROW = re.compile(
    r". +D\d\d (?P<name>\S.*?) +(?P<type>signed|unsigned|char|string) +(?P<low>\S+) +(?P<high>\S+) +(?P<unit>\S+)"
)
LEGACY_HEADER = re.compile(r". +D00 NAME")
HEADER = re.compile(r". +D00 ID_ ")


class Column(Struct, frozen=True):
    """One column. ``unit``: the label of the instrument; ``maximum``: only the older table states it."""

    key: str
    name: str
    stat: int | None
    is_number: bool
    unit: str | None = None
    decimals: int | None = None
    is_signed: bool = False
    maximum: float | None = None

    @property
    def unit_name(self) -> str | None:
        """The unit as riglog records it."""
        return None if self.unit is None else UNITS.get(self.unit, self.unit.replace(" ", ""))


class Layout(Struct, frozen=True):
    """What a data frame contains behind the unit id, and the flags that can follow."""

    dialect: str
    columns: tuple[Column, ...]
    flags: tuple[str, ...]

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns behind the unit id."""
        return tuple(column for column in self.columns if column.key != "unit_id")


def parse_layout(rows: Sequence[str]) -> Layout:
    """Return the layout from the rows of the table, header first.

    Raises:
        MalformedReplyError: it is no table, or has no usable row.
    """
    if not rows or not all(re.match(rf". +D{number:02} ", row) for number, row in enumerate(rows)):
        raise MalformedReplyError("the table of columns has no header, or a row is missing")
    legacy = LEGACY_HEADER.match(rows[0]) is not None
    if not legacy and not HEADER.match(rows[0]):
        raise MalformedReplyError("the table of columns has an unknown header")
    columns: list[Column] = []
    flags: list[str] = []
    for row in rows[1:]:
        found = _legacy_row(row) if legacy else _row(row)
        if isinstance(found, str):
            flags.append(found)
        elif found is not None:
            columns.append(found)
    if not columns or columns[0].key != "unit_id" or len(columns) < 2:
        raise MalformedReplyError("the table of columns has no usable row")
    return Layout("legacy" if legacy else "current", tuple(columns), tuple(sorted({*flags})))


def _row(row: str) -> Column | str | None:
    """Return the column, or the flag, of one row; None: a column that does not always occur."""
    stat, name, kind = row[6:9], row[10:37].strip(), row[37:49].strip()
    width, notes = row[49:55].strip(), row[55:].strip()
    if not stat.isdigit() or not name:
        raise MalformedReplyError("a row of the table of columns is invalid")
    if name.startswith("*"):
        return notes if name in ("*Error", "*Status") else None
    key = KEYS.get(int(stat)) or re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if kind == "string":
        return Column(key, name, int(stat), False)
    if not re.fullmatch(r"(s )?(decimal|integer)", kind):
        raise MalformedReplyError(f"a column of the table has the unknown type {kind!r}")
    label = re.fullmatch(r"\d+ \d+ (.+)", notes)
    unit = None if label is None or label[1] in NO_UNIT else label[1]
    _, _, decimals = width.partition("/")
    if not decimals.isdigit():
        raise MalformedReplyError(f"a column of the table has the unknown width {width!r}")
    return Column(key, name, int(stat), True, unit, int(decimals), kind.startswith("s "))


def _legacy_row(row: str) -> Column | str:
    found = LEGACY_ROW.fullmatch(row)
    if found is None:
        raise MalformedReplyError("a row of the table of columns is invalid")
    name, high = found["name"], found["high"]
    unit = None if found["unit"] in NO_UNIT else found["unit"]
    if name in ("Error", "Status"):
        return high
    key = LEGACY_KEYS.get(name) or re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if name == "Pressure":
        key = LEGACY_PRESSURES.get((unit or " ")[-1], "pressure")
    if found["type"] in ("char", "string"):
        return Column(key, name, None, False)
    _, _, decimals = high.partition(".")
    signed = found["type"] == "signed" and key != "setpoint"  # the set point has no sign, whatever the table says
    return Column(key, name, None, True, unit, len(decimals), signed, float(high))


def places(layout: Layout) -> dict[tuple[str, int], Column]:
    """Return the columns with the parameter and instance of each; a second one of its kind has instance 2."""
    places: dict[tuple[str, int], Column] = {}
    for column in layout.fields:
        instance = 1 + sum(key == column.key for key, _ in places)
        places[column.key, instance] = column
    return places

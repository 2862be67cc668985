"""A simulated instrument, byte-accurate and stateful, that knows the truth: every value is a function of time."""

import re
from collections.abc import Iterator

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import Channel
from riglog.simulation import Course, Timeline, Truth, TruthfulSimulator
from riglog_alicat.layout import KEYS, UNITS

HEADER = "D00 ID_ NAME______________________ TYPE_______ WIDTH NOTES___________________"
LEGACY_HEADER = " D00 NAME_______ TYPE_____ MinVal_  MaxVal_  UNITS__"
FACTORS = {
    "PSIA": (1.0, 0.0),
    "bar": (1 / 14.5038, 0.0),
    "PSIG": (1.0, 0.0),
    "SCCM": (1.0, 0.0),
    "SLPM": (0.001, 0.0),
    "CCM": (1.0, 0.0),
    "LPM": (0.001, 0.0),
    "`C": (1.0, 0.0),
    "`F": (1.8, 32.0),
    "C": (1.0, 0.0),
}
"""A value in this unit: the value of the model's own unit times the first, plus the second."""
CODES = {"PSIA": 10, "PSIG": 10, "bar": 7, "`C": 2, "`F": 3, "CCM": 12, "SCCM": 12, "LPM": 7, "SLPM": 7}
MEASURED = {34: 2, 37: 5}
FLAGS = ["OPL", "POV", "P2O", "TOV", "VOV", "MOV", "TMF", "OVR", "COM", "HLD", "EXH", "GTA", "LCK"]


class Field(Struct):
    """A column: its statistic (in the older table its name), digits before and behind the point, and what it shows."""

    stat: int
    name: str
    digits: int = 0
    decimals: int = 0
    unit: str = ""
    course: Course | None = None


class Model(Struct):
    name: str
    firmware: str
    fields: tuple[Field, ...]
    flags: tuple[str, ...]
    full_scale: float
    legacy: bool = False


def _course(low: float, high: float) -> Course:
    return Course(low, high, 600.0)


MODELS = {
    "controller": Model(
        "MC-500SCCM-D",
        "10v20.0-R24",
        (
            Field(2, "Abs Press", 3, 2, "PSIA", _course(14.0, 16.0)),
            Field(3, "Flow Temp", 3, 2, "`C", _course(20.0, 25.0)),
            Field(4, "Volu Flow", 3, 2, "CCM", _course(90.0, 110.0)),
            Field(5, "Mass Flow", 3, 2, "SCCM", _course(95.0, 115.0)),
            Field(37, "Mass Flow Setpt", 3, 2, "SCCM"),
            Field(703, "Gas"),
        ),
        tuple(FLAGS),
        500.0,
    ),
    "meter": Model(
        "M-10SLPM-D",
        "10v04.0-R24",
        (
            Field(2, "Abs Press", 3, 3, "PSIA", _course(14.0, 16.0)),
            Field(3, "Flow Temp", 3, 2, "`C", _course(20.0, 25.0)),
            Field(4, "Volu Flow", 2, 3, "LPM", _course(-0.5, 9.0)),
            Field(5, "Mass Flow", 2, 3, "SLPM", _course(-0.6, 9.5)),
            Field(703, "Gas"),
        ),
        tuple(flag for flag in FLAGS if flag != "GTA"),
        10.0,
    ),
    "pressure": Model(
        "PC-15BARA-D",
        "10v20.0-R24",
        (
            Field(2, "Abs Press", 2, 3, "bar", _course(1.0, 12.0)),
            Field(34, "Abs Press Setpt", 2, 3, "bar"),
        ),
        ("OPL", "POV", "HLD", "EXH", "LCK"),
        15.0,
    ),
    "gauge": Model(
        "P-100PSIG-D",
        "10v04.0-R24",
        (Field(6, "Gauge Press", 3, 3, "PSIG", _course(0.5, 90.0)),),
        ("POV", "LCK"),
        100.0,
    ),
    "legacy": Model(
        "MC-500SCCM-D",
        "5v12.0-R22",
        (
            Field(2, "Pressure", 3, 2, "PSIA", _course(14.0, 16.0)),
            Field(3, "Temperature", 3, 2, "C", _course(20.0, 25.0)),
            Field(4, "Volumetric", 4, 1, "CCM", _course(90.0, 110.0)),
            Field(5, "Mass", 4, 1, "SCCM", _course(95.0, 115.0)),
            Field(37, "SetPoint", 4, 1, "SCCM"),
            Field(703, "Gas"),
        ),
        ("LCK", "OVR", "POV", "TOV", "VOV", "MOV"),
        500.0,
        legacy=True,
    ),
}
LEGACY_RANGES = {"Pressure": ("+000.00", "+160.00"), "Temperature": ("-010.00", "+050.00")}


class AlicatSimulator(TruthfulSimulator):
    """One instrument with one unit id.

    ``set`` changes it as a person at the panel, or a defect, would: ``flags=MOV LCK``, ``gas=Ar``, ``source=A``,
    ``unit.mass_flow=SLPM``, ``setpoint=20``, ``columns=totalizer``, ``value.mass_flow=--``.
    """

    def __init__(self, unit_id: str, model: str = "controller", serial: str | None = None) -> None:
        self.unit_id, self.model = unit_id, MODELS[model]
        self.serial = serial or f"4001{ord(unit_id):02}"
        self.now = 0.0
        self.source, self.gas = "U", "N2"
        self.setpoint = Timeline(0.0)
        self.flags: tuple[str, ...] = ()
        self.writes: list[str] = []
        self._fields = list(self.model.fields)
        self._phase = 37.0 * ord(unit_id)  # two instruments never have the same values
        self._units = {field.stat: Timeline(field.unit) for field in self._fields if field.unit}
        self._replaced: dict[int, str] = {}
        self._buffer = b""

    def receive(self, data: bytes, now: float) -> bytes:
        self.now = now
        *requests, self._buffer = (self._buffer + data).split(b"\r")
        return "".join(self._reply(request.decode("latin-1").upper()) for request in requests).encode("latin-1")

    def _reply(self, request: str) -> str:
        if request[:1] != self.unit_id:
            return ""
        token, _, argument = request[1:].partition(" ")
        version = self._version
        match token:
            case "":
                return self._line(self._frame())
            case "??M*":
                return "".join(map(self._line, self._identity()))
            case "??D*":
                return "".join(map(self._line, self._table()))
            case "VE":
                return self._line(f"  {self.model.firmware} Jan  9 2025,15:04:07")
            case "S" if argument:
                return self._line(self._frame()) if self._store(argument) else "?\r"
            case "LS" if version >= (9, 0) and self._setpoint_field() is not None:
                in_force = self._setpoint_text()
                if argument and not self._store(argument):
                    return "?\r"
                return self._line(f"{in_force} {self._setpoint_text()} {self._unit_text(self._setpoint_field())}")
            case "LSS" if version >= (10, 5) and not argument:
                return self._line(self.source)
            case "FPF" if version >= (6, 0) and argument.isdigit():
                return self._line(self._full_scale(int(argument)))
            case "DCU" if version >= (10, 5) and argument.isdigit() and int(argument) in self._units:
                return self._line(self._unit_text(self._field(int(argument))))
        return "?\r"

    @property
    def _version(self) -> tuple[int, int]:
        major, minor = re.match(r"(\d+)v(\d+)", self.model.firmware).groups()  # type: ignore[union-attr]
        return int(major), int(minor)

    def _line(self, content: str) -> str:
        return f"{self.unit_id} {content}\r"

    # --- what it sends

    def _frame(self) -> str:
        words = [self._token(field) for field in self._fields]
        return " ".join([*words, *self.flags])

    def _token(self, field: Field) -> str:
        if field.stat in self._replaced:
            return self._replaced[field.stat]
        if field.stat == 703:
            return f"{self.gas:>6}"
        return self._number(field, self._value(field, self.now))

    def _value(self, field: Field, at: float) -> float:
        own = self.setpoint.at(at) if field.course is None else self._course_of(field).at(at)
        factor, offset = self._scale(field, self._units[field.stat].at(at))
        return own * factor + offset

    def _scale(self, field: Field, label: str) -> tuple[float, float]:
        """Return the factor and offset from the model's own unit to another one."""
        (low, low_offset), (high, high_offset) = FACTORS[field.unit], FACTORS[label]
        return high / low, high_offset - low_offset * high / low

    def _course_of(self, field: Field) -> Course:
        assert field.course is not None
        return Course(field.course.low, field.course.high, field.course.period, self._phase)

    def _number(self, field: Field, value: float) -> str:
        digits = f"{abs(value):0{field.digits + 1 + field.decimals}.{field.decimals}f}"
        unsigned = self.model.legacy and field.name == "SetPoint"
        return digits if unsigned else f"{'-' if value < 0 and float(digits) else '+'}{digits}"

    def _identity(self) -> list[str]:
        return [
            " M00 ALICAT SCIENTIFIC",
            " M01 www.alicat.com",
            " M02 Ph   000-000-0000",
            " M03 info@example.org",
            f" M04 Model Number {self.model.name}",
            f" M05 Serial Number {self.serial}",
            " M06 Date Manufactured 03/02/2025",
            " M07 Date Calibrated   03/02/2025",
            " M08 Calibrated By     BL",
            f" M09 Software Revision {self.model.firmware}",
        ]

    def _table(self) -> list[str]:
        rows = self._legacy_rows() if self.model.legacy else self._rows()
        header = LEGACY_HEADER if self.model.legacy else HEADER
        return [header, *(row.replace("D??", f"D{number:02}", 1) for number, row in enumerate(rows, 1))]

    def _rows(self) -> Iterator[str]:
        yield "D?? 700 Unit ID                    string          1"
        for field in self._fields:
            if field.stat == 703:
                yield "D?? 703 Gas                        string          6"
                continue
            label = self._units[field.stat].at(self.now)
            width = f"7/{field.decimals}"
            yield f"D?? {field.stat:03} {field.name:<26} {'s decimal':<11} {width:>5} {CODES[label]:03} 02 {label}"
        yield "D?? 701 *Error                     string          3 ADC"
        for flag in self.model.flags:
            yield f"D?? 702 *Status                    string          3 {flag}"

    def _legacy_rows(self) -> Iterator[str]:
        yield " D?? Unit ID     char         A         Z         na"
        for field in self._fields:
            if field.stat == 703:
                yield " D?? Gas         string        Air       D2       na"
                continue
            low, high = LEGACY_RANGES.get(field.name, ("+0000.0", f"+{self.model.full_scale:06.1f}"))
            label = self._units[field.stat].at(self.now)
            yield f" D?? {field.name:<11} signed    {low}  {high}  {label:>7}"
        yield " D?? Error       string         na      ADC       na"
        for flag in self.model.flags:
            yield f" D?? Status      string         na  {flag:>7}       na"

    def _unit_text(self, field: Field | None) -> str:
        assert field is not None
        label = self._units[field.stat].at(self.now)
        return f"{CODES[label]} {label}"

    def _full_scale(self, stat: int) -> str:
        field = self._setpoint_field() or self._fields[-1]
        measured = MEASURED.get(field.stat, field.stat)
        if stat != measured:
            return "+000.00 0 ---"
        factor, offset = self._scale(field, self._units[field.stat].at(self.now))
        return f"{self._number(field, self.model.full_scale * factor + offset)} {self._unit_text(field)}"

    # --- what changes it

    def _setpoint_field(self) -> Field | None:
        return next((field for field in self._fields if KEYS[field.stat] == "setpoint"), None)

    def _setpoint_text(self) -> str:
        field = self._setpoint_field()
        assert field is not None
        return self._number(field, self._value(field, self.now))

    def _field(self, stat: int) -> Field:
        return next(field for field in self._fields if field.stat == stat)

    def _store(self, argument: str) -> bool:
        field = self._setpoint_field()
        if field is None or not re.fullmatch(r"-?\d+(\.\d+)?", argument):
            return False
        factor, offset = self._scale(field, self._units[field.stat].at(self.now))
        own = (float(argument) - offset) / factor
        if not 0 <= own <= self.model.full_scale:
            return False
        self.writes.append(argument)
        if self.source != "A":  # then it is ignored without an error
            self.setpoint.set(self.now, own)
        return True

    def set(self, name: str, value: str) -> None:
        kind, _, parameter = name.partition(".")
        stat = next((field.stat for field in self._fields if KEYS[field.stat] == parameter), None)
        if kind == "flags":
            self.flags = tuple(value.split())
        elif kind == "gas":
            self.gas = value
        elif kind == "source" and value in ("S", "U", "A"):
            self.source = value
        elif kind == "setpoint":
            self.setpoint.set(self.now, float(value))
        elif kind == "columns" and value == "totalizer":
            self._fields.insert(-1, Field(9, "Mass Total", 5, 1, "SCCM", _course(0.0, 9000.0)))
            self._units[9] = Timeline("SCCM")
        elif kind == "value" and stat is not None:
            self._replaced[stat] = value
        elif kind == "unit" and stat is not None and value in FACTORS:
            for one in (stat, *(own for own, measured in MEASURED.items() if measured == stat)):
                if one in self._units:
                    self._units[one].set(self.now, value)
        else:
            raise ConfigError(f"--set: unknown setting {name!r} or value {value!r} of the simulator")

    def foreign(self, reply: bytes) -> bytes:
        other = b"Z" if self.unit_id != "Z" else b"Y"
        return re.sub(rb"(^|\r)%s " % self.unit_id.encode(), rb"\1%s " % other, reply)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        field = next((field for field in self._fields if KEYS[field.stat] == channel.parameter), None)
        if field is None or field.stat == 703:
            return
        for begin, until, label in self._units[field.stat].between(start, end):
            unit = UNITS.get(label, label)
            factor, offset = self._scale(field, label)
            resolution = 0.51 * 10**-field.decimals
            if field.course is not None:
                low, high = self._course_of(field).extremes(begin, until)
                yield Truth(low * factor + offset, high * factor + offset, unit, resolution)
                continue
            for _, _, setpoint in self.setpoint.between(begin, until):
                value = setpoint * factor + offset
                yield Truth(value, value, unit, resolution)

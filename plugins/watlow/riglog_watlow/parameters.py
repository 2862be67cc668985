"""The parameters of Watlow controllers: name, meaning, Standard Bus id and Modbus register of each.

Source: Watlow wire specification, sections 9.5, 10, 11 and 13. The table is parameters.json, read when first needed.
"""

import math
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import Literal

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError, WriteRefusedError
from riglog.plugin import Names

Family = Literal["EZ-ZONE PM", "Series SD", "Series F4P"]
PM: Family = "EZ-ZONE PM"
SD: Family = "Series SD"
F4P: Family = "Series F4P"

DataType = Literal[
    "float32", "enum", "uint8", "uint16", "uint32", "int16", "int32", "string", "pointer", "mirror"
]  # fmt: skip
UnitKind = Literal[
    "temperature", "temperature_delta", "temperature_rate", "percent", "seconds", "minutes", "hours", "milliseconds",
    "ampere", "enumeration", "string", "none",
]  # fmt: skip
Storage = Literal["none", "volatile", "action", "eeprom", "eeprom+user_set", "as_target"]
WriteClass = Literal["never", "volatile", "action", "persistent", "safety", "communication", "configuration_set"]


WireValue = float | int | str
"""A value as it is transmitted: scaled, but in the unit and the codes of the controller."""


class Registers(Struct, frozen=True):
    """The registers of a parameter in one Modbus register map. ``address`` is that of instance 1, zero-based."""

    address: int
    stride: int = 0
    last_instance: int = 1
    certainty: str = "documented"

    def of(self, instance: int) -> int:
        """Return the address of the first register of an instance."""
        return self.address + (instance - 1) * self.stride


class Range(Struct, frozen=True):
    """Smallest and largest value in degF; ``min_c`` and ``max_c`` are those of a controller that transmits degC."""

    min: float
    max: float
    min_c: float | None = None
    max_c: float | None = None

    def bounds(self, celsius: bool = False) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        if celsius and self.min_c is not None and self.max_c is not None:
            return self.min_c, self.max_c
        return self.min, self.max


class Parameter(Struct, frozen=True, eq=False):
    """One row of the table.

    ``id`` is class x 1000 + member on Standard Bus; None for a parameter of Modbus only. ``aliases`` are other names
    that people use; where other programs use a name of riglog for another parameter, both have it as an alias, which is
    then refused.
    """

    name: str
    label: str
    family: Family
    data_type: DataType
    access: Literal["R", "RW", "W"]
    storage: Storage
    write_class: WriteClass
    id: int | None = None
    aliases: tuple[str, ...] = ()
    instances: tuple[int, ...] = (1,)
    tag: int | None = None
    registers: int = 0
    map1: Registers | None = None
    map2: Registers | None = None
    unit_kind: UnitKind = "none"
    scale: float = 1.0
    decimals_register: int | None = None
    enum: dict[int, str] = {}
    range: Range | None = None
    default: int | float | str | None = None
    certainty: str = "documented"
    note: str | None = None

    @property
    def is_temperature(self) -> bool:
        return self.unit_kind.startswith("temperature")

    @property
    def readable(self) -> bool:
        return self.access != "W"

    @property
    def writable(self) -> bool:
        return self.write_class != "never"


class Registry:
    """The parameters of one family, by name and by id."""

    def __init__(self, family: Family, parameters: Iterable[Parameter]) -> None:
        self.family = family
        self._by_name = {parameter.name: parameter for parameter in parameters}
        self._by_id = {parameter.id: parameter for parameter in self if parameter.id is not None}

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def names(self) -> Names:
        """The names, their aliases, and the names of the manual: ``Control Loop - Set Point``, ``Set Point``."""
        return Names(
            {parameter.name: parameter.aliases for parameter in self},
            manual={parameter.name: (parameter.label, parameter.label.split(" - ")[-1]) for parameter in self},
            meanings={parameter.name: parameter.label for parameter in self},
        )

    def find(self, name_or_id: str | int) -> Parameter:
        """Return the parameter with a name, an alias or an id (``process_value``, ``pv``, ``4001``, ``"4001"``).

        Raises:
            ConfigError: unknown, and the hint suggests the nearest name; or the name can mean several parameters.
        """
        if isinstance(name_or_id, str) and not name_or_id.isdecimal():
            parameter = self._by_name.get(name_or_id) or self._by_name.get(self.names.find(name_or_id) or "")
        else:
            parameter = self._by_id.get(int(name_or_id))
        if parameter is not None:
            return parameter
        hint = f"{self.names.suggestion(str(name_or_id))}List them with `riglog watlow parameters SEARCH`"
        raise ConfigError(f"unknown parameter {name_or_id!r} of {self.family}", hint=hint)

    def get(self, parameter_id: int) -> Parameter | None:
        """Return the parameter with an id; None if it is unknown."""
        return self._by_id.get(parameter_id)

    def search(self, text: str) -> list[Parameter]:
        """Return every parameter whose name or label contains ``text``, or whose id starts with it."""
        text = text.lower()
        return [
            parameter
            for parameter in self
            if text in f"{parameter.name} {parameter.label.lower()}" or str(parameter.id).startswith(text)
        ]


def parse_value(parameter: Parameter, value: float | int | str, *, finite: bool = True) -> WireValue:
    """Return a value as it is transmitted, from a number, a code, or the label of a code in any case.

    Args:
        finite: refuse NaN and infinity.

    Raises:
        WriteRefusedError: the parameter cannot have this value.
    """
    if parameter.data_type == "string":
        return str(value)
    if isinstance(value, str):
        codes = [code for code, label in parameter.enum.items() if label.lower() == value.lower()]
        if codes:
            return codes[0]
        value = _number(parameter, value)
    if parameter.enum and value not in parameter.enum:
        raise _value_error(parameter, value)
    is_float = parameter.data_type == "float32"
    if not math.isfinite(value) and (finite or not is_float):
        raise _value_error(parameter, value)
    if is_float or parameter.scale != 1 or parameter.decimals_register is not None:
        return float(value)
    if value != int(value):
        raise _value_error(parameter, value)
    return int(value)


def _number(parameter: Parameter, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _value_error(parameter, text) from None


def _value_error(parameter: Parameter, value: object) -> WriteRefusedError:
    labels = ", ".join(f"{label!r}" for label in parameter.enum.values())
    hint = f"Allowed values: {labels}" if labels else "Give a number"
    return WriteRefusedError(f"invalid value {value!r} for {parameter.name}", hint=hint)


@cache
def registry(family: Family = PM) -> Registry:
    """Return the table of one family; it is read from the package at the first call."""
    return Registry(family, [parameter for parameter in _table() if parameter.family == family])


def read_table() -> list[Parameter]:
    """Read the parameters of all families from the package."""
    from importlib.resources import files  # a tenth of what importing the driver costs

    raw = files("riglog_watlow").joinpath("parameters.json").read_bytes()
    return msgspec.json.decode(raw, type=list[Parameter])


_table = cache(read_table)

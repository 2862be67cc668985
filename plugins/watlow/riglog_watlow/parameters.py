"""The parameters of Watlow controllers: what each is called, what it means and where it is found on each wire.

Source: Watlow wire specification, sections 9.5, 10, 11 and 13. The table is parameters.json, read when first needed.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError

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
"""A value as it crosses the wire: scaled, but in the unit and the codes of the wire."""


class Registers(Struct, frozen=True):
    """Where a parameter sits in one Modbus register map. ``address`` is that of instance 1, zero-based."""

    address: int
    stride: int = 0
    last_instance: int = 1
    certainty: str = "documented"

    def of(self, instance: int) -> int:
        return self.address + (instance - 1) * self.stride


class Range(Struct, frozen=True):
    """Smallest and largest value on a Fahrenheit wire; ``min_c`` and ``max_c`` on a Celsius one."""

    min: float
    max: float
    min_c: float | None = None
    max_c: float | None = None

    def bounds(self, celsius: bool = False) -> tuple[float, float]:
        if celsius and self.min_c is not None and self.max_c is not None:
            return self.min_c, self.max_c
        return self.min, self.max


class Parameter(Struct, frozen=True, eq=False):
    """One row of the table. ``id`` is class x 1000 + member on Standard Bus; None where there is only Modbus."""

    name: str
    label: str
    family: Family
    data_type: DataType
    access: Literal["R", "RW", "W"]
    storage: Storage
    write_class: WriteClass
    id: int | None = None
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

    def find(self, name_or_id: str | int) -> Parameter:
        """The parameter of that name or id (``process_value``, ``4001``, ``"4001"``).

        Raises:
            ConfigError: there is none; suggests the nearest name.
        """
        if isinstance(name_or_id, str) and not name_or_id.isdecimal():
            found = self._by_name.get(name_or_id)
        else:
            found = self._by_id.get(int(name_or_id))
        if found is not None:
            return found
        close = get_close_matches(str(name_or_id), self._by_name, 1)
        suggestion = f"did you mean {close[0]!r}? " if close else ""
        hint = f"{suggestion}`riglog watlow parameters SEARCH` lists them"
        raise ConfigError(f"{self.family} has no parameter {name_or_id!r}", hint=hint)

    def get(self, parameter_id: int) -> Parameter | None:
        """The parameter of that id, if there is one."""
        return self._by_id.get(parameter_id)

    def search(self, text: str) -> list[Parameter]:
        """Every parameter whose name or label contains ``text``, or whose id begins with it."""
        wanted = text.lower()
        return [one for one in self if wanted in f"{one.name} {one.label.lower()}" or str(one.id).startswith(wanted)]


@cache
def registry(family: Family = PM) -> Registry:
    """The table of one family; read from the package at the first call."""
    return Registry(family, [parameter for parameter in _table() if parameter.family == family])


@cache
def _table() -> list[Parameter]:
    raw = files("riglog_watlow").joinpath("parameters.json").read_bytes()
    return msgspec.json.decode(raw, type=list[Parameter])

"""What a number from the wire means: unit, range, label, and when it is no value at all.

Source: Watlow wire specification, section 8.
"""

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from riglog.model import OK, Status
from riglog.model.units import (
    DEG_C,
    DEG_F,
    celsius_span_to_fahrenheit,
    celsius_to_fahrenheit,
    fahrenheit_span_to_celsius,
    fahrenheit_to_celsius,
)
from riglog_watlow.parameters import Parameter, UnitKind
from riglog_watlow.stdbus import WireValue

UNITS: dict[UnitKind, str] = {
    "percent": "%",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "milliseconds": "ms",
    "ampere": "A",
}

UNINITIALISED = struct.unpack(">f", b"\xcd\xcd\xcd\xcd")[0]
"""What a heat-only unit says where a cooling value would be: memory nobody wrote."""

HEALTHY = "None"
"""What every family calls an input without an error."""

COMPANIONS: dict[str, tuple[str, ...]] = {
    "process_value": ("input_error",),
    "process_value_filtered": ("input_error",),
    "process_value_active": ("input_error",),
    "filtered_process_value": ("input_error",),
    "alarm_high_setpoint": ("alarm_type", "alarm_source"),
    "alarm_low_setpoint": ("alarm_type", "alarm_source"),
    "ramp_rate": ("ramp_scale",),
    "ramp_to_setpoint_rate": ("ramp_to_setpoint_scale",),
}
"""What has to be read with a parameter, and after it, before its number means anything."""

ALARM_SOURCE_KINDS: dict[str, UnitKind] = {
    "Analog Input": "temperature",
    "Process Value": "temperature",
    "PID Power": "percent",
    "Current": "ampere",
    "Current Read": "ampere",
}

RATE_SUFFIXES = {"Minutes": "/min", "Hours": "/h", "Degrees per Minute": "/min", "Degrees per Hour": "/h"}


class Terms(Struct, frozen=True):
    """The temperature unit of the wire, and the one asked for. None on the wire: nobody knows, nothing is converted."""

    wire: str | None
    wanted: str | None = None

    @property
    def unit(self) -> str | None:
        return self.wire and (self.wanted or self.wire)


class Meaning(NamedTuple):
    """What goes into a sample."""

    value: WireValue | None
    unit: str | None = None
    status: Status = OK
    flags: tuple[str, ...] = ()
    error: str | None = None
    text: str | None = None


def meaning(parameter: Parameter, value: WireValue, beside: Mapping[str, str], terms: Terms) -> Meaning:
    """Turn what came over the wire into a value, or into the reason why there is none.

    Args:
        beside: the labels of the parameter's companions, by name.
    """
    if isinstance(value, str):
        return Meaning(value)
    if parameter.unit_kind == "enumeration":
        return Meaning(value, text=parameter.enum.get(int(value)))
    kind = kind_of(parameter, beside)
    unit = unit_of(kind, beside, terms)
    trouble = beside.get("input_error", HEALTHY)
    if trouble != HEALTHY:
        return Meaning(None, unit, Status.FAULT, (_slug(trouble),), f"sensor: {trouble.lower()}")
    if not _credible(parameter, value, terms):
        return Meaning(None, unit, Status.OUT_OF_RANGE, (), f"{value:g} is outside of what the parameter can be")
    return Meaning(convert(value, kind, terms.wire, unit and terms.unit), unit)


def kind_of(parameter: Parameter, beside: Mapping[str, str]) -> UnitKind:
    """What kind of number it is; that of an alarm set point depends on how the alarm is set up."""
    if "alarm_type" not in beside:
        return parameter.unit_kind
    kind = ALARM_SOURCE_KINDS.get(beside["alarm_source"], "none")
    return "temperature_delta" if kind == "temperature" and beside["alarm_type"] == "Deviation Alarm" else kind


def unit_of(kind: UnitKind, beside: Mapping[str, str], terms: Terms) -> str | None:
    """The unit a converted number is in; None if nobody knows it."""
    if kind == "temperature_rate":
        suffix = next((found for label in beside.values() if (found := RATE_SUFFIXES.get(label))), None)
        return terms.unit and suffix and terms.unit + suffix
    return terms.unit if kind in ("temperature", "temperature_delta") else UNITS.get(kind)


def convert(value: float, kind: UnitKind, source: str | None, target: str | None) -> float:
    """Between degF and degC; bands, offsets and rates are differences and know no 32."""
    if source == target or source is None or target is None:
        return value
    if kind == "temperature":
        return fahrenheit_to_celsius(value) if target == DEG_C else celsius_to_fahrenheit(value)
    if kind in ("temperature_delta", "temperature_rate"):
        return fahrenheit_span_to_celsius(value) if target == DEG_C else celsius_span_to_fahrenheit(value)
    return value


def _credible(parameter: Parameter, value: float, terms: Terms) -> bool:
    if parameter.data_type != "float32":
        return True
    if not math.isfinite(value) or value == UNINITIALISED:
        return False
    if parameter.range is None:
        return True
    low, high = parameter.range.bounds(celsius=terms.wire == DEG_C)
    return low <= value <= high


def _slug(label: str) -> str:
    return label.lower().replace(" ", "_")


__all__ = ["COMPANIONS", "DEG_C", "DEG_F", "Meaning", "Terms", "convert", "kind_of", "meaning", "unit_of"]

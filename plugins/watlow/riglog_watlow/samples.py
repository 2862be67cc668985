"""What a number from the wire means: unit, range, label, and when it is no value at all. And the way back, for writing.

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
    celsius_span_to_fahrenheit,
    celsius_to_fahrenheit,
    fahrenheit_span_to_celsius,
    fahrenheit_to_celsius,
)
from riglog_watlow.access import Wire
from riglog_watlow.parameters import SD, Parameter, UnitKind, WireValue

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

SD_OFF = -200000.001
"""What an SD31 says for a set point that is switched off."""

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
ALWAYS_PER_MINUTE = "step_rate"


class Terms(Struct, frozen=True):
    """What a parameter's numbers are in on the wire, and the temperature unit asked for.

    ``process``: the input measures no temperature, its numbers are in the user's own units and never converted.
    """

    wire: Wire
    wanted: str | None = None
    process: bool = False

    @property
    def wire_unit(self) -> str | None:
        return None if self.process else self.wire.temperature_unit

    @property
    def unit(self) -> str | None:
        """What temperatures are published in; None if nobody knows."""
        return self.wire_unit and (self.wanted or self.wire_unit)


class Meaning(NamedTuple):
    """What goes into a sample."""

    value: WireValue | None
    unit: str | None = None
    status: Status = OK
    flags: tuple[str, ...] = ()
    error: str | None = None
    text: str | None = None


def meaning(parameter: Parameter, value: WireValue, beside: Mapping[str, str], terms: Terms) -> Meaning:
    """PortLock what came over the wire into a value, or into the reason why there is none.

    Args:
        beside: the labels of the parameter's companions, by name.
    """
    if isinstance(value, str):
        return Meaning(value)
    if parameter.unit_kind == "enumeration":
        return Meaning(value, text=parameter.enum.get(int(value)))
    kind = kind_of(parameter, beside)
    unit = unit_of(parameter, kind, beside, terms)
    trouble = beside.get("input_error", HEALTHY)
    if trouble != HEALTHY:
        return Meaning(None, unit, Status.FAULT, (trouble.lower().replace(" ", "_"),), f"sensor: {trouble.lower()}")
    if value == SD_OFF and parameter.family == SD:
        return Meaning(None, unit, OK, ("off",), "switched off", "Off")
    if parameter.decimals_register is not None:
        if terms.wire.decimals is None:
            return Meaning(None, unit, Status.MISSING, (), "nobody knows how many decimals the number has")
        number = value / 10**terms.wire.decimals
    else:
        number = value
    if not credible(parameter, number, terms):
        return Meaning(None, unit, Status.OUT_OF_RANGE, (), f"{number:g} is outside of what the parameter can be")
    return Meaning(convert(number, kind, terms.wire_unit, terms.unit) if unit else number, unit)


def to_wire(parameter: Parameter, value: float, beside: Mapping[str, str], terms: Terms) -> float:
    """The number to write for a value given in the unit that is published."""
    kind = kind_of(parameter, beside)
    if unit_of(parameter, kind, beside, terms):
        value = convert(value, kind, terms.unit, terms.wire_unit)
    if parameter.decimals_register is not None:
        value = round(value * 10 ** (terms.wire.decimals or 0))
    return value


def kind_of(parameter: Parameter, beside: Mapping[str, str]) -> UnitKind:
    """What kind of number it is; that of an alarm set point depends on how the alarm is set up."""
    if "alarm_type" not in beside:
        return parameter.unit_kind
    kind = ALARM_SOURCE_KINDS.get(beside["alarm_source"], "none")
    return "temperature_delta" if kind == "temperature" and beside["alarm_type"] == "Deviation Alarm" else kind


def unit_of(parameter: Parameter, kind: UnitKind, beside: Mapping[str, str], terms: Terms) -> str | None:
    """The unit a value is published in; None if nobody knows it, and then it is not converted."""
    if kind == "temperature_rate":
        suffix = next((found for label in beside.values() if (found := RATE_SUFFIXES.get(label))), None)
        if parameter.name == ALWAYS_PER_MINUTE:
            suffix = "/min"
        return terms.unit and suffix and terms.unit + suffix
    return terms.unit if kind in ("temperature", "temperature_delta") else UNITS.get(kind)


def declared_unit(parameter: Parameter, terms: Terms) -> str | None:
    """The unit a channel is expected to have before anything was read; None where its companions decide."""
    if "alarm_type" in COMPANIONS.get(parameter.name, ()):
        return None
    return unit_of(parameter, parameter.unit_kind, {}, terms)


def convert(value: float, kind: UnitKind, source: str | None, target: str | None) -> float:
    """Between degF and degC; bands, offsets and rates are differences and know no 32."""
    if source == target or source is None or target is None:
        return value
    if kind == "temperature":
        return fahrenheit_to_celsius(value) if target == DEG_C else celsius_to_fahrenheit(value)
    if kind in ("temperature_delta", "temperature_rate"):
        return fahrenheit_span_to_celsius(value) if target == DEG_C else celsius_span_to_fahrenheit(value)
    return value


def credible(parameter: Parameter, value: float, terms: Terms) -> bool:
    """Whether a number on the wire can be one of the parameter's at all."""
    if parameter.data_type != "float32":
        return True
    if not math.isfinite(value) or value == UNINITIALISED:
        return False
    if parameter.range is None:
        return True
    low, high = parameter.range.bounds(celsius=terms.wire_unit == DEG_C)
    return low <= value <= high

"""From a transmitted number to a sample: unit, label, plausibility, and the way back for writing. Pure.

Source: Watlow wire specification, section 8.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from riglog.model import NS, OK, Channel, Sample, Stamp, Status
from riglog.model.numbers import is_measurable
from riglog.model.units import (
    DEG_C,
    DEG_F,
    celsius_span_to_fahrenheit,
    celsius_to_fahrenheit,
    fahrenheit_span_to_celsius,
    fahrenheit_to_celsius,
)
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
"""Uninitialised memory: the cooling values of a heat-only controller."""

SD_OFF = -200000.001
"""The set point of a Series SD31 that is switched off."""

INVALID_UNIT = "temperature unit unknown: a setting of the controller has an invalid value"
INPUT_ERROR = "input_error"
NO_INPUT_ERROR = "None"
"""The label with which every family reports an input without an error."""

DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "process_value": (INPUT_ERROR,),
    "process_value_filtered": (INPUT_ERROR,),
    "process_value_active": (INPUT_ERROR,),
    "filtered_process_value": (INPUT_ERROR,),
    "alarm_high_setpoint": ("alarm_type", "alarm_source"),
    "alarm_low_setpoint": ("alarm_type", "alarm_source"),
    "ramp_rate": ("ramp_scale",),
    "ramp_to_setpoint_rate": ("ramp_to_setpoint_scale",),
}
"""Companions of a parameter: read after it, because they decide what its number means."""

ALARM_SOURCE_KINDS: dict[str, UnitKind] = {
    "Analog Input": "temperature",
    "Process Value": "temperature",
    "PID Power": "percent",
    "Current": "ampere",
    "Current Read": "ampere",
}

RATE_SUFFIXES = {"Minutes": "/min", "Hours": "/h", "Degrees per Minute": "/min", "Degrees per Hour": "/h"}
ALWAYS_PER_MINUTE = "step_rate"


class Raw(NamedTuple):
    """A value as it was transmitted, its time stamp and its payload."""

    value: WireValue
    stamp: Stamp
    payload: bytes | None = None

    @property
    def at(self) -> float:
        """When it was read, in seconds."""
        return self.stamp.monotonic_ns / NS


class WireUnits(Struct, frozen=True):
    """The units in which a controller transmits its numbers.

    Attributes:
        temperature_unit: None: unknown.
        decimals: decimal places of the parameters with a decimals register; None: unknown.
        is_invalid: the setting of the temperature unit has a value that it cannot have.
    """

    temperature_unit: str | None
    decimals: int | None = None
    is_invalid: bool = False


class UnitContext(Struct, frozen=True):
    """The units of one parameter: in which it is transmitted, and in which it is published.

    Attributes:
        wire: the units in which the controller transmits.
        wanted: the temperature unit to publish; None: as transmitted.
        is_process_signal: its input does not measure a temperature. The numbers have a unit that only the user knows,
            and are never converted. None: the setting of the input has a value that it cannot have.
    """

    wire: WireUnits
    wanted: str | None = None
    is_process_signal: bool | None = False

    @property
    def wire_unit(self) -> str | None:
        """The unit in which temperatures are transmitted; None if it is unknown."""
        return self.wire.temperature_unit if self.is_process_signal is False else None

    @property
    def unit(self) -> str | None:
        """The unit in which temperatures are published; None if it is unknown."""
        wire_unit = self.wire_unit
        return wire_unit and (self.wanted or wire_unit)

    @property
    def is_invalid(self) -> bool:
        """Whether the unit is unknown because a setting has a value that it cannot have."""
        return self.is_process_signal is None or (self.wire.is_invalid and not self.is_process_signal)


class Interpretation(NamedTuple):
    """The meaning of a number: a value, or the reason why there is none."""

    value: WireValue | None
    unit: str | None = None
    status: Status = OK
    flags: tuple[str, ...] = ()
    error: str | None = None
    text: str | None = None


def sample_of(
    channel: Channel, parameter: Parameter, raw: Raw, companion_labels: Mapping[str, str], context: UnitContext
) -> Sample:
    """Return the sample of a channel for a transmitted value."""
    value, unit, status, flags, error, text = interpret(parameter, raw.value, companion_labels, context)
    return Sample(
        channel=channel,
        stamp=raw.stamp,
        value=value,
        unit=unit,
        status=status,
        flags=flags,
        error=error,
        text=text,
        raw=raw.payload,
    )


def interpret(
    parameter: Parameter, value: WireValue, companion_labels: Mapping[str, str], context: UnitContext
) -> Interpretation:
    """Return the meaning of a transmitted value.

    Args:
        companion_labels: the labels of the parameters it depends on, by name.
    """
    if isinstance(value, str):
        return Interpretation(value)
    if parameter.unit_kind == "enumeration":
        return Interpretation(value, text=parameter.enum.get(int(value)))
    kind = kind_of(parameter, companion_labels)
    unit = unit_of(parameter, kind, companion_labels, context)
    input_error = companion_labels.get(INPUT_ERROR, NO_INPUT_ERROR)
    if input_error != NO_INPUT_ERROR:
        return Interpretation(
            None, unit, Status.FAULT, (error_flag(input_error),), f"sensor error: {input_error.lower()}"
        )
    if value == SD_OFF and parameter.family == SD:
        return Interpretation(None, unit, OK, ("off",), "set point off", "Off")
    number: float = value
    if parameter.decimals_register is not None:
        if context.wire.decimals is None:
            return Interpretation(None, unit, Status.MISSING, (), "no value: number of decimal places unknown")
        number = value / 10**context.wire.decimals
    wire_unit = context.wire_unit
    if not is_plausible(parameter, number, wire_unit):
        return Interpretation(None, unit, Status.OUT_OF_RANGE, (), f"{number:g} is outside the range of the parameter")
    if context.is_invalid and kind.startswith("temperature"):
        return Interpretation(number, None, Status.SUSPECT, ("unit_unknown",), INVALID_UNIT)
    return Interpretation(convert(number, kind, wire_unit, context.unit) if unit else number, unit)


def comparable(
    parameter: Parameter, value: WireValue, companion_labels: Mapping[str, str], context: UnitContext
) -> float | int | str | None:
    """Return a transmitted value so that it can be compared with others: temperatures in degF, whatever is published.

    None: no controller can have transmitted it, or it is not known what it means.
    """
    if isinstance(value, str) or parameter.unit_kind == "enumeration":
        return value
    number = float(value)
    if parameter.decimals_register is not None:
        if context.wire.decimals is None:
            return None
        number /= 10**context.wire.decimals
    wire_unit = context.wire_unit
    if (value == SD_OFF and parameter.family == SD) or not is_plausible(parameter, number, wire_unit):
        return None
    return convert(number, kind_of(parameter, companion_labels), wire_unit, DEG_F)


def from_wire(parameter: Parameter, value: float, companion_labels: Mapping[str, str], context: UnitContext) -> float:
    """Return a transmitted number in the unit that is published, whether it is plausible or not."""
    kind = kind_of(parameter, companion_labels)
    if parameter.decimals_register is not None:
        value = value / 10 ** (context.wire.decimals or 0)
    if unit_of(parameter, kind, companion_labels, context):
        value = convert(value, kind, context.wire_unit, context.unit)
    return value


def to_wire(parameter: Parameter, value: float, companion_labels: Mapping[str, str], context: UnitContext) -> float:
    """Return the number to transmit for a value in the unit that is published."""
    kind = kind_of(parameter, companion_labels)
    if unit_of(parameter, kind, companion_labels, context):
        value = convert(value, kind, context.unit, context.wire_unit)
    if parameter.decimals_register is not None:
        value = round(value * 10 ** (context.wire.decimals or 0))
    return value


def kind_of(parameter: Parameter, companion_labels: Mapping[str, str]) -> UnitKind:
    """Return the kind of a parameter's number; that of an alarm set point depends on the settings of the alarm."""
    if "alarm_type" not in companion_labels:
        return parameter.unit_kind
    kind = ALARM_SOURCE_KINDS.get(companion_labels["alarm_source"], "none")
    is_deviation = companion_labels["alarm_type"] == "Deviation Alarm"
    return "temperature_delta" if kind == "temperature" and is_deviation else kind


def unit_of(
    parameter: Parameter, kind: UnitKind, companion_labels: Mapping[str, str], context: UnitContext
) -> str | None:
    """Return the unit in which a value is published; None if it is unknown, and then the value is not converted."""
    if kind == "temperature_rate":
        suffix = next((RATE_SUFFIXES[label] for label in companion_labels.values() if label in RATE_SUFFIXES), None)
        if parameter.name == ALWAYS_PER_MINUTE:
            suffix = "/min"
        unit = context.unit
        return unit and suffix and unit + suffix
    return context.unit if kind in ("temperature", "temperature_delta") else UNITS.get(kind)


def declared_unit(parameter: Parameter, context: UnitContext) -> str | None:
    """Return the unit a channel is expected to have before it is read; None where its companions decide."""
    if "alarm_type" in DEPENDS_ON.get(parameter.name, ()):
        return None
    return unit_of(parameter, parameter.unit_kind, {}, context)


def convert(value: float, kind: UnitKind, source: str | None, target: str | None) -> float:
    """Convert between degF and degC. Bands, offsets and rates are differences: they convert without the 32."""
    if source == target or source is None or target is None:
        return value
    if kind == "temperature":
        return fahrenheit_to_celsius(value) if target == DEG_C else celsius_to_fahrenheit(value)
    if kind in ("temperature_delta", "temperature_rate"):
        return fahrenheit_span_to_celsius(value) if target == DEG_C else celsius_span_to_fahrenheit(value)
    return value


def is_plausible(parameter: Parameter, number: float, wire_unit: str | None) -> bool:
    """Return whether a transmitted number can be a value of the parameter."""
    if parameter.data_type != "float32":
        return True
    if not is_measurable(number) or number == UNINITIALISED:
        return False
    if parameter.range is None:
        return True
    low, high = parameter.range.bounds(celsius=wire_unit == DEG_C)
    return low <= number <= high


def error_flag(label: str) -> str:
    """Return the flag for an error of an input."""
    return label.lower().replace(" ", "_")


def label_of(parameter: Parameter, value: WireValue) -> str:
    """Return the label of a code; the code as digits if it has none."""
    return parameter.enum.get(value, str(value)) if isinstance(value, int) else str(value)

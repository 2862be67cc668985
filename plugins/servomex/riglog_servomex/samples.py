"""Readings, the same over all three protocols, and the samples they become. Pure.

Source: Servomex wire specification, sections 1, 10 and 11.4.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, structs

from riglog.device import DeviceContext
from riglog.model import Channel, Sample, Stamp, Status
from riglog_servomex.config import ServomexConfig
from riglog_servomex.errors import ChannelAbsentError
from riglog_servomex.positions import Kind, Position, find_position
from riglog_servomex.units import Unit, convert

MODEL = "4000-series"
"""The analyzer has no identity data: only the series is known."""


class Flags(Struct, frozen=True):
    """The flags of one channel. ``invalid``: of external inputs over Modbus only; it counts as a fault."""

    fault: bool = False
    maintenance: bool = False
    calibrating: bool = False
    warming_up: bool = False
    alarms: tuple[bool, bool, bool, bool] = (False, False, False, False)
    invalid: bool = False

    @property
    def ok(self) -> bool:
        """True without fault and alarm; maintenance, calibrating and warming up do not count."""
        return not (self.fault or any(self.alarms))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the flags of a row. A derived channel copies those of its parent; only its alarms are its own."""
        prefix = "parent_" if kind is Kind.DERIVED else ""
        states = ("fault", "maintenance", "calibrating", "warming_up")
        names = [prefix + state for state in states if getattr(self, state)]
        names += ["invalid"] if self.invalid else []
        return (*names, *(f"alarm{number}" for number, raised in enumerate(self.alarms, 1) if raised))


class Phase(StrEnum):
    """The phase of the autocalibration of one group."""

    IDLE = "idle"
    CAL_GAS_1 = "cal_gas_1"
    CAL_GAS_2 = "cal_gas_2"


class AnalyzerStatus(Struct, frozen=True):
    """``groups``: the calibration groups 1 to 4. ``clock``: that of the analyzer, local time and often wrong."""

    fault: bool
    maintenance: bool
    groups: tuple[Phase, Phase, Phase, Phase]
    clock: str | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that each row of the analyzer has."""
        fault = ("analyzer_fault",) if self.fault else ()
        return (*fault, "analyzer_maintenance") if self.maintenance else fault


class Reading(Struct, frozen=True):
    """One channel at one instant.

    Attributes:
        value: None if the analyzer sent no number; then ``problem`` is what it sent instead.
        above_range: what it sent instead means that the value is above the range.
        analyzer: the status of the analyzer, if it was read together with this channel.
    """

    position: Position
    name: str | None
    value: float | None
    unit: Unit
    flags: Flags
    stamp: Stamp
    problem: str | None = None
    raw: bytes | None = None
    above_range: bool = False
    analyzer: AnalyzerStatus | None = None

    @property
    def facts(self) -> dict[str, object]:
        """What the reading states besides the number and the flags."""
        return {"name": self.name or "", "unit": self.unit.text}

    def without_value(self, problem: str) -> "Reading":
        """Return the same reading without its value."""
        return structs.replace(self, value=None, problem=problem, above_range=False)


Readings = Mapping[str, Reading]
"""By channel id."""


class Read(NamedTuple):
    """One part of a poll. ``positions``: those whose readings ``perform`` returns, perhaps none."""

    positions: tuple[Position, ...]
    perform: Callable[[], Awaitable[Readings]]


class Identity(Struct, frozen=True):
    """All that is known about which analyzer this is: its series and its channels (id, name, unit)."""

    model: str
    channels: tuple[tuple[str, str | None, str | None], ...]


class Snapshot(Struct, frozen=True):
    """What was read last, each channel with its stamp. Not a new sample.

    ``frames_discarded``: broadcast frames so far that were damaged, repeated or out of order.
    """

    readings: tuple[Reading, ...]
    analyzer: AnalyzerStatus | None
    frames_discarded: int = 0


# --- which channels


def present(readings: Readings) -> list[Reading]:
    """Return the readings of channels that are present.

    Empty positions respond too, but have no name. External inputs are always present, and usually have no name.
    """
    return [reading for reading in readings.values() if is_input(reading) or reading.name is not None]


def select_channels(config: ServomexConfig, readings: Readings) -> list[Reading]:
    """Return the readings of the configured channels; none configured: of all that are present.

    Raises:
        ChannelAbsentError: a configured channel is not present.
    """
    if not config.parameters:
        return [reading for reading in present(readings) if config.external_inputs or not is_input(reading)]
    wanted = dict.fromkeys(find_position(name).id for name in config.parameters)
    for channel in wanted:
        if channel not in readings:
            raise ChannelAbsentError(
                f"channel {channel} is not present in this analyzer", hint=f"Available: {', '.join(readings)}"
            )
    return [readings[channel] for channel in wanted]


def identity_of(readings: Readings) -> str:
    """Return the identity: without a serial number, only the gas channels distinguish one analyzer from another."""
    return " ".join([MODEL, *(reading.position.id for reading in present(readings) if not is_input(reading))])


def is_input(reading: Reading) -> bool:
    """Return True for an external input."""
    return reading.position.kind is Kind.EXTERNAL_INPUT


# --- from a reading to a sample


def channel_of(context: DeviceContext, reading: Reading, wanted_unit: str | None) -> Channel:
    """Return the channel of a reading: its ``parameter`` is the position, the name of the gas is the sample's text."""
    unit = reading.unit.symbol
    if wanted_unit is not None:
        _, unit = convert(0.0, unit, wanted_unit)
    return context.channel(reading.position.parameter, unit=unit)


def sample_of(channel: Channel, reading: Reading, wanted_unit: str | None = None, *, unproven: bool = False) -> Sample:
    """Return the sample of a reading. Its ``text`` is the name of the gas that the analyzer has now.

    Args:
        unproven: the reading states another name or unit than the readings before; the next one decides.
    """
    flags = reading.flags.names(reading.position.kind) + (reading.analyzer.flags if reading.analyzer else ())
    status = status_of(reading)
    value, unit = reading.value, reading.unit.symbol
    if value is not None and wanted_unit is not None:
        value, unit = convert(value, unit, wanted_unit)
    return Sample(
        channel=channel,
        stamp=reading.stamp,
        value=value,
        unit=unit,
        status=Status.SUSPECT if unproven and status is Status.OK else status,
        flags=(*flags, "unproven") if unproven else flags,
        error=reading.problem,
        text=reading.name,
        raw=reading.raw,
    )


def status_of(reading: Reading) -> Status:
    """Return the status of a reading. Flags do not remove the value; a derived channel has no fault of its own."""
    flags = reading.flags
    if reading.above_range:
        return Status.OUT_OF_RANGE
    if flags.fault and reading.position.kind is not Kind.DERIVED:
        return Status.FAULT
    if reading.value is None:
        return Status.MISSING
    if flags.fault or flags.maintenance or flags.calibrating or flags.warming_up or not reading.unit.is_text:
        return Status.SUSPECT
    return Status.OK

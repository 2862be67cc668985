"""What an analyser says about its channels and itself, the same words over all three protocols.

Source: Servomex wire specification, sections 1 and 11.4.
"""

from enum import StrEnum

from msgspec import Struct

from riglog.model import Stamp
from riglog_servomex.positions import Kind, Position
from riglog_servomex.text import Unit

MODEL = "4000-series"
"""The analyser has no identity data; all that can be said is the series."""


class Flags(Struct, frozen=True):
    """Of one channel. ``invalid`` exists on external inputs only, over Modbus only, and counts as fault."""

    fault: bool = False
    maintenance: bool = False
    calibrating: bool = False
    warming_up: bool = False
    alarms: tuple[bool, bool, bool, bool] = (False, False, False, False)
    invalid: bool = False

    @property
    def ok(self) -> bool:
        """No fault and no alarm; maintenance, calibrating and warming up do not count."""
        return not (self.fault or any(self.alarms))

    def words(self, kind: Kind) -> tuple[str, ...]:
        """For the flags of a row. A derived channel copies the state of its parent and has only alarms of its own."""
        prefix = "parent_" if kind is Kind.DERIVED else ""
        states = ("fault", "maintenance", "calibrating", "warming_up")
        words = [prefix + state for state in states if getattr(self, state)]
        words += ["invalid"] if self.invalid else []
        return (*words, *(f"alarm{number}" for number, raised in enumerate(self.alarms, 1) if raised))


class Phase(StrEnum):
    IDLE = "idle"
    CAL_GAS_1 = "cal_gas_1"
    CAL_GAS_2 = "cal_gas_2"


class AnalyserStatus(Struct, frozen=True):
    """``groups`` are the calibration groups 1 to 4; ``clock`` is the analyser's own, local and often wrong."""

    fault: bool
    maintenance: bool
    groups: tuple[Phase, Phase, Phase, Phase]
    clock: str | None = None


class Reading(Struct, frozen=True):
    """One channel at one instant. ``value`` None: the analyser sends none, ``problem`` says what it sends instead.

    ``over``: what it sends says that the value is above the range.
    """

    position: Position
    name: str | None
    value: float | None
    unit: Unit
    flags: Flags
    stamp: Stamp
    problem: str | None = None
    raw: bytes | None = None
    over: bool = False


class Identity(Struct, frozen=True):
    """What can be known of an analyser: its series and its channels (id, name, unit)."""

    model: str
    channels: tuple[tuple[str, str | None, str | None], ...]


class Snapshot(Struct, frozen=True):
    """What was read last, for looking at; never a new sample."""

    readings: tuple[Reading, ...]
    analyser: AnalyserStatus | None

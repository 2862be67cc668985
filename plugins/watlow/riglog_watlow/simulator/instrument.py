"""What every simulated controller has: values by parameter and instance, and an oven. No wire, no clock.

Temperatures are degF inside, whatever a wire makes of them. ``now`` is in seconds and only grows.
"""

from collections.abc import Mapping
from enum import IntEnum

from riglog.errors import ConfigError, WriteRefusedError
from riglog_watlow.parameters import Family, Parameter, WireValue, registry
from riglog_watlow.plan import Target, target
from riglog_watlow.simulator.oven import Oven
from riglog_watlow.writer import coded

OPEN_SENSOR = 2530.409
"""What an open thermocouple reads: a plausible number, and no NaN."""


class Refusal(IntEnum):
    """Why a controller refuses, as the error codes of the Standard Bus."""

    READ_ONLY = 0x80
    NO_CLASS = 0x81
    NO_MEMBER = 0x83
    NO_INSTANCE = 0x84
    WRONG_TYPE = 0x85
    NOT_ACCEPTED = 0x86


class Refused(Exception):  # noqa: N818  - what the controller says, not what went wrong here
    """The controller answers with this refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class SimulatedController:
    """One controller. ``values`` are stored, ``pinned`` ones are measured values that somebody holds fast."""

    family: Family
    start: Mapping[str, WireValue] = {}
    loops = 1

    def __init__(self) -> None:
        self.registry = registry(self.family)
        self.ovens = {loop: Oven() for loop in range(1, self.loops + 1)}
        self.pinned: dict[Target, WireValue] = {}
        self.values: dict[Target, WireValue] = {}
        for parameter in self.registry:
            for instance in self.instances(parameter):
                value = self.start.get(parameter.name, parameter.default)
                self.values[Target(parameter, instance)] = _resting(parameter) if value is None else value

    def instances(self, parameter: Parameter) -> range:
        """Those this unit was built with."""
        return range(1, max(parameter.instances) + 1)

    def live(self, one: Target) -> WireValue | None:
        """What is measured or follows from other values; None for what is just stored."""
        return None

    def advance(self, now: float) -> None:
        """Let the ovens live until ``now``."""

    def stored(self, name: str, instance: int = 1) -> WireValue:
        return self.values[Target(self.registry.find(name), instance)]

    def number(self, name: str, instance: int = 1) -> float:
        return float(self.stored(name, instance))

    def word(self, name: str, instance: int = 1) -> str:
        """The label of an enumerated value."""
        return self.registry.find(name).enum[int(self.stored(name, instance))]

    def read(self, one: Target, now: float) -> WireValue:
        """A value.

        Raises:
            Refused: not on this unit.
        """
        if one not in self.values:
            raise Refused(Refusal.NO_INSTANCE)
        self.advance(now)
        if one in self.pinned:
            return self.pinned[one]
        live = self.live(one)
        return self.values[one] if live is None else live

    def check_writable(self, one: Target) -> None:
        """Refuses in the order of the device: read-only comes before instance.

        Raises:
            Refused: it cannot be written.
        """
        if not one.parameter.writable:
            raise Refused(Refusal.READ_ONLY)
        if one not in self.values:
            raise Refused(Refusal.NO_INSTANCE)

    def write(self, one: Target, value: WireValue, now: float) -> None:
        """Store a value; an action is done and leaves nothing behind.

        Raises:
            Refused: read-only, not there, or not such a value.
        """
        self.check_writable(one)
        if not self.acceptable(one, value):
            raise Refused(Refusal.NOT_ACCEPTED)
        self.advance(now)
        if one.parameter.storage != "action":
            self.values[one] = value

    def acceptable(self, one: Target, value: WireValue) -> bool:
        parameter = one.parameter
        if isinstance(value, str):
            return True
        if parameter.enum:
            return value in parameter.enum
        low, high = parameter.range.bounds() if parameter.range else (float("-inf"), float("inf"))
        return low <= value <= high

    def set(self, name: str, text: str) -> None:
        """Set any parameter, as ``name`` or ``name[instance]``. Measured values stay as set, until ``auto``.

        Raises:
            ConfigError: no such parameter, or no such value.
        """
        one = target(name, self.registry)
        if one not in self.values:
            raise ConfigError(f"the simulated controller has no {one}")
        if text == "auto":
            self.pinned.pop(one, None)
            return
        try:
            value = coded(one.parameter, text, finite=False)
        except WriteRefusedError as error:
            raise ConfigError(error.message, hint=error.hint) from None
        (self.values if self.live(one) is None else self.pinned)[one] = value


def _resting(parameter: Parameter) -> WireValue:
    if parameter.data_type == "string":
        return ""
    if parameter.enum:
        return next(iter(parameter.enum))
    low, high = parameter.range.bounds() if parameter.range else (0.0, 0.0)
    value = min(max(0.0, low), high)
    return value if parameter.data_type == "float32" else int(value)

"""The state of a simulated controller: values by parameter and instance, and its ovens. No protocol, no clock.

Temperatures are stored in degF, whatever a protocol transmits. ``now`` is in seconds and never decreases.
"""

from collections.abc import Mapping
from enum import IntEnum

from riglog.errors import ConfigError, WriteRefusedError
from riglog.model import Channel
from riglog.model.units import DEG_F
from riglog_watlow.parameters import Family, Parameter, WireValue, parse_value, registry
from riglog_watlow.samples import INPUT_ERROR, NO_INPUT_ERROR, convert, kind_of, label_of
from riglog_watlow.simulator.panel import Panel
from riglog_watlow.targets import Target, parse_target

OPEN_SENSOR = 2530.409
"""The reading of an open thermocouple: a plausible number, not NaN."""

SIGNAL_PER_DEGREE = 0.05
"""What an input for a process signal shows, as a part of the temperature in degF."""

AMBIENT = 72.0
MAX_STEP = 0.5  # s, of the integration


class Refusal(IntEnum):
    """The reasons of a refusal, as error codes of the Standard Bus."""

    READ_ONLY = 0x80
    NO_CLASS = 0x81
    NO_MEMBER = 0x83
    NO_INSTANCE = 0x84
    WRONG_TYPE = 0x85
    NOT_ACCEPTED = 0x86


class Refused(Exception):  # noqa: N818  - the reply of the controller, not an error of the simulator
    """The controller responds with this refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class Oven:
    """An oven with a heater, so that a process value follows its set point.

    First order: full power ends at ``ambient + rise``. Temperatures in degF, times in s, power in %.
    """

    def __init__(self, *, ambient: float = AMBIENT, rise: float = 800.0, time_constant: float = 60.0) -> None:
        self.ambient = ambient
        self.rise = rise
        self.time_constant = time_constant
        self.temperature = ambient
        self.power = 0.0
        self._at: float | None = None

    def advance(self, now: float, setpoint: float | None, band: float, manual: float) -> None:
        """Simulate until ``now``. Without a ``setpoint`` the heater is at ``manual``.

        The controller applies the power that holds the set point, plus a part proportional to the deviation.
        """
        at = now if self._at is None else self._at
        self._at = max(now, at)
        left = min(now - at, 10 * self.time_constant)
        while True:
            self.power = manual if setpoint is None else self._controlled_power(setpoint, band)
            self.power = min(max(self.power, 0.0), 100.0)
            if left <= 0:
                return
            step = min(left, MAX_STEP)
            settled = self.ambient + self.rise * self.power / 100
            self.temperature += (settled - self.temperature) * step / self.time_constant
            left -= step

    def _controlled_power(self, setpoint: float, band: float) -> float:
        hold = 100 * (setpoint - self.ambient) / self.rise
        return hold + 100 * (setpoint - self.temperature) / max(band, 0.001)


class SimulatedController:
    """One controller.

    Attributes:
        values: stored values.
        fixed: measured values that ``set`` has fixed until they are set to ``auto``.
        panel: what happens to it without a request; its protocols report every request to it.
        process_signal: a parameter and the labels with which an input does not measure a temperature.
    """

    family: Family
    process_signal: tuple[str, frozenset[str]] | None = None
    start: Mapping[str, WireValue] = {}
    loops = 1

    def __init__(self) -> None:
        self.registry = registry(self.family)
        self.panel = Panel()
        self.ovens = {loop: Oven() for loop in range(1, self.loops + 1)}
        self.fixed: dict[Target, WireValue] = {}
        self.values: dict[Target, WireValue] = {}
        for parameter in self.registry:
            for instance in self.instances(parameter):
                value = self.start.get(parameter.name, parameter.default)
                self.values[Target(parameter, instance)] = _initial_value(parameter) if value is None else value

    def instances(self, parameter: Parameter) -> range:
        """Return the instances of a parameter that this model has."""
        return range(1, max(parameter.instances) + 1)

    def live(self, target: Target) -> WireValue | None:
        """Return a value that is measured or follows from others; None for one that is only stored."""
        return None

    def advance(self, now: float) -> None:
        """Simulate the ovens until ``now``."""

    def stored(self, name: str, instance: int = 1) -> WireValue:
        return self.values[Target(self.registry.find(name), instance)]

    def number(self, name: str, instance: int = 1) -> float:
        return float(self.stored(name, instance))

    def label(self, name: str, instance: int = 1) -> str:
        """Return the label of an enumerated value; the code as digits if it has none."""
        return label_of(self.registry.find(name), int(self.stored(name, instance)))

    def schedule(self, at: float, name: str, text: str) -> None:
        """Set a parameter at a time in seconds, as a person at the panel does, or a sensor that fails."""
        self.panel.at(at, lambda: self.set(name, text))

    def is_process_signal(self, instance: int = 1) -> bool:
        """Return whether an input does not measure a temperature."""
        if self.process_signal is None:
            return False
        name, labels = self.process_signal
        target = Target(self.registry.find(name), instance)
        return target in self.values and self.label(name, instance) in labels

    def _measured(self, oven: Oven, instance: int = 1) -> float:
        """Return what an input reads."""
        if self.has_input_error(instance):
            return OPEN_SENSOR
        return oven.temperature * (SIGNAL_PER_DEGREE if self.is_process_signal(instance) else 1.0)

    def has_input_error(self, instance: int = 1) -> bool:
        """Return whether the sensor of an input has failed: what it measures then is not a value."""
        return self.label(INPUT_ERROR, instance) != NO_INPUT_ERROR

    def truth(self, channel: Channel, unit: str = DEG_F) -> float | None:
        """Return the true value of a channel now, whatever its sensor reads; None if there is none.

        Args:
            unit: of temperatures.
        """
        target = Target(self.registry.find(channel.parameter), channel.instance)
        name = channel.parameter
        if name.startswith(("process_value", "filtered_process_value")) and self.has_input_error(channel.instance):
            return None
        live = self.fixed.get(target, self.live(target))
        value = self.values[target] if live is None else live
        if isinstance(value, str):
            return None
        if target.parameter.unit_kind == "enumeration" or self.is_process_signal(channel.instance):
            return value
        return convert(value, kind_of(target.parameter, self.companion_labels(target)), DEG_F, unit)

    def companion_labels(self, target: Target) -> dict[str, str]:
        """Return the settings that decide what an alarm set point means."""
        if target.parameter.name not in ("alarm_high_setpoint", "alarm_low_setpoint"):
            return {}
        names = ("alarm_type", "alarm_source")
        return {name: self.label(name, target.instance) for name in names if name in self.registry}

    def read(self, target: Target, now: float) -> WireValue:
        """Return a value.

        Raises:
            Refused: this model does not have it.
        """
        if target not in self.values:
            raise Refused(Refusal.NO_INSTANCE)
        self.advance(now)
        if target in self.fixed:
            return self.fixed[target]
        live = self.live(target)
        return self.values[target] if live is None else live

    def check_writable(self, target: Target) -> None:
        """Refuse in the order of the device: read-only comes before instance.

        Raises:
            Refused: it is not writable.
        """
        if not target.parameter.writable:
            raise Refused(Refusal.READ_ONLY)
        if target not in self.values:
            raise Refused(Refusal.NO_INSTANCE)

    def write(self, target: Target, value: WireValue, now: float) -> None:
        """Store a value; an action is executed and not stored.

        Raises:
            Refused: read-only, not present, or an invalid value.
        """
        self.check_writable(target)
        if not self.acceptable(target, value):
            raise Refused(Refusal.NOT_ACCEPTED)
        self.advance(now)
        if target.parameter.storage != "action":
            self.values[target] = value

    def acceptable(self, target: Target, value: WireValue) -> bool:
        """Return whether the controller accepts a value."""
        parameter = target.parameter
        if isinstance(value, str):
            return True
        if parameter.enum:
            return value in parameter.enum
        low, high = parameter.range.bounds() if parameter.range else (float("-inf"), float("inf"))
        return low <= value <= high

    def set(self, name: str, text: str) -> None:
        """Set any parameter, given as ``name`` or ``name[instance]``. ``auto`` releases a measured value.

        Raises:
            ConfigError: unknown parameter, or invalid value.
        """
        target = parse_target(name, self.registry)
        if target not in self.values:
            raise ConfigError(f"--set: unknown parameter {target} of the simulated controller")
        if text == "auto":
            self.fixed.pop(target, None)
            return
        try:
            value = parse_value(target.parameter, text, finite=False)
        except WriteRefusedError as error:
            raise ConfigError(error.message, hint=error.hint) from None
        (self.values if self.live(target) is None else self.fixed)[target] = value


def _initial_value(parameter: Parameter) -> WireValue:
    if parameter.data_type == "string":
        return ""
    if parameter.enum:
        return next(iter(parameter.enum))
    low, high = parameter.range.bounds() if parameter.range else (0.0, 0.0)
    value = min(max(0.0, low), high)
    return value if parameter.data_type == "float32" else int(value)

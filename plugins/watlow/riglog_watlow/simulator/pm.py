"""An EZ-ZONE PM as it behaves, without any wire: a loop that heats, parameters that can be written, codes that refuse.

Source: Watlow wire specification, sections 5, 6, 8.2 and 15.
"""

import re

from riglog.errors import ConfigError
from riglog_watlow.meaning import UNINITIALISED
from riglog_watlow.parameters import Parameter, registry
from riglog_watlow.simulated_oven import Oven
from riglog_watlow.stdbus import WireValue

NO_CLASS, NO_MEMBER, NO_INSTANCE, READ_ONLY, WRONG_TYPE, NOT_ACCEPTED = 0x81, 0x83, 0x84, 0x80, 0x85, 0x86

OPEN_SENSOR = 2530.409
"""What an open thermocouple reads: a plausible number, and no NaN."""

NO_ERROR, OFF, MANUAL, PROCESS_ALARM = 61, 62, 54, 76

START: dict[int, WireValue] = {
    1001: 28, 1002: 5678, 1003: 12, 1005: 3, 1009: "PM3R1CA-AAAAAAA", 1011: "EZ-ZONE PM", 1016: 138,
    3005: 30, 4002: NO_ERROR, 4004: 72.0, 4005: 95, 4006: 46, 4007: 1,
    7001: 75.0, 7003: -1999.0, 7004: 9999.0, 7005: -100.0, 7006: 100.0,
    8001: 10, 8003: 71, 8004: OFF, 8006: 180.0, 8007: 0.0, 8009: 25.0,
    8012: UNINITIALISED, 8013: UNINITIALISED, 8014: UNINITIALISED,
    9001: 300.0, 9002: 32.0, 9003: 1.0, 9015: OFF,
    17009: 1286, 17043: 1331, 17050: 30, 17051: 106,
}  # fmt: skip
"""How the unit leaves the shelf: one loop, one input, heat only."""

NAMED = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<instance>\d+)\])?")


class Refused(Exception):  # noqa: N818  - what the controller says, not what went wrong here
    """The controller answers with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code:02X}")
        self.code = code


class SimulatedPM:
    """Temperatures are degF inside, whatever a wire makes of them. ``now`` is in seconds and only grows."""

    def __init__(self, address: int = 1, *, loops: int = 1) -> None:
        self.address = address
        self.registry = registry()
        self.ovens = {loop: Oven() for loop in range(1, loops + 1)}
        self.values: dict[tuple[int, int], WireValue] = {}
        self.pinned: dict[tuple[int, int], WireValue] = {}
        self._instances = {
            1: 1, 3: 1, 4: loops, 6: 2, 7: loops, 8: loops, 9: 4, 10: 2, 17: 1, 18: 1, 21: 40, 22: 1,
        }  # fmt: skip
        self._classes = {one.id // 1000 for one in self.registry if one.id is not None}
        serial = 123_456 + address
        start = START | {1007: serial, 1032: str(serial)}
        for parameter in self.registry:
            for instance in range(1, self._instances.get((parameter.id or 0) // 1000, 0) + 1):
                value = start.get(parameter.id or 0, parameter.default)
                self.values[parameter.id or 0, instance] = _resting(parameter) if value is None else value

    def read(self, parameter_id: int, instance: int, now: float) -> tuple[Parameter, WireValue]:
        """The parameter and its value.

        Raises:
            Refused: not on this unit.
        """
        parameter = self._known(parameter_id)
        self._check_instance(parameter_id, instance)
        self._advance(now)
        if (parameter_id, instance) in self.pinned:
            return parameter, self.pinned[parameter_id, instance]
        live = self._live(parameter_id, instance)
        return parameter, self.values[parameter_id, instance] if live is None else live

    def check_writable(self, parameter_id: int, instance: int) -> Parameter:
        """The parameter, if it can be written. Refuses in the order of the device: read-only comes before instance.

        Raises:
            Refused: it cannot.
        """
        parameter = self._known(parameter_id)
        if not parameter.writable:
            raise Refused(READ_ONLY)
        self._check_instance(parameter_id, instance)
        return parameter

    def write(self, parameter_id: int, instance: int, value: WireValue, now: float) -> None:
        """Store a value; an action is done and leaves nothing behind.

        Raises:
            Refused: read-only, not there, or not such a value.
        """
        parameter = self.check_writable(parameter_id, instance)
        if not self._acceptable(parameter, instance, value):
            raise Refused(NOT_ACCEPTED)
        self._advance(now)
        if parameter.storage != "action":
            self.values[parameter_id, instance] = value

    def set(self, name: str, text: str) -> None:
        """Turn a knob: any parameter by ``name`` or ``name[instance]``. Measured values stay as set, until ``auto``.

        Raises:
            ConfigError: no such parameter, or no such value.
        """
        match = NAMED.fullmatch(name)
        parameter = self.registry.find(match["name"] if match else name)
        key = (parameter.id or 0, int(match["instance"] or 1) if match else 1)
        if key not in self.values:
            raise ConfigError(f"the simulated controller has no {name}")
        if text == "auto":
            self.pinned.pop(key, None)
        elif self._live(*key) is None:
            self.values[key] = parse_value(parameter, text)
        else:
            self.pinned[key] = parse_value(parameter, text)

    def _known(self, parameter_id: int) -> Parameter:
        if parameter_id // 1000 not in self._classes:
            raise Refused(NO_CLASS)
        parameter = self.registry.get(parameter_id)
        if parameter is None or (parameter.map1 is None and parameter.data_type != "string"):
            raise Refused(NO_MEMBER)
        return parameter

    def _check_instance(self, parameter_id: int, instance: int) -> None:
        if not 1 <= instance <= self._instances.get(parameter_id // 1000, 0):
            raise Refused(NO_INSTANCE)

    def _acceptable(self, parameter: Parameter, instance: int, value: WireValue) -> bool:
        if isinstance(value, str):
            return True
        if parameter.enum:
            return value in parameter.enum
        low, high = parameter.range.bounds() if parameter.range else (float("-inf"), float("inf"))
        if parameter.id == 7001:
            low, high = float(self.values[7003, instance]), float(self.values[7004, instance])
        return low <= value <= high

    def _advance(self, now: float) -> None:
        for loop, oven in self.ovens.items():
            mode, setpoint, band = (float(self.values[one, loop]) for one in (8001, 7001, 8009))
            manual = float(self.values[7002, loop]) if mode == MANUAL else 0.0
            oven.advance(now, None if mode in (OFF, MANUAL) else setpoint, band, manual)

    def _live(self, parameter_id: int, instance: int) -> WireValue | None:
        """What is measured or follows from other values; None for what is just stored."""
        oven = self.ovens.get(instance)
        if parameter_id == 9009:
            return self._alarm(instance)
        if oven is None:
            return None
        match parameter_id:
            case 4001 | 4022 | 8031:
                return oven.temperature if self.values[4002, instance] == NO_ERROR else OPEN_SENSOR
            case 7007:
                return self.values[7001, instance]
            case 8002:
                return self.values[8001, instance]
            case 8011 | 8033:
                return oven.power
        return None

    def _alarm(self, instance: int) -> int:
        if self.values[9015, instance] != PROCESS_ALARM:
            return NO_ERROR
        temperature = self.ovens[1].temperature
        high, low = float(self.values[9001, instance]), float(self.values[9002, instance])
        return 7 if temperature > high else 8 if temperature < low else NO_ERROR


def parse_value(parameter: Parameter, text: str) -> WireValue:
    """A value as people write it: a number, the label of an enumeration in any case, or text.

    Raises:
        ConfigError: no such value.
    """
    if parameter.data_type == "string":
        return text
    for code, label in parameter.enum.items():
        if label.lower() == text.lower():
            return code
    try:
        return float(text) if parameter.data_type == "float32" else int(text)
    except ValueError:
        labels = ", ".join(f"{label!r}" for label in parameter.enum.values())
        raise ConfigError(f"{text!r} is no value of {parameter.name}", hint=labels or "a number") from None


def _resting(parameter: Parameter) -> WireValue:
    if parameter.data_type == "string":
        return ""
    if parameter.enum:
        return next(iter(parameter.enum))
    low, high = parameter.range.bounds() if parameter.range else (0.0, 0.0)
    value = min(max(0.0, low), high)
    return value if parameter.data_type == "float32" else int(value)

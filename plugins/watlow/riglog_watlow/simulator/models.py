"""An EZ-ZONE PM as it behaves: one loop and input, four alarms, heat only.

Source: Watlow wire specification, sections 5, 6, 8.2 and 15.
"""

from riglog_watlow.meaning import UNINITIALISED
from riglog_watlow.parameters import PM, Parameter, WireValue
from riglog_watlow.plan import Target
from riglog_watlow.simulator.controller import OPEN_SENSOR, Refusal, Refused, SimulatedController

NO_ERROR, ALARM_HIGH, ALARM_LOW = 61, 7, 8

START: dict[str, WireValue] = {
    "hardware_id": 28,
    "firmware_id": 5678,
    "software_revision": 12,
    "software_build_number": 3,
    "part_number": "PM3R1CA-AAAAAAA",
    "device_name": "EZ-ZONE PM",
    "device_status": 138,
    "display_units": 30,
    "input_error": NO_ERROR,
    "ambient_temperature": 72.0,
    "sensor_type": 95,
    "thermocouple_type": 46,
    "rtd_leads": 1,
    "setpoint": 75.0,
    "setpoint_min": -1999.0,
    "setpoint_max": 9999.0,
    "manual_power_min": -100.0,
    "manual_power_max": 100.0,
    "control_mode": 10,
    "heat_algorithm": 71,
    "cool_algorithm": 62,
    "integral_time": 180.0,
    "derivative_time": 0.0,
    "heat_proportional_band": 25.0,
    "cool_proportional_band": UNINITIALISED,
    "cool_hysteresis": UNINITIALISED,
    "cool_power": UNINITIALISED,
    "alarm_high_setpoint": 300.0,
    "alarm_low_setpoint": 32.0,
    "alarm_hysteresis": 1.0,
    "alarm_type": 62,
    "comm_protocol": 1286,
    "modbus_word_order": 1331,
    "comm_units": 30,
    "nonvolatile_save": 106,
}
"""How the unit leaves the shelf."""


class SimulatedPM(SimulatedController):
    """``address`` only makes its serial number; ``loops`` 2 is the two-loop unit."""

    family = PM

    def __init__(self, address: int = 1, *, loops: int = 1) -> None:
        serial = 123_456 + address
        self.loops = loops
        self.start = START | {"serial_number_int": serial, "serial_number": str(serial)}
        self._instances = {
            1: 1, 3: 1, 4: loops, 6: 2, 7: loops, 8: loops, 9: 4, 10: 2, 17: 2, 18: 1, 21: 40, 22: 1,
        }  # fmt: skip
        super().__init__()
        self._classes = {(one.id or 0) // 1000 for one in self.registry}

    def instances(self, parameter: Parameter) -> range:
        known = parameter.map1 is not None or parameter.data_type == "string"
        return range(1, self._instances.get((parameter.id or 0) // 1000, 0) + 1 if known else 1)

    def find(self, parameter_id: int) -> Parameter:
        """The parameter of that id.

        Raises:
            Refused: this firmware does not know it.
        """
        if parameter_id // 1000 not in self._classes:
            raise Refused(Refusal.NO_CLASS)
        parameter = self.registry.get(parameter_id)
        if parameter is None or (parameter.map1 is None and parameter.data_type != "string"):
            raise Refused(Refusal.NO_MEMBER)
        return parameter

    def acceptable(self, one: Target, value: WireValue) -> bool:
        if not super().acceptable(one, value):
            return False
        if one.parameter.name != "setpoint":
            return True
        low, high = (self.number(name, one.instance) for name in ("setpoint_min", "setpoint_max"))
        return low <= float(value) <= high

    def advance(self, now: float) -> None:
        for loop, oven in self.ovens.items():
            mode = self.word("control_mode", loop)
            setpoint = self.number("setpoint", loop) if mode == "Auto" else None
            manual = self.number("manual_power", loop) if mode == "Manual" else 0.0
            oven.advance(now, setpoint, self.number("heat_proportional_band", loop), manual)

    def live(self, one: Target) -> WireValue | None:
        name, instance = one.parameter.name, one.instance
        if name == "alarm_state":
            return self._alarm(instance)
        oven = self.ovens.get(instance)
        if oven is None:
            return None
        match name:
            case "process_value" | "process_value_filtered" | "process_value_active":
                return oven.temperature if self.stored("input_error", instance) == NO_ERROR else OPEN_SENSOR
            case "setpoint_active":
                return self.stored("setpoint", instance)
            case "control_mode_active":
                return self.stored("control_mode", instance)
            case "heat_power" | "output_power":
                return oven.power
        return None

    def _alarm(self, instance: int) -> int:
        if self.word("alarm_type", instance) != "Process Alarm":
            return NO_ERROR
        temperature = self.ovens[1].temperature
        if temperature > self.number("alarm_high_setpoint", instance):
            return ALARM_HIGH
        return ALARM_LOW if temperature < self.number("alarm_low_setpoint", instance) else NO_ERROR

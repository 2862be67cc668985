"""The simulated models: EZ-ZONE PM, Series SD, Series F4P.

Source: Watlow wire specification, sections 5, 6, 8.2, 10, 11 and 15.
"""

from riglog_watlow.parameters import F4P, PM, SD, Parameter, WireValue
from riglog_watlow.samples import UNINITIALISED
from riglog_watlow.simulator.instrument import Refusal, Refused, SimulatedController
from riglog_watlow.targets import Target

NO_ERROR, ALARM_HIGH, ALARM_LOW = 61, 7, 8

START: dict[str, WireValue] = {
    "hardware_id": 28,
    "firmware_id": 5678,
    "software_revision": 12,
    "software_build_number": 3,
    "part_number": "PM3R1CA-AAAAAAA",
    "device_name": "EZ-ZONE PM",
    "device_status": 138,
    "panel_units": 30,
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
"""The factory settings, and the identity of the simulated controller."""


class SimulatedPM(SimulatedController):
    """An EZ-ZONE PM: one or two loops, four alarms, heat only. ``address`` determines its serial number."""

    family = PM
    process_signal = ("sensor_type", frozenset({"Millivolts", "Volts DC", "Milliamps DC"}))

    def __init__(self, address: int = 1, *, loops: int = 1) -> None:
        serial = 123_456 + address
        self.loops = loops
        self.start = START | {"serial_number_int": serial, "serial_number": str(serial)}
        self._instances = {
            1: 1, 3: 1, 4: loops, 6: 2, 7: loops, 8: loops, 9: 4, 10: 2, 17: 2, 18: 1, 21: 40, 22: 1,
        }  # fmt: skip
        super().__init__()
        self._classes = {(parameter.id or 0) // 1000 for parameter in self.registry}

    def instances(self, parameter: Parameter) -> range:
        known = parameter.map1 is not None or parameter.data_type == "string"
        return range(1, self._instances.get((parameter.id or 0) // 1000, 0) + 1 if known else 1)

    def find(self, parameter_id: int) -> Parameter:
        """Return the parameter with an id.

        Raises:
            Refused: this firmware does not have it.
        """
        if parameter_id // 1000 not in self._classes:
            raise Refused(Refusal.NO_CLASS)
        parameter = self.registry.get(parameter_id)
        if parameter is None or (parameter.map1 is None and parameter.data_type != "string"):
            raise Refused(Refusal.NO_MEMBER)
        return parameter

    def acceptable(self, target: Target, value: WireValue) -> bool:
        if not super().acceptable(target, value):
            return False
        if target.parameter.name != "setpoint":
            return True
        low, high = (self.number(name, target.instance) for name in ("setpoint_min", "setpoint_max"))
        return low <= float(value) <= high

    def advance(self, now: float) -> None:
        for loop, oven in self.ovens.items():
            mode = self.label("control_mode", loop)
            setpoint = self.number("setpoint", loop) if mode == "Auto" else None
            manual = self.number("manual_power", loop) if mode == "Manual" else 0.0
            oven.advance(now, setpoint, self.number("heat_proportional_band", loop), manual)

    def live(self, target: Target) -> WireValue | None:
        name, instance = target.parameter.name, target.instance
        if name == "alarm_state":
            return self._alarm(instance)
        oven = self.ovens.get(instance)
        if oven is None:
            return None
        match name:
            case "process_value" | "process_value_filtered" | "process_value_active":
                return self._measured(oven, instance)
            case "setpoint_active":
                return self.stored("setpoint", instance)
            case "control_mode_active":
                return self.stored("control_mode", instance)
            case "heat_power" | "output_power":
                return oven.power
        return None

    def _alarm(self, instance: int) -> int:
        if self.label("alarm_type", instance) != "Process Alarm":
            return NO_ERROR
        temperature = self.ovens[1].temperature
        if temperature > self.number("alarm_high_setpoint", instance):
            return ALARM_HIGH
        return ALARM_LOW if temperature < self.number("alarm_low_setpoint", instance) else NO_ERROR


class SimulatedSD(SimulatedController):
    """A Series SD with one loop. ``address`` determines its serial number."""

    family = SD

    def __init__(self, address: int = 1) -> None:
        self.start = {
            "serial_number_high": 1234,
            "serial_number_low": 5600 + address,
            "software_id": 4,
            "software_version": 300,
            "setpoint": 75.0,
            "heat_algorithm": 1,
            "heat_proportional_band": 25.0,
            "heat_integral_time": 3.0,
            "eeprom_write_enable": 1,
        }
        super().__init__()

    def advance(self, now: float) -> None:
        auto = self.label("auto_manual") == "Auto"
        setpoint = self.number("setpoint") if auto else None
        self.ovens[1].advance(now, setpoint, self.number("heat_proportional_band"), self.number("output_power"))

    def live(self, target: Target) -> WireValue | None:
        oven = self.ovens[1]
        match target.parameter.name:
            case "process_value" | "filtered_process_value":
                return self._measured(oven)
            case "output_power" if self.label("auto_manual") == "Auto":
                return oven.power
            case "power_heat":
                return oven.power
        return None


class SimulatedF4P(SimulatedController):
    """A Series F4P with one loop and one decimal place. ``address`` determines its serial number."""

    family = F4P
    process_signal = ("input_1_units", frozenset({"Units"}))

    def __init__(self, address: int = 1) -> None:
        self.start = {
            "model_code": 5280,
            "serial_number_high": 12,
            "serial_number_low": 3400 + address,
            "software_id": 4,
            "software_revision": 3.01,
            "manufacturing_date": 1207,
            "input_1_decimal": 1,
            "auto_manual": 1,
            "setpoint": 75.0,
            "setpoint_low_limit": -200.0,
            "setpoint_high_limit": 1500.0,
            "proportional_band_1a": 25.0,
            "integral_1a": 3.0,
        }
        super().__init__()

    def advance(self, now: float) -> None:
        setpoint = self.number("setpoint") if self.label("auto_manual") == "Auto" else None
        self.ovens[1].advance(now, setpoint, self.number("proportional_band_1a"), 0.0)

    def live(self, target: Target) -> WireValue | None:
        oven = self.ovens[1]
        match target.parameter.name:
            case "process_value":
                return self._measured(oven)
            case "control_setpoint":
                return self.stored("setpoint")
            case "output_power":
                return oven.power
        return None

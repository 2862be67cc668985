"""Series SD and Series F4P as they behave. Source: Watlow wire specification, sections 10 and 11."""

from riglog_watlow.parameters import F4P, SD, WireValue
from riglog_watlow.plan import Target
from riglog_watlow.simulator.controller import OPEN_SENSOR, SimulatedController


class SimulatedSD(SimulatedController):
    """One loop; the serial number tells two of them apart."""

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
        auto = self.word("auto_manual") == "Auto"
        setpoint = self.number("setpoint") if auto else None
        self.ovens[1].advance(now, setpoint, self.number("heat_proportional_band"), self.number("output_power"))

    def live(self, one: Target) -> WireValue | None:
        oven = self.ovens[1]
        match one.parameter.name:
            case "process_value" | "filtered_process_value":
                return oven.temperature if self.word("input_error") == "None" else OPEN_SENSOR
            case "output_power" if self.word("auto_manual") == "Auto":
                return oven.power
            case "power_heat":
                return oven.power
        return None


class SimulatedF4P(SimulatedController):
    """One loop, one decimal place; the serial number tells two of them apart."""

    family = F4P

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
        setpoint = self.number("setpoint") if self.word("auto_manual") == "Auto" else None
        self.ovens[1].advance(now, setpoint, self.number("proportional_band_1a"), 0.0)

    def live(self, one: Target) -> WireValue | None:
        oven = self.ovens[1]
        match one.parameter.name:
            case "process_value":
                return oven.temperature if self.word("input_error") == "None" else OPEN_SENSOR
            case "control_setpoint":
                return self.stored("setpoint")
            case "output_power":
                return oven.power
        return None

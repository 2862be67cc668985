"""The differences between the families of controllers besides their tables. Source: specification, sections 8-12."""

from typing import Literal

from msgspec import Struct

from riglog_watlow.parameters import F4P, PM, SD, Family

FamilyName = Literal["pm", "sd", "f4p"]


class Facts(Struct, frozen=True):
    """One family: its protocols and defaults, and which of its parameters have which role.

    Attributes:
        serial: the parameters that contain the serial number.
        pid: parameter by PID term.
        alarms: parameter and instance of each alarm state, and the parameter that shows whether the alarm is in use.
        modes: the parameters that contain the control mode.
        limits: the parameters that limit another one, by its name: lower and upper limit.
        process_signal: a parameter and the labels with which it shows that an input does not measure a temperature.
        error_latch: a parameter and the label with which an input error stays until it is cleared.
        unit: the parameter with the temperature unit of the Modbus side.
        decimals: the parameter with the number of decimal places of scaled registers.
    """

    family: Family
    protocols: tuple[str, ...]
    baudrate: int
    loops: int
    serial: tuple[str, ...]
    pid: dict[str, str]
    alarms: tuple[tuple[str, int, str | None], ...]
    modes: tuple[str, ...]
    limits: dict[str, tuple[str, str]] = {}
    process_signal: tuple[str, frozenset[str]] | None = None
    error_latch: tuple[str, str] | None = None
    unit: str = "units"
    decimals: str | None = None


MODBUS = ("modbus-rtu", "modbus-ascii", "modbus-tcp")
STDBUS = "stdbus"
STDBUS_BAUDRATE = 38400

FACTS: dict[FamilyName, Facts] = {
    "pm": Facts(
        family=PM,
        protocols=(STDBUS, *MODBUS),
        baudrate=9600,
        loops=2,
        serial=("serial_number", "serial_number_int"),
        pid={
            "proportional_band": "heat_proportional_band",
            "integral": "integral_time",
            "derivative": "derivative_time",
            "dead_band": "dead_band",
            "cool_proportional_band": "cool_proportional_band",
        },
        alarms=tuple(("alarm_state", number, "alarm_type") for number in range(1, 5)),
        modes=("control_mode_active",),
        limits={
            "setpoint": ("setpoint_min", "setpoint_max"),
            "manual_power": ("manual_power_min", "manual_power_max"),
        },
        process_signal=("sensor_type", frozenset({"Millivolts", "Volts DC", "Milliamps DC"})),
        error_latch=("input_error_latching", "On"),
        unit="comm_units",
    ),
    "sd": Facts(
        family=SD,
        protocols=MODBUS,
        baudrate=9600,
        loops=1,
        serial=("serial_number_high", "serial_number_low"),
        pid={
            "proportional_band": "heat_proportional_band",
            "integral": "heat_integral_time",
            "derivative": "heat_derivative_time",
            "cool_proportional_band": "cool_proportional_band",
        },
        alarms=tuple((f"alarm_{side}_{number}_status", 1, None) for number in (1, 2, 3) for side in ("low", "high")),
        modes=("auto_manual",),
    ),
    "f4p": Facts(
        family=F4P,
        protocols=MODBUS,
        baudrate=19200,
        loops=1,
        serial=("serial_number_high", "serial_number_low"),
        pid={
            "proportional_band": "proportional_band_1a",
            "integral": "integral_1a",
            "derivative": "derivative_1a",
            "dead_band": "dead_band_1a",
        },
        alarms=(("alarm_1_status", 1, "alarm_1_type"), ("alarm_2_status", 1, "alarm_2_type")),
        modes=("auto_manual",),
        limits={"setpoint": ("setpoint_low_limit", "setpoint_high_limit")},
        process_signal=("input_1_units", frozenset({"Units"})),
        error_latch=("input_1_error_latch", "Latch"),
        decimals="input_1_decimal",
    ),
}

"""The parameter table of xBPI balances: names, codes and their labels. Source: section 3.11.1."""

from msgspec import Struct

from riglog.device import Safety
from riglog.errors import ConfigError
from riglog.plugin import Names
from riglog_sartorius.units import DISPLAY_UNITS

LAST_INDEX = 79


class Parameter(Struct, frozen=True):
    """One parameter. ``labels``: the documented codes; ``highest``: the highest code that a family of balances has.

    ``aliases`` are other names that people use.
    """

    index: int
    name: str
    labels: dict[int, str]
    highest: int
    safety: Safety = Safety.PERSISTENT
    aliases: tuple[str, ...] = ()

    def code_of(self, value: int | str) -> int:
        """Return the code of a label, or of a code given as a number.

        Raises:
            ConfigError: an unknown label, or a code that no balance has.
        """
        codes = {label: code for code, label in self.labels.items()}
        if isinstance(value, str) and value in codes:  # "9600" is a label, 7 its code
            return codes[value]
        if isinstance(value, str) and not value.isdecimal():
            hint = f"Allowed values: {', '.join(codes) or 'numbers'}"
            raise ConfigError(f"invalid value {value!r} for {self.name}", hint=hint)
        code = int(value)
        if not 1 <= code <= self.highest:
            hint = f"Use a number from 1 to {self.highest}; 0 marks an unused value"
            raise ConfigError(f"{self.name}: {code} is outside 1 to {self.highest}", hint=hint)
        return code


ON_OFF = {1: "on", 2: "off"}
OFF_ON = {1: "off", 2: "on"}
BAUD = {3: "600", 4: "1200", 5: "2400", 6: "4800", 7: "9600", 8: "19200", 9: "38400", 10: "57600", 11: "115200"}
PARITY = {3: "odd", 4: "even", 5: "none"}
STOP_BITS = {1: "1", 2: "2"}
HANDSHAKE = {1: "software", 2: "hardware", 3: "none"}
DATA_BITS = {1: "7", 2: "8"}
LINE_FORMAT = {1: "16_characters", 2: "22_characters", 4: "extra_line"}
CALIBRATION_KEY = {
    1: "external",
    3: "external_user_weight",
    4: "internal",
    8: "set_preload",
    9: "delete_preload",
    10: "blocked",
    12: "selection",
    17: "set_weight",
}
PROTOCOLS = {1: "sbi", 2: "xbpi", 4: "remote_display", 7: "universal_printer", 8: "lab_printer", 10: "off"}
OUTPUT = {
    1: "manual_immediate",
    2: "manual_after_stability",
    3: "manual_at_stability",
    4: "auto_without_stability",
    5: "auto_with_stability",
}
EXTERNAL_KEY = {
    1: "print",
    2: "zero_tare",
    3: "cal",
    5: "cf",
    6: "enter",
    9: "draft_shield",
    10: "ionizer",
    11: "application",
    12: "asterisk",
}
D = Safety.DANGEROUS
"""Writing one of these can interrupt the connection."""

TABLE = (
    Parameter(1, "filter_mode", {1: "very_stable", 2: "stable", 3: "unstable", 4: "very_unstable"}, 4),
    Parameter(2, "application_filter", {1: "final_reading", 2: "filling", 3: "reduced", 4: "off"}, 4),
    Parameter(3, "stability_range", {1: "maximum_accuracy", 6: "maximum_speed"}, 6),
    Parameter(4, "stability_delay", {1: "none", 2: "short", 3: "average", 4: "long"}, 4),
    Parameter(5, "tare_behaviour", {1: "without_stability", 2: "with_stability", 3: "at_stability"}, 3),
    Parameter(6, "auto_zero", ON_OFF, 2),
    Parameter(7, "display_unit", DISPLAY_UNITS, 24, aliases=("weight_unit", "unit")),
    Parameter(
        8, "display_accuracy", {1: "all_digits", 2: "last_place_on_off", 6: "divide_by_1", 7: "one_digit_less"}, 18
    ),
    Parameter(9, "calibration_key", CALIBRATION_KEY, 18),
    Parameter(10, "adjustment_sequence", {1: "adjust", 2: "calibrate_then_adjust"}, 4),
    Parameter(11, "zero_range", {1: "1_percent", 2: "2_percent"}, 5),
    Parameter(12, "initial_zero_range", {1: "default", 2: "2_percent"}, 7),
    Parameter(13, "tare_at_power_on", ON_OFF, 3),
    Parameter(14, "cycle_rate", {1: "normal", 7: "maximum"}, 7),
    Parameter(15, "isocal", {1: "off", 2: "note_only", 3: "on"}, 4),
    Parameter(16, "external_adjustment", {1: "free", 2: "locked"}, 2),
    Parameter(31, "baud_rate", BAUD, 11, D, ("baudrate",)),
    Parameter(32, "parity", PARITY, 5, D),
    Parameter(33, "stop_bits", STOP_BITS, 2, D),
    Parameter(34, "handshake", HANDSHAKE, 3, D),
    Parameter(35, "protocol", PROTOCOLS, 10, D),
    Parameter(36, "output_mode", OUTPUT, 6),
    Parameter(37, "stop_output_by_key", OFF_ON, 2),
    Parameter(38, "output_interval", {1: "every_value", 2: "after_2"}, 7),
    Parameter(39, "line_format", LINE_FORMAT, 4),
    Parameter(40, "menu_access", {1: "edit", 2: "read_only"}, 2),
    Parameter(41, "external_key", EXTERNAL_KEY, 12),
    Parameter(44, "adjustment_unit", {1: "g", 2: "kg", 4: "user"}, 4, aliases=("unit",)),
    Parameter(50, "beep", OFF_ON, 2),
    Parameter(53, "power_on_mode", {1: "off_on_standby", 2: "off_on_auto_on", 3: "on_standby", 4: "auto_on"}, 5),
    Parameter(57, "resolution_with_open_door", {1: "all_digits", 2: "reduced"}, 2),
    Parameter(59, "level_check", {1: "off", 2: "note", 3: "error"}, 3),
    Parameter(60, "levelling", {1: "key", 2: "auto"}, 2),
    Parameter(61, "data_bits", DATA_BITS, 2, D),
    Parameter(63, "baud_rate_usb", BAUD, 11, D),
    Parameter(64, "parity_usb", PARITY, 5, D),
    Parameter(65, "stop_bits_usb", STOP_BITS, 2, D),
    Parameter(66, "handshake_usb", HANDSHAKE, 3, D),
    Parameter(67, "data_bits_usb", DATA_BITS, 2, D),
    Parameter(68, "auto_tare_after_output", OFF_ON, 2),
    Parameter(
        69,
        "print_result_mode",
        {1: "manual_immediate", 2: "manual_after_stability", 3: "manual_at_stability", 6: "auto_load_change"},
        6,
    ),
    Parameter(70, "print_line_format", LINE_FORMAT, 4),
)

BY_INDEX = {parameter.index: parameter for parameter in TABLE}
BY_NAME = {parameter.name: parameter for parameter in TABLE}
NAMES = Names({parameter.name: parameter.aliases for parameter in TABLE})


def parameter(which: str | int) -> Parameter:
    """Return a parameter by name or index. An undocumented index gives a parameter without labels.

    Raises:
        ConfigError: an unknown name, or an index out of range.
    """
    if isinstance(which, str) and not which.isdecimal():
        known = NAMES.find(which)
        if known is None:
            hint = NAMES.suggestion(which).strip() or f"Available: {', '.join(BY_NAME)}"
            raise ConfigError(f"unknown parameter {which!r}", hint=hint)
        return BY_NAME[known]
    index = int(which)
    if not 0 <= index <= LAST_INDEX:
        hint = f"Use a name, or an index from 0 to {LAST_INDEX}"
        raise ConfigError(f"parameter index {index} is outside 0 to {LAST_INDEX}", hint=hint)
    return BY_INDEX.get(index) or Parameter(index, f"parameter_{index}", {}, 255, Safety.DANGEROUS)

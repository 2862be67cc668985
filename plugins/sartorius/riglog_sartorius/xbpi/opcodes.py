"""The commands of xBPI: what each may change in the balance, and the form of its reply. Source: section 3.10."""

from enum import Enum

from msgspec import Struct

from riglog.device import Safety
from riglog_sartorius.xbpi.frames import ACK, WEIGHT


class Content(Enum):
    """The content of a WEIGHT item. For weights, the value is the low nibble of the last byte."""

    PLAIN = None
    STATUS = -1
    WEIGHT = 0
    NET = 5
    GROSS = 3
    TARE = 8


WEIGHTS = {Content.WEIGHT, Content.NET, Content.GROSS, Content.TARE}

KNOWN_NIBBLES = {Content.NET.value, Content.GROSS.value, Content.TARE.value}
"""Nibbles that are proven to stand for one kind of weight."""


class Opcode(Struct, frozen=True):
    """``reply``: the item types of the reply; None if they vary. ``indexed``: the argument selects a slot."""

    code: int
    name: str
    reply: tuple[int, ...] | None
    safety: Safety = Safety.READ_ONLY
    indexed: bool = False
    content: Content = Content.PLAIN


R, S, P, D = Safety.READ_ONLY, Safety.STATEFUL, Safety.PERSISTENT, Safety.DANGEROUS
ACKNOWLEDGED = (ACK,)

COMBINED = b"\x09\x30"
"""The argument of READ_NET with which the status block follows the weight; sent as it is, not as an item."""

COMBINED_REPLY = (WEIGHT, WEIGHT)

# The commands that the client sends of its own.
READ_SOFTWARE_VERSION = 0x00
READ_FACTORY_NUMBER = 0x01
READ_MODEL = 0x02
READ_MANUFACTURER = 0x07
READ_MAX = 0x0C
READ_INCREMENT = 0x0D
TARE = 0x14
ZERO = 0x18
READ_NET = 0x1E
READ_NET_HIRES = 0x1F
READ_GROSS = 0x20
READ_GROSS_HIRES = 0x21
READ_TARE_VALUE = 0x22
READ_TARE_VALUE_HIRES = 0x23
START_ADJUSTMENT = 0x28
WRITE_FILTER_MODE = 0x2C
READ_STATUS_BLOCK = 0x30
RELOAD_MENU = 0x46
SAVE_MENU = 0x47
SET_BAUD_RATE = 0x5C
READ_PARAMETER = 0x55
WRITE_PARAMETER = 0x56
READ_SBN = 0x71
WRITE_SBN = 0x72
READ_TEMPERATURE = 0x76
READ_LAST_CAL_RECORD = 0xB9

HIGH_RESOLUTION = {READ_NET_HIRES, READ_GROSS_HIRES, READ_TARE_VALUE_HIRES}

TABLE = (
    # identity and configuration
    Opcode(READ_SOFTWARE_VERSION, "read_software_version", (0x4A,)),
    Opcode(READ_FACTORY_NUMBER, "read_factory_number", (0x45,)),
    Opcode(READ_MODEL, "read_model", (0x54,)),
    Opcode(0x03, "read_user_id", (WEIGHT,)),
    Opcode(0x04, "write_user_id", ACKNOWLEDGED, P),
    Opcode(0x05, "read_oem_text", (0x50,)),
    Opcode(READ_MANUFACTURER, "read_manufacturer", (0x50,)),
    Opcode(0x08, "read_factory_constant", (0x43,)),
    Opcode(0x0A, "read_configuration", (WEIGHT,)),
    Opcode(0x0F, "read_balance_info", (0x24,)),
    Opcode(READ_SBN, "read_sbn", (0x21,)),
    Opcode(WRITE_SBN, "write_sbn", ACKNOWLEDGED, D),
    Opcode(0xBC, "read_modules", None),
    # metrology
    Opcode(0x0B, "read_coarse_threshold", (0x35,), indexed=True),
    Opcode(READ_MAX, "read_max", (0x35,), indexed=True),
    Opcode(READ_INCREMENT, "read_increment", (0x35,), indexed=True),
    Opcode(0x0E, "read_fine_threshold", (0x35,), indexed=True),
    Opcode(READ_TEMPERATURE, "read_temperature", (0x35,), indexed=True),
    # weights
    Opcode(0x1C, "read_application_tare", (WEIGHT,), indexed=True, content=Content.WEIGHT),
    Opcode(READ_NET, "read_net", (WEIGHT,), content=Content.NET),
    Opcode(READ_NET_HIRES, "read_net_hires", (WEIGHT,), content=Content.NET),
    Opcode(READ_GROSS, "read_gross", (WEIGHT,), content=Content.GROSS),
    Opcode(READ_GROSS_HIRES, "read_gross_hires", (WEIGHT,), content=Content.GROSS),
    Opcode(READ_TARE_VALUE, "read_tare_value", (WEIGHT,), content=Content.TARE),
    Opcode(READ_TARE_VALUE_HIRES, "read_tare_value_hires", (WEIGHT,), content=Content.TARE),
    Opcode(0x2E, "read_slot", (0x21, WEIGHT), indexed=True),
    Opcode(0x2F, "read_bar_graph", (0x12,)),
    # tare and zero
    Opcode(0x13, "delete_tare", ACKNOWLEDGED, S),
    Opcode(TARE, "tare", ACKNOWLEDGED, S),
    Opcode(0x15, "abort_tare_combined", ACKNOWLEDGED, S),
    Opcode(0x16, "tare_variant", ACKNOWLEDGED, S),
    Opcode(0x17, "abort_tare", ACKNOWLEDGED, S),
    Opcode(ZERO, "zero", ACKNOWLEDGED, S),
    Opcode(0x19, "abort_zero", ACKNOWLEDGED, S),
    Opcode(0x1A, "start_application_tare", ACKNOWLEDGED, S),
    Opcode(0x1B, "abort_application_tare", ACKNOWLEDGED, S),
    Opcode(0x1D, "write_application_tare", ACKNOWLEDGED, S),
    # status, filter, timing
    Opcode(0x26, "read_filter_mode", (0x21,)),
    Opcode(WRITE_FILTER_MODE, "write_filter_mode", ACKNOWLEDGED, P),
    Opcode(READ_STATUS_BLOCK, "read_status_block", (WEIGHT,), content=Content.STATUS),
    Opcode(0x31, "read_register_31", (0x22,)),
    Opcode(0x32, "read_status_short", (0x22,)),
    Opcode(0x33, "read_register_33", (0x22,)),
    Opcode(0x35, "read_tick", (0x21,)),
    Opcode(0x36, "read_on_off", (0x21,)),
    Opcode(0x57, "read_cycle_time", (0x24,)),
    Opcode(0x54, "read_stop_flags", (0x24,), indexed=True),
    Opcode(0x25, "read_parameter_25", (0x21,)),
    # parameters and persistence
    Opcode(READ_PARAMETER, "read_parameter", (0x21, 0x21), indexed=True),
    Opcode(WRITE_PARAMETER, "write_parameter", ACKNOWLEDGED, P, indexed=True),
    Opcode(RELOAD_MENU, "reload_menu", ACKNOWLEDGED, P),
    Opcode(SAVE_MENU, "save_menu", ACKNOWLEDGED, P),
    Opcode(0xBA, "read_config_counter", (0x21,)),
    # adjustment
    Opcode(START_ADJUSTMENT, "start_adjustment", ACKNOWLEDGED, D),
    Opcode(0x29, "abort_adjustment", ACKNOWLEDGED, S),
    Opcode(0x78, "read_adjustment_unit", (0x21,)),
    Opcode(0x79, "write_adjustment_unit", ACKNOWLEDGED, P),
    Opcode(READ_LAST_CAL_RECORD, "read_last_cal_record", (0x51,)),
    # system
    Opcode(0x40, "reconfigure", None, D),
    Opcode(0x41, "clear_temporary_errors", None, S),
    Opcode(0x4A, "read_user_memory", None, D),
    Opcode(0x4B, "write_user_memory", ACKNOWLEDGED, P),
    Opcode(0x58, "reset", None, D),
    Opcode(SET_BAUD_RATE, "set_baud_rate", ACKNOWLEDGED, D),
    Opcode(0x59, "clear_activity_flag", ACKNOWLEDGED, S),
    Opcode(0x5A, "clear_activity_flag_2", ACKNOWLEDGED, S),
    Opcode(0x67, "no_operation_67", ACKNOWLEDGED),
    Opcode(0xFF, "no_operation", ACKNOWLEDGED),
    # the balance replies to these; their meaning and effect are unknown
    Opcode(0x48, "read_reference", None, D),
    Opcode(0x50, "read_slots_50", None, D, indexed=True),
    Opcode(0x51, "read_slots_51", None, D, indexed=True),
    Opcode(0x62, "read_menu_activity", None, D),
    Opcode(0x7E, "read_register_7e", (0x22,), D),
    Opcode(0xAA, "read_register_aa", (0x14, 0x14), D, indexed=True),
    Opcode(0xB5, "read_slots_b5", None, D, indexed=True),
    Opcode(0xB7, "read_register_b7", (0x34,), D),
    Opcode(0xBB, "read_register_bb", None, D),
    Opcode(0xBE, "read_register_be", None, D),
    Opcode(0x24, "read_register_24", None, D),
    Opcode(0x3B, "read_user_unit", (WEIGHT, 0x43), D),
    Opcode(0x75, "read_raw_converter", (0x14,), D),
)

BY_CODE = {opcode.code: opcode for opcode in TABLE}
BY_NAME = {opcode.name: opcode for opcode in TABLE}


def opcode(code: int) -> Opcode:
    """Return a command. An undocumented one is dangerous, and any reply is possible."""
    return BY_CODE.get(code) or Opcode(code, f"opcode_{code:02x}", None, Safety.DANGEROUS)

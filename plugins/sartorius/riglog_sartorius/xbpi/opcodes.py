"""The commands of xBPI: what each may do to the balance, and what its reply looks like. Source: section 3.10."""

from enum import Enum

from msgspec import Struct

from riglog.device import Safety
from riglog_sartorius.xbpi.items import ACK


class Content(Enum):
    """What the octets of a type 48 item are; for weights, the low nibble of their last byte tells which."""

    PLAIN = None
    STATUS = -1
    WEIGHT = 0
    NET = 5
    GROSS = 3
    TARE = 8


WHOSE = {Content.NET.value, Content.GROSS.value, Content.TARE.value}
"""Nibbles that are proven to mean one kind of weight."""


class Opcode(Struct, frozen=True):
    """``reply`` lists the item types of the reply, None where it varies. ``indexed``: the argument selects a slot."""

    code: int
    name: str
    reply: tuple[int, ...] | None
    safety: Safety = Safety.READ_ONLY
    indexed: bool = False
    content: Content = Content.PLAIN


R, S, P, D = Safety.READ_ONLY, Safety.STATEFUL, Safety.PERSISTENT, Safety.DANGEROUS
DONE = (ACK,)

COMBINED = b"\x09\x30"
"""The argument that makes the net weight come with the status block; sent as it is, not as an item."""

COMBINED_REPLY = (0x48, 0x48)

TABLE = (
    # identity and configuration
    Opcode(0x00, "read_software_version", (0x4A,)),
    Opcode(0x01, "read_factory_number", (0x45,)),
    Opcode(0x02, "read_model", (0x54,)),
    Opcode(0x03, "read_user_id", (0x48,)),
    Opcode(0x04, "write_user_id", DONE, P),
    Opcode(0x05, "read_oem_text", (0x50,)),
    Opcode(0x07, "read_manufacturer", (0x50,)),
    Opcode(0x08, "read_factory_constant", (0x43,)),
    Opcode(0x0A, "read_configuration", (0x48,)),
    Opcode(0x0F, "read_balance_info", (0x24,)),
    Opcode(0x71, "read_sbn", (0x21,)),
    Opcode(0x72, "write_sbn", DONE, D),
    Opcode(0xBC, "read_modules", None),
    # metrology
    Opcode(0x0B, "read_coarse_threshold", (0x35,), indexed=True),
    Opcode(0x0C, "read_max", (0x35,), indexed=True),
    Opcode(0x0D, "read_increment", (0x35,), indexed=True),
    Opcode(0x0E, "read_fine_threshold", (0x35,), indexed=True),
    Opcode(0x76, "read_temperature", (0x35,), indexed=True),
    # weights
    Opcode(0x1C, "read_application_tare", (0x48,), indexed=True, content=Content.WEIGHT),
    Opcode(0x1E, "read_net", (0x48,), content=Content.NET),
    Opcode(0x1F, "read_net_hires", (0x48,), content=Content.NET),
    Opcode(0x20, "read_gross", (0x48,), content=Content.GROSS),
    Opcode(0x21, "read_gross_hires", (0x48,), content=Content.GROSS),
    Opcode(0x22, "read_tare_value", (0x48,), content=Content.TARE),
    Opcode(0x23, "read_tare_value_hires", (0x48,), content=Content.TARE),
    Opcode(0x2E, "read_slot", (0x21, 0x48), indexed=True),
    Opcode(0x2F, "read_bar_graph", (0x12,)),
    # tare and zero
    Opcode(0x13, "delete_tare", DONE, S),
    Opcode(0x14, "tare", DONE, S),
    Opcode(0x15, "abort_tare_combined", DONE, S),
    Opcode(0x16, "tare_variant", DONE, S),
    Opcode(0x17, "abort_tare", DONE, S),
    Opcode(0x18, "zero", DONE, S),
    Opcode(0x19, "abort_zero", DONE, S),
    Opcode(0x1A, "start_application_tare", DONE, S),
    Opcode(0x1B, "abort_application_tare", DONE, S),
    Opcode(0x1D, "write_application_tare", DONE, S),
    # status, filter, timing
    Opcode(0x26, "read_filter_mode", (0x21,)),
    Opcode(0x2C, "write_filter_mode", DONE, P),
    Opcode(0x30, "read_status_block", (0x48,), content=Content.STATUS),
    Opcode(0x31, "read_register_31", (0x22,)),
    Opcode(0x32, "read_status_short", (0x22,)),
    Opcode(0x33, "read_register_33", (0x22,)),
    Opcode(0x35, "read_tick", (0x21,)),
    Opcode(0x36, "read_on_off", (0x21,)),
    Opcode(0x57, "read_cycle_time", (0x24,)),
    Opcode(0x54, "read_stop_flags", (0x24,), indexed=True),
    Opcode(0x25, "read_parameter_25", (0x21,)),
    # parameters and persistence
    Opcode(0x55, "read_parameter", (0x21, 0x21), indexed=True),
    Opcode(0x56, "write_parameter", DONE, P, indexed=True),
    Opcode(0x46, "reload_menu", DONE, P),
    Opcode(0x47, "save_menu", DONE, P),
    Opcode(0xBA, "read_config_counter", (0x21,)),
    # adjustment
    Opcode(0x28, "start_adjustment", DONE, D),
    Opcode(0x29, "abort_adjustment", DONE, S),
    Opcode(0x78, "read_adjustment_unit", (0x21,)),
    Opcode(0x79, "write_adjustment_unit", DONE, P),
    Opcode(0xB9, "read_last_cal_record", (0x51,)),
    # system
    Opcode(0x40, "reconfigure", None, D),
    Opcode(0x41, "clear_temporary_errors", None, S),
    Opcode(0x4A, "read_user_memory", None, D),
    Opcode(0x4B, "write_user_memory", DONE, P),
    Opcode(0x58, "reset", None, D),
    Opcode(0x5C, "set_baud_rate", DONE, D),
    Opcode(0x59, "clear_activity_flag", DONE, S),
    Opcode(0x5A, "clear_activity_flag_2", DONE, S),
    Opcode(0x67, "no_operation_67", DONE),
    Opcode(0xFF, "no_operation", DONE),
    # they answer, and nobody has established what they mean or do
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
    Opcode(0x3B, "read_user_unit", (0x48, 0x43), D),
    Opcode(0x75, "read_raw_converter", (0x14,), D),
)

BY_CODE = {opcode.code: opcode for opcode in TABLE}
BY_NAME = {opcode.name: opcode for opcode in TABLE}


def opcode(code: int) -> Opcode:
    """What is known about a command. Nothing known: dangerous, and any reply is possible."""
    return BY_CODE.get(code) or Opcode(code, f"opcode_{code:02x}", None, Safety.DANGEROUS)

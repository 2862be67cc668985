"""Readings out of Modbus registers and bits. Pure. Source: Servomex wire specification, section 8."""

import math
import struct
from collections.abc import Sequence

from riglog.model import Stamp
from riglog_servomex.positions import Kind, Position
from riglog_servomex.reading import AnalyserStatus, Flags, Phase, Reading
from riglog_servomex.text import decode_name, decode_unit

ANALYSER_START = 1000  # data model number 11001; same address space as 10001
ANALYSER_BITS = 16
GROUP_BITS = 8  # the first of four pairs within the analyser's bits

_VALUE = struct.Struct(">f")


def decode_channel(position: Position, registers: Sequence[int], flags: Flags, stamp: Stamp) -> Reading:
    """A reading out of the seven registers of a position. NaN and infinities are no value."""
    data = b"".join(register.to_bytes(2, "big") for register in registers)
    value = _VALUE.unpack_from(data)[0]
    problem = None if math.isfinite(value) else f"the analyser sends {value} instead of a value"
    return Reading(
        position,
        decode_name(data[4:10]),
        None if problem else value,
        decode_unit(data[10:14]),
        flags,
        stamp,
        problem,
        data,
    )


def decode_flags(kind: Kind, bits: Sequence[bool]) -> Flags:
    """The eight bits of a position. Bits 1 to 3 of an external input mean nothing, whatever they hold."""
    first, maintenance, calibrating, warming_up, *alarms = (bool(bit) for bit in bits[:8])
    one, two, three, four = alarms
    raised = (one, two, three, four)
    if kind is Kind.EXTERNAL_INPUT:
        return Flags(fault=first, alarms=raised, invalid=first)
    return Flags(first, maintenance, calibrating, warming_up, raised)


def decode_analyser(bits: Sequence[bool]) -> AnalyserStatus:
    """The sixteen bits from 11001 on."""
    pairs = [decode_phase(bits[at], bits[at + 1]) for at in range(GROUP_BITS, ANALYSER_BITS, 2)]
    return AnalyserStatus(bool(bits[0]), bool(bits[1]), (pairs[0], pairs[1], pairs[2], pairs[3]))


def decode_phase(on_gas: bool, second_gas: bool) -> Phase:
    """The second bit means something only while the first is set."""
    if not on_gas:
        return Phase.IDLE
    return Phase.CAL_GAS_2 if second_gas else Phase.CAL_GAS_1

"""Readings, flags and status from Modbus registers and bits. Pure. Source: Servomex wire specification, section 8."""

import math
import struct
from collections.abc import Sequence

from riglog.model import Stamp
from riglog_servomex.positions import REGISTERS, Kind, Position
from riglog_servomex.samples import AnalyzerStatus, Flags, Phase, Reading
from riglog_servomex.units import decode_name, decode_unit

ANALYZER_START = 1000  # data model number 11001; same address space as 10001
ANALYZER_BITS = 16
GROUP_BITS = 8  # the first of four pairs within the bits of the analyzer

_REGISTERS = struct.Struct(f">{REGISTERS}H")
_VALUE = struct.Struct(">f")


def decode_channel(
    position: Position,
    registers: Sequence[int],
    flags: Flags,
    stamp: Stamp,
    analyzer: AnalyzerStatus | None = None,
) -> Reading:
    """Return the reading in the seven registers of a position. NaN and infinities are not values."""
    data = _REGISTERS.pack(*registers)
    value = _VALUE.unpack_from(data)[0]
    problem = None if math.isfinite(value) else f"no value: the analyzer sent {value}"
    return Reading(
        position=position,
        name=decode_name(data[4:10]),
        value=None if problem else value,
        unit=decode_unit(data[10:14]),
        flags=flags,
        stamp=stamp,
        problem=problem,
        raw=data,
        analyzer=analyzer,
    )


def decode_flags(kind: Kind, bits: Sequence[bool]) -> Flags:
    """Return the flags in the eight bits of a position. Bits 1 to 3 of an external input have no meaning."""
    first, maintenance, calibrating, warming_up, *alarms = [bool(bit) for bit in bits[:8]]
    one, two, three, four = alarms
    raised = (one, two, three, four)
    if kind is Kind.EXTERNAL_INPUT:
        return Flags(fault=first, alarms=raised, invalid=first)
    return Flags(first, maintenance, calibrating, warming_up, raised)


def decode_analyzer(bits: Sequence[bool]) -> AnalyzerStatus:
    """Return the status in the sixteen bits from 11001 on."""
    one, two, three, four = [decode_phase(bits[at], bits[at + 1]) for at in range(GROUP_BITS, ANALYZER_BITS, 2)]
    return AnalyzerStatus(bool(bits[0]), bool(bits[1]), (one, two, three, four))


def decode_phase(on_gas: bool, second_gas: bool) -> Phase:
    """Return the phase in a pair of bits. The second bit has a meaning only while the first is set."""
    if not on_gas:
        return Phase.IDLE
    return Phase.CAL_GAS_2 if second_gas else Phase.CAL_GAS_1

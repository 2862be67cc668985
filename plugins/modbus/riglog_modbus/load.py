"""The polling load: the transactions of one poll. Pure."""

from collections.abc import Sequence

from riglog.instrument import Description
from riglog.instrument.description import referring
from riglog.protocol import TransactionCost
from riglog.protocol.modbus import framing_of
from riglog.protocol.modbus.registers import Block
from riglog_modbus.modbus.registers import Names, RegisterPlan, names_of
from riglog_modbus.samples import BIT_TABLES, Function, Register

REQUEST_LENGTH, REPLY_HEADER_LENGTH = 5, 2
"""Bytes of the PDU of a read request, and of the PDU of its reply before the data."""


def poll_transactions(
    description: Description[Register], selected: Sequence[str], protocol: str
) -> list[TransactionCost]:
    """Return the reads of one poll: the values, and before and after them what they refer to in other blocks."""
    quantities = description.quantities
    blocks = RegisterPlan(description).covering(
        name for name in referring(quantities, selected) if quantities[name].readable
    )
    reads: list[tuple[Function, Block[Names]]] = []
    for function, block in blocks:
        names = names_of(block)
        recorded = [name for name in names if name in selected]
        if recorded:
            reads.append((function, block))
        others = {ref for name in recorded for ref in quantities[name].references} - set(names)
        checks = [one for one in blocks if others & set(names_of(one[1]))]
        reads += checks * 2
    return [_cost(description, protocol, function, block) for function, block in reads]


def _cost(
    description: Description[Register], protocol: str, function: Function, block: Block[Names]
) -> TransactionCost:
    size = framing_of(protocol).size
    if function in BIT_TABLES:
        data = (block.count + 7) // 8 + (block.spare >= 8)  # every other read has one byte or register more
    else:
        data = (block.count + min(block.spare, 1)) * 2
    line = description.line
    return TransactionCost(size(REQUEST_LENGTH), size(REPLY_HEADER_LENGTH + data), line.turnaround, line.gap)

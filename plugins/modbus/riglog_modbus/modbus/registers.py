"""In which blocks the registers of an instrument file are read. Pure."""

from collections.abc import Iterable

from riglog.instrument import Description
from riglog.protocol.modbus.registers import Block, BlockPlan, Place
from riglog_modbus.description import ModbusLine
from riglog_modbus.samples import BIT_TABLES, TABLES, Function, Register

WIDEST_GAP = 8
"""Registers that are read without being wanted: more would take longer than another request."""
BITS_PER_REGISTER = 16

Names = tuple[str, ...]
"""The quantities that have the same registers."""


class RegisterPlan:
    """In which blocks the registers of an instrument are read: never across one that the file does not have."""

    def __init__(self, description: Description[Register]) -> None:
        self._registers = description.quantities
        line = description.line
        assert isinstance(line, ModbusLine)
        self._plans: dict[int, BlockPlan[Names]] = {}
        for function in TABLES:
            known = frozenset(
                at
                for register in self._registers.values()
                if register.function == function and register.readable
                for at in range(register.start, register.start + register.size)
            )
            bits = function in BIT_TABLES
            gap = WIDEST_GAP * (BITS_PER_REGISTER if bits else 1)
            largest = line.largest_bits if bits else line.largest
            self._plans[function] = BlockPlan(largest, _Safe(known, gap))

    def covering(self, names: Iterable[str]) -> list[tuple[Function, Block[Names]]]:
        """Return the blocks to read."""
        places: dict[tuple[Function, int, int], list[str]] = {}
        for name in names:
            register = self._registers[name]
            places.setdefault((register.function, register.start, register.size), []).append(name)
        blocks: list[tuple[Function, Block[Names]]] = []
        for function in dict.fromkeys(key[0] for key in places):
            wanted = [
                Place(tuple(some), start, size, start + size)
                for (other, start, size), some in places.items()
                if other == function
            ]
            blocks += [(function, block) for block in self._plans[function].covering(wanted)]
        return blocks

    def refuse(self, function: Function, block: Block[Names]) -> None:
        """Do not read this block again: the instrument refuses it."""
        self._plans[function].refuse(block)


class _Safe:
    """Whether registers may be read although they are not wanted: the file has all of them."""

    def __init__(self, known: frozenset[int], widest: int) -> None:
        self._known = known
        self._widest = widest

    def __call__(self, start: int, end: int) -> bool:
        return end - start <= self._widest and self._known.issuperset(range(start, end))


def names_of(block: Block[Names]) -> Names:
    """Return the quantities of a block."""
    return tuple(name for names in block.keys for name in names)

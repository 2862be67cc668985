"""Where flags and values are in the Modbus map, and in which blocks an analyzer accepts to be read. Pure.

Source: Servomex wire specification, section 9.
"""

from typing import NamedTuple

from riglog.protocol.modbus.registers import Block, BlockPlan, Place
from riglog_servomex.positions import BITS, POSITIONS, REGISTERS, Position

ALL = tuple(POSITIONS.values())


class Spans(NamedTuple):
    """The blocks in which an analyzer can be read: flags and values are refused independently."""

    flags: BlockPlan[Position]
    values: BlockPlan[Position]

    @classmethod
    def unrefused(cls) -> "Spans":
        """Return the blocks of an analyzer that is not known to refuse any: all positions at once, gaps included."""
        return cls(_plan(BITS), _plan(REGISTERS))

    @property
    def refused_as_a_whole(self) -> bool:
        """Whether the analyzer refuses to be read in one request."""
        wanted = ([flags_of(position) for position in ALL], [values_of(position) for position in ALL])
        return any(len(plan.covering(places)) > 1 for plan, places in zip(self, wanted, strict=True))

    def copy(self) -> "Spans":
        return Spans(self.flags.copy(), self.values.copy())


def flags_of(position: Position) -> Place[Position]:
    """Return the discrete inputs of a position."""
    return _place(position, BITS)


def values_of(position: Position) -> Place[Position]:
    """Return the input registers of a position."""
    return _place(position, REGISTERS)


def alone(place: Place[Position]) -> Block[Position]:
    """Return the block of one position by itself."""
    return Block(place.start, place.count, (place,))


def _place(position: Position, size: int) -> Place[Position]:
    start = position.number * size
    return Place(position, start, size, start + size)


def _plan(size: int) -> BlockPlan[Position]:
    end = len(ALL) * size
    return BlockPlan(end, lambda _, gap_end: gap_end <= end)

"""The registers of each parameter, and the conversion between words and values. Pure.

Source: Watlow wire specification, sections 9.3 to 9.5, 10 and 11.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from riglog.errors import UnsupportedError
from riglog.protocol.modbus.registers import BlockPlan, NumberType, Order, Place, decode_number, encode_number
from riglog_watlow.parameters import PM, Family, Parameter, Registers, WireValue, registry
from riglog_watlow.targets import Target

MAX_READ = 32
"""Registers in one request; old families allow no more."""

WIDEST_GAP = 8
"""Registers that are read without being wanted: more would take longer than another request."""

PM_SLOT = 2
"""An EZ-ZONE reserves two registers for every parameter, whatever its data type; a short one uses the first."""

POINTERS = ("pointer", "mirror")
_TYPES: dict[str, NumberType] = {"enum": "uint16"}
"""Data types of the table whose name is not that of a number."""


def registers_of(parameter: Parameter, register_map: int) -> Registers | None:
    """Return the registers of a parameter in map 1 or 2; None if the map does not contain it."""
    return parameter.map1 if register_map == 1 else parameter.map2


@lru_cache(maxsize=4096)
def span_of(target: Target, register_map: int) -> Place[Target]:
    """Return the registers of a target in a map.

    Raises:
        UnsupportedError: the map does not contain it.
    """
    parameter = target.parameter
    registers = registers_of(parameter, register_map)
    if registers is None or not 1 <= target.instance <= registers.last_instance:
        raise UnsupportedError(
            f"{target} is not available over Modbus (no register in this map)", register_map=register_map
        )
    start, count = registers.of(target.instance), parameter.registers
    return Place(target, start, count, start + (PM_SLOT if parameter.family == PM else count))


@lru_cache(maxsize=16)
def readable_registers(family: Family, register_map: int) -> frozenset[int]:
    """Return every register of a map that the documents describe and that can be read."""
    spans = [
        span_of(Target(parameter, instance), register_map)
        for parameter in registry(family)
        if parameter.readable and parameter.data_type not in POINTERS
        for instance in range(1, _last_instance(parameter, register_map) + 1)
    ]
    return frozenset(register for span in spans for register in range(span.start, span.end))


def block_plan(family: Family, register_map: int) -> BlockPlan[Target]:
    """Return the plan of the blocks of a controller: never across a register that is not documented."""
    readable = readable_registers(family, register_map)

    def is_safe(start: int, end: int) -> bool:
        return end - start <= WIDEST_GAP and readable.issuperset(range(start, end))

    return BlockPlan(MAX_READ, is_safe)


def decode(parameter: Parameter, words: Sequence[int], *, low_word_first: bool) -> WireValue:
    """Return the value of one or two words, scaled."""
    number = decode_number(words, _type_of(parameter), _order(low_word_first))
    return number if parameter.scale == 1 else number / round(1 / parameter.scale)


def encode(parameter: Parameter, value: WireValue, *, low_word_first: bool) -> list[int]:
    """Return the words of a value.

    Raises:
        ValueError: it does not fit the data type.
    """
    number = float(value)
    scaled = number if parameter.scale == 1 else number * round(1 / parameter.scale)
    try:
        return encode_number(scaled, _type_of(parameter), _order(low_word_first))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} does not fit {parameter.data_type}") from error


def _last_instance(parameter: Parameter, register_map: int) -> int:
    registers = registers_of(parameter, register_map)
    return registers.last_instance if registers else 0


def _type_of(parameter: Parameter) -> NumberType:
    kind = parameter.data_type
    return _TYPES.get(kind, kind)  # type: ignore[arg-type]  # pointers and texts are not read


def _order(low_word_first: bool) -> Order:
    return Order.CDAB if low_word_first else Order.ABCD

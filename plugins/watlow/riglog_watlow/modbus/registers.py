"""The registers of each parameter, and the conversion between words and values. Pure.

Source: Watlow wire specification, sections 9.3 to 9.5, 10 and 11.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from riglog.errors import UnsupportedError
from riglog_watlow.parameters import PM, Parameter, Registers, WireValue
from riglog_watlow.targets import Target

MAX_READ = 32
"""Registers in one request; old families allow no more."""

PM_SLOT = 2
"""An EZ-ZONE reserves two registers for every parameter, whatever its data type; a short one uses the first."""

_SIGNED = {"int16": ">h", "int32": ">i"}


class Span(Struct, frozen=True):
    """The registers to read for a target; ``end`` is the first register after the ones reserved for it."""

    target: Target
    start: int
    count: int
    end: int


def registers_of(parameter: Parameter, register_map: int) -> Registers | None:
    """Return the registers of a parameter in map 1 or 2; None if the map does not contain it."""
    return parameter.map1 if register_map == 1 else parameter.map2


@lru_cache(maxsize=4096)
def span_of(target: Target, register_map: int) -> Span:
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
    return Span(target, start, count, start + (PM_SLOT if parameter.family == PM else count))


def group_into_blocks(spans: Iterable[Span]) -> list[list[Span]]:
    """Group what one request reads: adjacent registers without a gap, at most 32."""
    blocks: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: span.start):
        last = blocks[-1] if blocks else []
        if last and span.start == last[-1].end and span.start + span.count - last[0].start <= MAX_READ:
            last.append(span)
        else:
            blocks.append([span])
    return blocks


def decode(parameter: Parameter, words: Sequence[int], *, low_word_first: bool) -> WireValue:
    """Return the value of one or two words, scaled."""
    data = struct.pack(f">{len(words)}H", *(reversed(words) if low_word_first else words))
    if parameter.data_type == "float32":
        value: float = struct.unpack(">f", data)[0]
        return value
    number = int.from_bytes(data[-1:] if parameter.data_type == "uint8" else data, "big", signed=False)
    if (form := _SIGNED.get(parameter.data_type)) is not None:
        number = struct.unpack(form, data)[0]
    return number if parameter.scale == 1 else number / round(1 / parameter.scale)


def encode(parameter: Parameter, value: WireValue, *, low_word_first: bool) -> list[int]:
    """Return the words of a value.

    Raises:
        ValueError: it does not fit the data type.
    """
    try:
        data = _packed(parameter, float(value))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} does not fit {parameter.data_type}") from error
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words[::-1] if low_word_first else words


def _packed(parameter: Parameter, value: float) -> bytes:
    if parameter.data_type == "float32":
        return struct.pack(">f", value)
    number = round(value if parameter.scale == 1 else value * round(1 / parameter.scale))
    signed = _SIGNED.get(parameter.data_type)
    largest = {"uint8": 0xFF, "uint32": 0xFFFFFFFF}.get(parameter.data_type, 0xFFFF)
    if signed is None and not 0 <= number <= largest:
        raise OverflowError
    return struct.pack(signed or (">H" if parameter.registers == 1 else ">I"), number)

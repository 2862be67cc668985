"""Where parameters sit in the registers, and how words become values. Pure.

Source: Watlow wire specification, sections 9.3 to 9.5, 10 and 11.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from riglog.errors import UnsupportedError
from riglog_watlow.parameters import PM, Parameter, Registers, WireValue
from riglog_watlow.plan import Target

LONGEST_READ = 32
"""Registers in one request; old families allow no more."""

PM_SLOT = 2
"""On an EZ-ZONE every parameter occupies two registers, whatever its type; a short one uses the first."""

_SIGNED = {"int16": ">h", "int32": ">i"}


class Span(Struct, frozen=True):
    """The registers a target is read from, and where its place ends."""

    target: Target
    start: int
    count: int
    end: int


def place(parameter: Parameter, register_map: int) -> Registers | None:
    return parameter.map1 if register_map == 1 else parameter.map2


@lru_cache(maxsize=4096)
def span(target: Target, register_map: int) -> Span:
    """Where a target is in a map.

    Raises:
        UnsupportedError: it is not in that map.
    """
    parameter = target.parameter
    registers = place(parameter, register_map)
    if registers is None or not 1 <= target.instance <= registers.last_instance:
        raise UnsupportedError(f"{target} has no register", register_map=register_map)
    start, count = registers.of(target.instance), parameter.registers
    return Span(target, start, count, start + (PM_SLOT if parameter.family == PM else count))


def divide(spans: Iterable[Span]) -> list[list[Span]]:
    """What one request reads: places that follow each other without a hole, at most 32 registers."""
    blocks: list[list[Span]] = []
    for one in sorted(spans, key=lambda span: span.start):
        last = blocks[-1] if blocks else []
        if last and one.start == last[-1].end and one.start + one.count - last[0].start <= LONGEST_READ:
            last.append(one)
        else:
            blocks.append([one])
    return blocks


def decode(parameter: Parameter, words: Sequence[int], *, low_word_first: bool) -> WireValue:
    """One or two words as a value, scaled."""
    data = struct.pack(f">{len(words)}H", *(reversed(words) if low_word_first else words))
    if parameter.data_type == "float32":
        value: float = struct.unpack(">f", data)[0]
        return value
    number = int.from_bytes(data[-1:] if parameter.data_type == "uint8" else data, "big", signed=False)
    if (form := _SIGNED.get(parameter.data_type)) is not None:
        number = struct.unpack(form, data)[0]
    return number if parameter.scale == 1 else number / round(1 / parameter.scale)


def encode(parameter: Parameter, value: WireValue, *, low_word_first: bool) -> list[int]:
    """A value as words.

    Raises:
        ValueError: it does not fit.
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

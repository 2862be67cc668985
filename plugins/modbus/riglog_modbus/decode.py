"""What words can mean: all types and all orders of words and bytes. Pure."""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence

from riglog.errors import ConfigError
from riglog.protocol.modbus.registers import NumberType, Order, decode_number, registers_of

SINGLE: tuple[NumberType, ...] = ("uint16", "int16")
DOUBLE: tuple[NumberType, ...] = ("float32", "int32", "uint32")
QUADRUPLE: tuple[NumberType, ...] = ("float64", "int64")


def meanings(words: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """Yield type, order and number of everything that the words can be."""
    for kinds in (SINGLE, DOUBLE, QUADRUPLE):
        for kind in kinds:
            if registers_of(kind) != len(words):
                continue
            orders = (Order.ABCD, Order.BADC) if len(words) == 1 else tuple(Order)
            for order in orders:
                yield kind, order.value, shown(decode_number(words, kind, order))


def shown(number: float | int) -> str:
    """Return a number for a table; what is no measurement as a dash."""
    if isinstance(number, int):
        return str(number)
    return f"{number:.7g}" if math.isfinite(number) and (number == 0 or 1e-12 < abs(number) < 1e15) else "–"


def text_of(words: Sequence[int]) -> str:
    """Return the characters in words, with a dot for what is none."""
    data = struct.pack(f">{len(words)}H", *words)
    return "".join(chr(code) if 32 <= code < 127 else "." for code in data)


def rows(words: Mapping[int, int | None]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each register: the word, and what it can be alone and with the next one."""
    for register, word in words.items():
        if word is None:
            yield (str(register), "refused", *[""] * 7)
            continue
        following = words.get(register + 1)
        pair = ["" for _ in range(5)]
        if following is not None:
            both = (word, following)
            pair = [shown(decode_number(both, "float32", order)) for order in Order]
            pair.append(shown(decode_number(both, "int32", Order.ABCD)))
        yield (str(register), f"{word:04X}", str(word), shown(decode_number([word], "int16")), *pair)


COLUMNS = (
    "register",
    "hex",
    "uint16",
    "int16",
    *(f"float32 {order.value}" for order in Order),
    "int32 abcd",
)


def parse_words(text: str) -> list[int]:
    """Return words given as hexadecimal digits, in groups of four.

    Raises:
        ConfigError: they are not.
    """
    digits = text.replace("0x", "").replace(" ", "").replace(",", "")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if not data or len(data) % 2 or len(data) > 8:
        raise ConfigError(
            f"invalid words {text[:40]!r}", hint="Give one, two or four words in hexadecimal digits: 429C 977D"
        )
    return list(struct.unpack(f">{len(data) // 2}H", data))

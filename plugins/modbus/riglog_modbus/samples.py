"""What registers contain: the place and the type of a quantity, and its number or text. Pure."""

import struct
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from riglog.errors import WriteRefusedError
from riglog.instrument import Quantity, Raw, Writable
from riglog.protocol.modbus.registers import NumberType, Order, decode_number, encode_number, registers_of

Function = Literal[1, 2, 3, 4]
Type = Literal[
    "bit", "bits", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "text"
]
Number = Literal[0, 1, 10001, 30001, 40001, 100001, 300001, 400001]
TABLES: dict[Function, str] = {1: "coil", 2: "discrete input", 3: "holding register", 4: "input register"}
BIT_TABLES = frozenset({1, 2})
WRITABLE_TABLES = frozenset({1, 3})
LAST = 0xFFFF


class ModbusWritable(Writable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``multiple``: write with function 16 even if it is one register."""

    multiple: bool = False


class Register(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity in registers or bits.

    Attributes:
        register: the number of the first one, counted as ``numbering`` of its block.
        function: with which it is read: 3 holding registers, 4 input registers, 1 coils, 2 discrete inputs.
        count: registers of a text, or bits of a bit field.
        readable: False: it can only be written.
    """

    register: Annotated[int, Meta(ge=0, le=500_000)]
    function: Function = 3
    type: Type | None = None
    order: Order = Order.ABCD
    count: Annotated[int, Meta(ge=1, le=64)] | None = None
    numbering: Number = 0
    writable: ModbusWritable | None = None
    readable: bool = True

    @property
    def start(self) -> int:
        """The address in the request, counted from 0."""
        return self.register - self.numbering

    @property
    def kind(self) -> Type:
        return self.type or ("bit" if self.function in BIT_TABLES else "uint16")

    @property
    def number(self) -> NumberType | None:
        """The type of a number; None for bits and texts."""
        kind = self.kind
        return None if kind == "bit" or kind == "bits" or kind == "text" else kind

    @property
    def size(self) -> int:
        """Registers, or bits."""
        if self.number is not None:
            return registers_of(self.number)
        return 1 if self.kind == "bit" else self.count or 1


def decode(register: Register, content: Sequence[int] | Sequence[bool]) -> Raw:
    """Return the number, the bits or the text in registers or bits.

    Raises:
        struct.error: not those of one such quantity.
    """
    if register.number is not None:
        return decode_number(content, register.number, register.order)
    if register.kind == "text":
        return _text(register, content)
    return sum(1 << place for place, bit in enumerate(content) if bit)


def encode(register: Register, raw: Raw) -> list[int]:
    """Return the registers, or bits, of a number or text.

    Raises:
        WriteRefusedError: it does not fit the type.
    """
    if register.kind in ("bit", "bits"):
        return [int(raw) >> place & 1 for place in range(register.size)]
    if register.number is None:
        data = str(raw).encode("latin-1", "replace")[: 2 * register.size].ljust(2 * register.size)
        return _ordered(struct.unpack(f">{register.size}H", data), register.order)
    assert not isinstance(raw, str)
    try:
        return encode_number(raw, register.number, register.order)
    except (struct.error, OverflowError, ValueError):
        raise WriteRefusedError(f"{raw:g} does not fit type {register.number}", hint="Nothing was sent") from None


def _text(register: Register, words: Sequence[int]) -> str:
    data = struct.pack(f">{len(words)}H", *_ordered(words, register.order))
    glyphs = {int(code, 0): glyph for code, glyph in register.glyphs.items()}
    text = "".join(glyphs.get(code) or chr(code) for code in data)
    return text.strip(" \0") if text.strip(" \0" + register.blank) else ""


def _ordered(words: Sequence[int], order: Order) -> list[int]:
    """Return the words of a text with the first character first: only the bytes of a word can be exchanged."""
    if order in (Order.BADC, Order.DCBA):
        return [(word & 0xFF) << 8 | word >> 8 for word in words]
    return list(words)


def bounds(register: Register) -> tuple[float, float]:
    """Return the smallest and the largest number that can be transmitted."""
    kind: NumberType | str = register.kind
    if kind in ("bit", "bits"):
        return 0, 2**register.size - 1
    if kind == "text" or kind.startswith("float"):
        return -3e38, 3e38
    bits = int(kind.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def as_transmitted(register: Register, raw: Raw) -> Raw:
    """Return what the registers of a number contain: one of single precision is rounded.

    Raises:
        WriteRefusedError: it does not fit the type.
    """
    return decode(register, encode(register, raw))

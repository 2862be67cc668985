"""The instrument files of the driver: their keys, and the checks that only registers need. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from riglog.instrument import BlockOptions, Description, Format, Head, LineSettings, Mistakes, RawKind
from riglog.protocol.modbus.pdu import MAX_BITS, MAX_REGISTERS
from riglog.protocol.modbus.registers import Order
from riglog_modbus.config import ASCII, RTU, TCP
from riglog_modbus.samples import BIT_TABLES, LAST, TABLES, WRITABLE_TABLES, Function, Number, Register, Type, bounds


class RegisterOptions(BlockOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a block. What it states for all of its quantities, each can state for itself.

    ``numbering``: the number that the manual gives to the first register: 0, 1, 40001 …
    """

    function: Function = 3
    type: Type | None = None
    order: Order = Order.ABCD
    numbering: Number = 0
    unit: str | None = None


class ModbusLine(LineSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``largest``, ``largest_bits``: registers and bits that the instrument accepts in one request."""

    protocols: tuple[Literal["modbus-rtu", "modbus-ascii", "modbus-tcp"], ...] = (RTU, ASCII, TCP)  # type: ignore[assignment]
    largest: Annotated[int, Meta(ge=1, le=MAX_REGISTERS)] = MAX_REGISTERS
    largest_bits: Annotated[int, Meta(ge=1, le=MAX_BITS)] = MAX_BITS


class ModbusHead(Head, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys at the top of the file of a Modbus instrument."""

    block: dict[str, dict[str, Any]] = field(default_factory=dict)


class ModbusFormat(Format[Register]):
    driver: ClassVar[str] = "modbus"
    package: ClassVar[str] = "riglog_modbus"
    head: ClassVar[type[Head]] = ModbusHead
    line: ClassVar[type[LineSettings]] = ModbusLine
    options: ClassVar[type[BlockOptions]] = RegisterOptions
    quantity = Register

    def kind(self, quantity: Register) -> RawKind:
        kind = quantity.kind
        return "text" if kind == "text" else "float" if kind.startswith("float") else "int"

    def codes(self, quantity: Register) -> tuple[float, float] | None:
        return None if self.kind(quantity) != "int" else bounds(quantity)

    def defaults(self, options: BlockOptions, name: str) -> Mapping[str, Any]:
        assert isinstance(options, RegisterOptions)
        stated = {key: getattr(options, key) for key in ("function", "type", "order", "numbering", "unit")}
        return {key: value for key, value in stated.items() if value is not None}

    def check_quantity(
        self, name: str, quantity: Register, options: BlockOptions, mistakes: Mistakes, path: tuple[str | int, ...]
    ) -> None:
        bits = quantity.function in BIT_TABLES
        if bits != (quantity.kind in ("bit", "bits")):
            mistakes.add(
                f"type {quantity.kind!r} is not possible with function {quantity.function}",
                (*path, "type"),
                hint="Functions 1 and 2 read bit or bits, functions 3 and 4 all other types",
            )
        if quantity.kind in ("bits", "text") and quantity.count is None:
            mistakes.add(f"type {quantity.kind!r} needs count", path, hint="Add count = 8, for example")
        if quantity.start < 0 or quantity.start + quantity.size > LAST + 1:
            mistakes.add(
                f"register {quantity.register} is outside the table",
                (*path, "register"),
                hint=f"With numbering = {quantity.numbering} registers are {quantity.numbering} to "
                f"{quantity.numbering + LAST}",
            )
        if quantity.writable is not None and quantity.function not in WRITABLE_TABLES:
            mistakes.add(
                f"function {quantity.function}: {TABLES[quantity.function]}s cannot be written",
                (*path, "writable"),
                hint="Remove writable, or use function 3 or 1",
            )
        if quantity.writable is not None and quantity.kind in ("text", "bits"):
            mistakes.add("texts and bit fields cannot be written", (*path, "writable"), hint="Remove writable")
        if not quantity.readable and (quantity.record or quantity.writable is None):
            mistakes.add(
                "a quantity that cannot be read cannot be recorded",
                (*path, "readable"),
                hint="Add record = false and writable, or remove readable",
            )

    def check_file(self, description: Description[Register], mistakes: Mistakes) -> None:
        taken: dict[tuple[int, int], str] = {}
        for block in description.blocks:
            for name, quantity in block.quantities.items():
                here = range(quantity.start, quantity.start + quantity.size) if quantity.readable else ()
                others = [taken.get((quantity.function, at)) for at in here]
                partly = [
                    other for other in others if other and not _same_place(description.quantities[other], quantity)
                ]
                if partly:
                    mistakes.add(
                        f"a part of it is also a part of {partly[0]}",
                        ("block", block.name, "channel", name, "register"),
                        hint="Check register and type of both",
                    )
                taken.update({(quantity.function, at): name for at in here})


def _same_place(one: Register, other: Register) -> bool:
    """True for two meanings of the same registers."""
    return (one.start, one.size) == (other.start, other.size)

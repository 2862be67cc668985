"""Reading the registers of an unknown instrument, one by one where it refuses more, to write its file. Reads only."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from riglog.errors import ConfigError, MalformedReplyError, ReplyTimeoutError
from riglog.instrument import Dialogue
from riglog.protocol.modbus import ModbusExceptionError
from riglog_modbus.decode import COLUMNS, rows
from riglog_modbus.samples import BIT_TABLES, LAST, TABLES

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusClient, ModbusUnit

AT_ONCE = 16
MOST_REGISTERS = 512
TYPES = ("uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "text")
ORDERS = ("abcd", "cdab", "badc", "dcba")


async def draft(client: "ModbusClient", options: Mapping[str, Any], dialogue: Dialogue) -> str:
    """Return an instrument file for the registers that a person recognises.

    Raises:
        ConfigError: the registers or the function are not possible.
        ReplyTimeoutError: no reply.
    """
    function = int(options.get("function") or 3)
    if function not in TABLES or function in BIT_TABLES:
        raise ConfigError(f"invalid function {function}", hint="Use 3 (holding registers) or 4 (input registers)")
    first, last = parse_range(str(options.get("registers") or "0-19"))
    address = int(options.get("address") or 1)
    unit = client.unit(address, timeout=0.5, retries=1)
    words = await read_words(unit, function, max(0, first - 1), min(LAST, last + 2))
    dialogue.show(COLUMNS, list(rows(words)))
    lines = [
        "format = 1",
        'driver = "modbus"',
        f"title = {quoted(dialogue.ask('make and model', 'Modbus instrument'))}",
        "",
        "[line]",
        f"baudrate = {client.link.baudrate}",
        f'parity = "{client.link.parity}"',
        "",
        f"# read from address {address} with function {function}; "
        "check every value against the display of the instrument",
        "[block.values]",
        f"function = {function}",
        "",
        "[block.values.channel]",
        *_channels(words, dialogue),
        "",
    ]
    return "\n".join(lines)


def _channels(words: Mapping[int, int | None], dialogue: Dialogue) -> list[str]:
    """Return the lines of the values that a person names."""
    lines: list[str] = []
    while name := dialogue.ask("name of a value, such as temperature; empty to end"):
        if not name.isascii() or not name.isidentifier() or name != name.lower():
            dialogue.show(("not a name", "a name has"), [(name, "lower-case letters, digits and _")])
            continue
        register = _asked(dialogue, "its register", "", str.isdecimal)
        kind = _asked(dialogue, f"type: {', '.join(TYPES)}", "uint16", TYPES.__contains__)
        order = "abcd"
        if kind not in ("uint16", "int16"):
            order = _asked(dialogue, f"order: {', '.join(ORDERS)}", "abcd", ORDERS.__contains__)
        scale, unit = _asked(dialogue, "scale", "1", _is_number), dialogue.ask("unit; empty if it has none")
        keys = [f"register = {register}", f'type = "{kind}"']
        keys += [f'order = "{order}"'] if order != "abcd" else []
        keys += [f"scale = {float(scale or 1)}"] if scale not in ("", "1") else []
        keys += [f"unit = {quoted(unit)}"] if unit else []
        lines.append(f"{name} = {{ {', '.join(keys)} }}")
    if not lines:  # the words as they are: a start that can be edited
        lines = [f"register_{at} = {{ register = {at} }}" for at, word in words.items() if word is not None]
    return lines


def _asked(dialogue: Dialogue, question: str, default: str, fits: Callable[[str], bool]) -> str:
    """Return an answer that fits; the question is put again until there is one."""
    while not fits(answer := dialogue.ask(question, default)):
        dialogue.show(("not possible", "question"), [(answer, question)])
    return answer


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and float(text) != 0
    except ValueError:
        return False


async def read_words(unit: "ModbusUnit", function: int, first: int, last: int) -> dict[int, int | None]:
    """Return the registers from ``first`` to ``last``; None for those that are refused.

    Raises:
        ReplyTimeoutError: the first read has no reply.
    """
    read = unit.read_holding_registers if function == 3 else unit.read_input_registers
    words: dict[int, int | None] = {}
    pending: list[tuple[int, int]] = [(at, min(AT_ONCE, last + 1 - at)) for at in range(first, last + 1, AT_ONCE)]
    while pending:
        start, count = pending.pop(0)
        try:
            reply, _ = await read(start, count=count)
        except (ModbusExceptionError, MalformedReplyError, ReplyTimeoutError) as error:
            if isinstance(error, ReplyTimeoutError) and not words and count == 1:
                raise
            if count == 1:
                words[start] = None
            else:
                pending = [(at, 1) for at in range(start, start + count)] + pending
            continue
        words |= dict(zip(range(start, start + count), reply.registers, strict=True))
    return dict(sorted(words.items()))


def parse_range(text: str) -> tuple[int, int]:
    """Return the first and the last register of ``0-19``.

    Raises:
        ConfigError: it is not a range of registers.
    """
    first, _, last = text.partition("-")
    numbers: Sequence[str] = (first, last or first)
    if not all(number.strip().isdecimal() and len(number.strip()) < 6 for number in numbers):
        raise ConfigError(f"invalid registers {text[:40]!r}", hint="Give a range such as 0-19")
    low, high = (int(number) for number in numbers)
    if not 0 <= low <= high <= LAST or high - low >= MOST_REGISTERS:
        raise ConfigError(
            f"invalid registers {text[:40]!r}", hint=f"Give at most {MOST_REGISTERS} registers from 0 to {LAST}"
        )
    return low, high


def quoted(text: str) -> str:
    """Return a text as a TOML string."""
    plain = "".join(sign for sign in text if sign.isprintable())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'

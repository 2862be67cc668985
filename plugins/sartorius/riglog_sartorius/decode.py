"""Bytes from a trace, explained. Pure; for ``riglog sartorius decode``."""

from typing import Any

from msgspec import to_builtins

from riglog_sartorius.errors import XBPI_ERRORS
from riglog_sartorius.sbi.commands import COMMAND, command
from riglog_sartorius.sbi.lines import END, parse_line
from riglog_sartorius.seven_bit import looks_like_seven_bits
from riglog_sartorius.units import guessed_unit
from riglog_sartorius.xbpi.frames import Frame, checksum, fault_of, scan
from riglog_sartorius.xbpi.items import ACK, ERROR, Item, parse_items
from riglog_sartorius.xbpi.measurement import is_status_block, parse_measurement, parse_status_block
from riglog_sartorius.xbpi.numbers import decode_bcd, decode_float40, decode_text
from riglog_sartorius.xbpi.opcodes import COMBINED, opcode

Explained = dict[str, Any]


def explain(data: bytes) -> list[Explained]:
    """What is in ``data``: an xBPI request, xBPI replies, an SBI command, or SBI lines, in order."""
    if is_request(data):
        return [explain_request(data)]
    found = scan(data)
    if found.frames:
        skipped = [{"kind": "skipped", "bytes": found.skipped}] if found.skipped else []
        return [explain_frame(frame) for frame in found.frames] + skipped
    if commands := COMMAND.findall(data):
        return [explain_command(token.decode("ascii")) for token in commands]
    if END in data:
        return [explain_line(body + END) for body in data.removesuffix(END).split(END)]
    if looks_like_seven_bits(data):
        return [{"kind": "seven_bits", "meaning": "7-bit text with odd parity, read as 8 bits"}]
    return [{"kind": "malformed", "reason": fault_of(data)}]


def is_request(data: bytes) -> bool:
    return len(data) >= 5 and len(data) == data[0] + 1 and data[1] == 1 and checksum(data[:-1]) == data[-1]


def explain_request(data: bytes) -> Explained:
    known = opcode(data[3])
    args = data[4:-1]
    combined = data[3] == 0x1E and args == COMBINED
    items, rest = ((), args) if combined else parse_items(args)
    return {
        "kind": "request",
        "src": data[1],
        "dst": data[2],
        "opcode": f"0x{data[3]:02x}",
        "name": "read_net_with_status" if combined else known.name,
        "args": [{"type": f"0x{item.type:02x}", "value": item.number} for item in items]
        + ([{"raw": rest.hex()}] if rest else []),
        "safety": known.safety.name.lower(),
    }


def explain_frame(frame: Frame) -> Explained:
    """A reply does not say what it answers, so each item is explained by itself."""
    return {
        "kind": "reply",
        "items": [explain_item(item) for item in frame.items],
        "rest": frame.rest.hex() or None,
    }


def explain_item(item: Item) -> Explained:
    shown: Explained = {"type": f"0x{item.type:02x}", "hex": item.data.hex()}
    if item.type == ERROR:
        code = item.number
        return shown | {"kind": "error", "error_code": f"0x{code:02x}", "meaning": XBPI_ERRORS.get(code, ("", "?"))[1]}
    if item.type == ACK:
        return shown | {"kind": "ack"}
    if item.type == 0x48 and is_status_block(item.data):
        return shown | {"kind": "status_block", **to_builtins(parse_status_block(item.data))}
    if item.type == 0x48:
        weight = parse_measurement(item.data)
        guess = None if weight.unit else guessed_unit(weight.unit_id)
        return shown | {"kind": "measurement", **to_builtins(weight), "unit_guess": guess}
    if item.type == 0x35:
        return shown | {"kind": "float", "value": decode_float40(item.data)}
    if item.type in (0x50, 0x54):
        return shown | {"kind": "string", "text": decode_text(item.data)}
    if item.type == 0x45:
        return shown | {"kind": "bcd", "digits": decode_bcd(item.data)}
    if item.type >> 4 in (1, 2):
        return shown | {"kind": "unsigned", "value": item.number}
    return shown | {"kind": "octets"}


def explain_line(raw: bytes) -> Explained:
    if looks_like_seven_bits(raw):
        return {"kind": "seven_bits", "meaning": "7-bit text with odd parity, read as 8 bits"}
    line = parse_line(raw)
    shown: Explained = {key: value for key, value in to_builtins(line).items() if key != "raw"}
    return {**shown, "text": line.text, "body_length": line.body_length}


def explain_command(token: str) -> Explained:
    known = command(token)
    return {"kind": "command", "token": f"ESC {token}", "name": known.name, "safety": known.safety.name.lower()}

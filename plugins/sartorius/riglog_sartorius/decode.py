"""Explains bytes of a trace, for ``riglog sartorius decode``. Pure."""

from typing import Any

from msgspec import to_builtins

from riglog_sartorius.errors import XBPI_ERRORS, is_seven_bit_text
from riglog_sartorius.sbi.commands import COMMAND, command
from riglog_sartorius.sbi.lines import END, parse_line
from riglog_sartorius.units import guessed_unit
from riglog_sartorius.xbpi.frames import ACK, ERROR, HOST, WEIGHT, Frame, Item, checksum, frame_fault, parse_items, scan
from riglog_sartorius.xbpi.measurement import (
    decode_bcd,
    decode_float40,
    decode_text,
    is_status_block,
    parse_measurement,
    parse_status_block,
)
from riglog_sartorius.xbpi.opcodes import COMBINED, READ_NET, opcode

Explained = dict[str, Any]
SEVEN_BITS: Explained = {"kind": "seven_bits", "meaning": "7-bit text with odd parity received as 8-bit characters"}


def explain(data: bytes) -> list[Explained]:
    """Return what ``data`` contains, in order: an xBPI request, xBPI replies, an SBI command, or SBI lines."""
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
    if is_seven_bit_text(data):
        return [dict(SEVEN_BITS)]
    return [{"kind": "malformed", "reason": frame_fault(data)}]


def is_request(data: bytes) -> bool:
    """Return True for one xBPI request of a host."""
    return len(data) >= 5 and len(data) == data[0] + 1 and data[1] == HOST and checksum(data[:-1]) == data[-1]


def explain_request(data: bytes) -> Explained:
    known = opcode(data[3])
    args = data[4:-1]
    combined = data[3] == READ_NET and args == COMBINED
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
    """Explain each item by itself: a reply does not contain the command it belongs to."""
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
    if item.type == WEIGHT and is_status_block(item.data):
        return shown | {"kind": "status_block", **to_builtins(parse_status_block(item.data))}
    if item.type == WEIGHT:
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
    if is_seven_bit_text(raw):
        return dict(SEVEN_BITS)
    line = parse_line(raw)
    shown: Explained = {key: value for key, value in to_builtins(line).items() if key != "raw"}
    return {**shown, "text": line.text, "body_length": line.body_length}


def explain_command(token: str) -> Explained:
    known = command(token)
    return {"kind": "command", "token": f"ESC {token}", "name": known.name, "safety": known.safety.name.lower()}

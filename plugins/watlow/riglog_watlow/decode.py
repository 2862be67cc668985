"""Bytes from a trace, explained. Pure; for ``riglog watlow decode``."""

import struct
from collections.abc import Iterator
from typing import Any

from riglog.protocol.modbus.framing.checks import crc16
from riglog.protocol.modbus.pdu import EXCEPTION, READ_REGISTERS, reply_size, request_size
from riglog_watlow.errors import refusal
from riglog_watlow.modbus.registers import place
from riglog_watlow.parameters import PM, Parameter, registry
from riglog_watlow.stdbus import frames, message

Facts = dict[str, Any]


def explain(data: bytes) -> list[Facts]:
    """What is in ``data``, in order: Standard Bus frames, or one Modbus RTU frame, and what is neither."""
    if frames.PREAMBLE in data:
        return list(_standard_bus(data))
    found = [
        facts for size_of, what in ((request_size, _request), (reply_size, _reply)) if (facts := what(data, size_of))
    ]
    return found or [{"kind": "unknown", "bytes": data.hex(" "), "why": "no Standard Bus preamble, no Modbus CRC"}]


def _standard_bus(data: bytes) -> Iterator[Facts]:
    position = 0
    while position < len(data):
        damages: set[frames.Damage] = set()
        frame, end = frames.next_frame(data, position, final=True, damages=damages)
        size = 0 if frame is None else frames.HEADER + len(frame.payload) + (2 if frame.payload else 0)
        begin = len(data) if frame is None else end - size
        if begin > position:
            noise = {"kind": "skipped", "bytes": data[position:begin].hex(" ")}
            yield noise | ({"why": ", ".join(sorted(damages))} if damages else {})
        if frame is None:
            return
        yield _frame(frame)
        position = end


def _frame(frame: frames.Frame) -> Facts:
    asked = frame.kind == frames.REQUEST
    device = frame.destination if asked else frame.source
    payload = frame.payload
    facts: Facts = {
        "kind": {frames.REQUEST: "request", frames.REPLY: "reply"}.get(frame.kind, f"frame type {frame.kind:02X}"),
        "address": device - frames.mac(0),
        "payload": payload.hex(" "),
    }
    if message.is_refusal(payload):
        error = refusal(payload[1])
        return facts | {"service": "error", "code": error.code, "meaning": error.message}
    if len(payload) < 5 or payload[1] not in (message.READ, message.WRITE):
        return facts | {"service": "unknown"}
    reads = payload[1] == message.READ
    at = 3 if reads else 2
    facts |= {"service": "read" if reads else "write"} | _selector(payload[at : at + 3])
    data = payload[at + 3 :]
    return facts | _value(facts, data) if data else facts


def _selector(selector: bytes) -> Facts:
    parameter_id = selector[0] * 1000 + selector[1]
    parameter = registry(PM).get(parameter_id)
    return {"parameter": parameter.name if parameter else "unknown", "id": parameter_id, "instance": selector[-1]}


def _value(facts: Facts, data: bytes) -> Facts:
    try:
        tag, value = message.decode_value(data)
    except ValueError as error:
        return {"malformed": str(error)}
    said: Facts = {"type": f"{tag:02X}", "value": value}
    parameter = registry(PM).get(facts["id"])
    if parameter is not None and isinstance(value, int) and value in parameter.enum:
        said["label"] = parameter.enum[value]
    if parameter is not None and parameter.is_temperature:
        said["unit"] = "degF"
    return said


def _request(data: bytes, size_of: Any) -> Facts | None:
    pdu = _checked(data, size_of)
    if pdu is None or pdu[0] & EXCEPTION:
        return None
    register, number = struct.unpack(">HH", pdu[1:5])
    facts: Facts = {"kind": "request", "address": data[0], "function": pdu[0], "register": register}
    facts["value" if pdu[0] in (5, 6) else "count"] = number
    if pdu[0] == 16:
        facts["words"] = pdu[6:].hex(" ", 2)
    return facts | _places(register)


def _reply(data: bytes, size_of: Any) -> Facts | None:
    pdu = _checked(data, size_of)
    if pdu is None:
        return None
    facts: Facts = {"kind": "reply", "address": data[0], "function": pdu[0] & ~EXCEPTION}
    if pdu[0] & EXCEPTION:
        return facts | {"exception": pdu[1]}
    if pdu[0] not in READ_REGISTERS:
        register = int.from_bytes(pdu[1:3], "big")
        return facts | {"register": register} | _places(register)
    words = pdu[2:]
    facts["words"] = words.hex(" ", 2)
    if len(words) == 2:
        facts["as number"] = int.from_bytes(words, "big")
    if len(words) == 4:
        low_first = words[2:] + words[:2]
        facts |= {"as float, low word first": _float(low_first), "as float, high word first": _float(words)}
        facts["as int32, high word first"] = int.from_bytes(words, "big", signed=True)
    return facts


def _checked(data: bytes, size_of: Any) -> bytes | None:
    """The PDU of a frame that is exactly ``data``, with its CRC right."""
    size = size_of(data[1:8]) if len(data) > 3 else None
    return data[1:-2] if size and len(data) == size + 3 and not crc16(data) else None


def _places(register: int) -> Facts:
    """What begins at a register of an EZ-ZONE, in either map."""
    return {
        f"register map {number}": name
        for number in (1, 2)
        if (name := next((hit for one in registry(PM) if (hit := _at(one, register, number))), None))
    }


def _at(parameter: Parameter, register: int, register_map: int) -> str | None:
    registers = place(parameter, register_map)
    if registers is None:
        return None
    for instance in range(1, registers.last_instance + 1):
        if registers.of(instance) == register:
            return parameter.name if instance == 1 else f"{parameter.name}[{instance}]"
    return None


def _float(data: bytes) -> float:
    value: float = struct.unpack(">f", data)[0]
    return value

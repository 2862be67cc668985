"""Decoding frames from a trace, for ``riglog watlow decode``. Pure."""

import struct
from collections.abc import Iterator
from typing import Any

from riglog.protocol.checksums import crc16
from riglog.protocol.modbus.pdu import EXCEPTION, READ_REGISTERS, reply_size, request_size
from riglog_watlow.errors import refusal_error
from riglog_watlow.modbus.registers import registers_of
from riglog_watlow.parameters import PM, Parameter, registry
from riglog_watlow.stdbus import frames, message

Fields = dict[str, Any]
"""The fields of one frame, or of bytes that are not a frame, by name."""


def explain(data: bytes) -> list[Fields]:
    """Return the content of ``data`` in order: Standard Bus frames, or one Modbus RTU frame, and other bytes."""
    if frames.PREAMBLE in data:
        return list(_standard_bus(data))
    # a Modbus frame can be valid as a request and as a reply
    readings = ((request_size, _request), (reply_size, _reply))
    frames_found = [fields for size_of, read in readings if (fields := read(data, size_of))]
    reason = "no Standard Bus preamble and no valid Modbus CRC"
    return frames_found or [{"kind": "unknown", "bytes": data.hex(" "), "reason": reason}]


def _standard_bus(data: bytes) -> Iterator[Fields]:
    position = 0
    while position < len(data):
        damages: set[frames.Damage] = set()
        frame, end = frames.next_frame(data, position, final=True, damages=damages)
        size = 0 if frame is None else frames.HEADER + len(frame.payload) + (2 if frame.payload else 0)
        start = len(data) if frame is None else end - size
        if start > position:
            skipped = {"kind": "skipped", "bytes": data[position:start].hex(" ")}
            yield skipped | ({"reason": ", ".join(sorted(damages))} if damages else {})
        if frame is None:
            return
        yield _frame(frame)
        position = end


def _frame(frame: frames.Frame) -> Fields:
    device = frame.destination if frame.kind == frames.REQUEST else frame.source
    payload = frame.payload
    fields: Fields = {
        "kind": {frames.REQUEST: "request", frames.REPLY: "reply"}.get(frame.kind, f"frame type {frame.kind:02X}"),
        "address": device - frames.mac(0),
        "payload": payload.hex(" "),
    }
    if message.is_refusal(payload):
        error = refusal_error(payload[1])
        return fields | {"service": "error", "code": error.code, "meaning": error.message}
    if len(payload) < 5 or payload[1] not in (message.READ, message.WRITE):
        return fields | {"service": "unknown"}
    reads = payload[1] == message.READ
    at = 3 if reads else 2
    fields |= {"service": "read" if reads else "write"} | _selector(payload[at : at + 3])
    data = payload[at + 3 :]
    return fields | _value(fields, data) if data else fields


def _selector(selector: bytes) -> Fields:
    parameter_id = selector[0] * 1000 + selector[1]
    parameter = registry(PM).get(parameter_id)
    return {"parameter": parameter.name if parameter else "unknown", "id": parameter_id, "instance": selector[-1]}


def _value(fields: Fields, data: bytes) -> Fields:
    try:
        tag, value = message.decode_value(data)
    except ValueError as error:
        return {"malformed": str(error)}
    result: Fields = {"type": f"{tag:02X}", "value": value}
    parameter = registry(PM).get(fields["id"])
    if parameter is not None and isinstance(value, int) and value in parameter.enum:
        result["label"] = parameter.enum[value]
    if parameter is not None and parameter.is_temperature:
        result["unit"] = "degF"
    return result


def _request(data: bytes, size_of: Any) -> Fields | None:
    pdu = _checked(data, size_of)
    if pdu is None or pdu[0] & EXCEPTION:
        return None
    register, number = struct.unpack(">HH", pdu[1:5])
    fields: Fields = {"kind": "request", "address": data[0], "function": pdu[0], "register": register}
    fields["value" if pdu[0] in (5, 6) else "count"] = number
    if pdu[0] == 16:
        fields["words"] = pdu[6:].hex(" ", 2)
    return fields | _parameters_at(register)


def _reply(data: bytes, size_of: Any) -> Fields | None:
    pdu = _checked(data, size_of)
    if pdu is None:
        return None
    fields: Fields = {"kind": "reply", "address": data[0], "function": pdu[0] & ~EXCEPTION}
    if pdu[0] & EXCEPTION:
        return fields | {"exception": pdu[1]}
    if pdu[0] not in READ_REGISTERS:
        register = int.from_bytes(pdu[1:3], "big")
        return fields | {"register": register} | _parameters_at(register)
    words = pdu[2:]
    fields["words"] = words.hex(" ", 2)
    if len(words) == 2:
        fields["as uint16"] = int.from_bytes(words, "big")
    if len(words) == 4:
        low_first = words[2:] + words[:2]
        fields |= {"as float32, low word first": _float(low_first), "as float32, high word first": _float(words)}
        fields["as int32, high word first"] = int.from_bytes(words, "big", signed=True)
    return fields


def _checked(data: bytes, size_of: Any) -> bytes | None:
    """Return the PDU, if ``data`` is exactly one frame with a valid CRC."""
    size = size_of(data[1:8]) if len(data) > 3 else None
    return data[1:-2] if size and len(data) == size + 3 and not crc16(data) else None


def _parameters_at(register: int) -> Fields:
    """Return the EZ-ZONE parameter that starts at a register, for each map."""
    return {
        f"register map {number}": name
        for number in (1, 2)
        if (name := next((name for parameter in registry(PM) if (name := _at(parameter, register, number))), None))
    }


def _at(parameter: Parameter, register: int, register_map: int) -> str | None:
    registers = registers_of(parameter, register_map)
    if registers is None:
        return None
    for instance in range(1, registers.last_instance + 1):
        if registers.of(instance) == register:
            return parameter.name if instance == 1 else f"{parameter.name}[{instance}]"
    return None


def _float(data: bytes) -> float:
    value: float = struct.unpack(">f", data)[0]
    return value

"""Standard Bus payloads: direction, service, selector of the parameter, and its typed value. No I/O.

Source: Watlow wire specification, sections 3 and 4.
"""

import struct

from riglog_watlow.parameters import WireValue

FROM_MASTER, FROM_DEVICE = 0x01, 0x02
READ, WRITE = 0x03, 0x04
ONE_VALUE = 0x01
"""The mode byte of a read. Writes have none, so their replies are one byte shorter."""

UINT8, UINT16, UINT32, INT32, FLOAT, STRING, WORDS = 0x01, 0x03, 0x05, 0x06, 0x08, 0x09, 0x0F

_FIXED = {
    UINT8: struct.Struct(">B"),
    UINT16: struct.Struct(">H"),
    UINT32: struct.Struct(">I"),
    INT32: struct.Struct(">i"),
    FLOAT: struct.Struct(">f"),
}


def selector(parameter_id: int, instance: int) -> bytes:
    """Return class, member and instance in plain binary: 8033 instance 1 is ``08 21 01``."""
    return bytes([*divmod(parameter_id, 1000), instance])


def is_refusal(payload: bytes) -> bool:
    """Return True for an error reply: a code instead of a service, and no selector."""
    return len(payload) >= 2 and payload[0] == FROM_DEVICE and payload[1] >= 0x80


def decode_value(data: bytes) -> tuple[int, WireValue]:
    """Return the type tag and the value of a VALUE field.

    Raises:
        ValueError: unknown tag, or too few or too many bytes.
    """
    if not data:
        raise ValueError("value is empty")
    tag = data[0]
    if (fixed := _FIXED.get(tag)) is not None:
        if len(data) != 1 + fixed.size:
            raise ValueError(f"data type 0x{tag:02X}: {len(data) - 1} bytes received, {fixed.size} expected")
        return tag, fixed.unpack_from(data, 1)[0]
    if tag not in (STRING, WORDS):
        raise ValueError(f"unknown data type 0x{tag:02X}")
    width = 2 if tag == WORDS else 1
    count = data[1] if len(data) > 1 else 0
    if len(data) != 2 + count * width or (tag == WORDS and count == 0):
        raise ValueError(f"data type 0x{tag:02X}: length {count} announced, {len(data)} bytes received")
    if tag == STRING:
        return tag, data[2:].rstrip(b"\0").decode("ascii")
    return tag, int.from_bytes(data[2:], "big")


def encode_value(tag: int, value: WireValue) -> bytes:
    """Return a VALUE field; a string ends with NUL, an enumeration is one word.

    Raises:
        ValueError: the value does not fit the data type.
    """
    try:
        if tag == STRING:
            text = str(value).encode("ascii") + b"\0"
            return bytes([tag, len(text)]) + text
        if tag == WORDS:
            return bytes([tag, 1]) + struct.pack(">H", value)
        return bytes([tag]) + _FIXED[tag].pack(value)
    except (struct.error, OverflowError, KeyError) as error:
        raise ValueError(f"{value!r} does not fit data type 0x{tag:02X}") from error

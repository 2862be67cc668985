"""Standard Bus frames and payload values as bytes. No I/O, no clock, no requests to match.

Source: Watlow wire specification, sections 2 to 4 and the receiver of section 7.
"""

import struct
from enum import StrEnum
from typing import NamedTuple

PREAMBLE = b"\x55\xff"
REQUEST, REPLY = 0x05, 0x06
FROM_MASTER, FROM_DEVICE = 0x01, 0x02
READ, WRITE = 0x03, 0x04
ONE_VALUE = 0x01
"""The mode byte of a read. Writes carry none, so their replies are one byte shorter."""

HEADER = 8  # preamble, type, destination, source, length, header CRC
LONGEST_PAYLOAD = 512  # a longer LEN is a damaged header: the longest known payload has about 32 bytes
GOOD_HEADER, GOOD_DATA = 0x55, 0xF0B8  # what the registers hold after an intact header or payload with its CRC

MASTER_MAC = 0x00


def mac(address: int) -> int:
    """The bus address of the controller that its panel calls ``address`` (1..16)."""
    return 0x0F + address


class Damage(StrEnum):
    """Why bytes that look like a frame are none, worst evidence first."""

    BAD_DATA_CRC = "bad_data_crc"
    TRUNCATED = "truncated"
    BAD_HEADER_CRC = "bad_header_crc"


class Frame(NamedTuple):
    """A frame whose both CRCs are right."""

    kind: int
    destination: int
    source: int
    payload: bytes


def _table(polynomial: int) -> tuple[int, ...]:
    def entry(crc: int) -> int:
        for _ in range(8):
            crc = (crc >> 1) ^ polynomial if crc & 1 else crc >> 1
        return crc

    return tuple(entry(byte) for byte in range(256))


_HEADER_TABLE = _table(0x81)
_DATA_TABLE = _table(0x8408)


def header_register(data: bytes | bytearray) -> int:
    """The CRC-8 register after ``data``, not complemented: x^8 + x^7 + 1, least significant bit first."""
    crc, table = 0xFF, _HEADER_TABLE
    for byte in data:
        crc = table[crc ^ byte]
    return crc


def data_register(data: bytes | bytearray) -> int:
    """The CRC-16/X-25 register after ``data``, not complemented."""
    crc, table = 0xFFFF, _DATA_TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def frame_bytes(kind: int, destination: int, source: int, payload: bytes) -> bytes:
    """A whole frame. LEN is big-endian, the payload's CRC little-endian."""
    header = struct.pack(">BBBH", kind, destination, source, len(payload))
    header_crc = bytes([header_register(header) ^ 0xFF])
    data_crc = struct.pack("<H", data_register(payload) ^ 0xFFFF) if payload else b""
    return PREAMBLE + header + header_crc + payload + data_crc


def next_frame(
    buffer: bytes | bytearray, position: int, *, final: bool = False, damages: set[Damage] | None = None
) -> tuple[Frame | None, int]:
    """The first intact frame at or behind ``position`` and where it ends; None and where an unfinished one begins.

    After damage the search goes on at the byte behind the preamble's first: a true frame may begin inside.

    Args:
        final: nothing more will come; an unfinished frame is searched for others inside it.
        damages: gets what was wrong with what looked like a frame.
    """
    damages = set() if damages is None else damages
    while (start := buffer.find(PREAMBLE, position)) >= 0:
        position = start + 1
        body = start + HEADER
        if body > len(buffer):
            if not final:
                return None, start
            continue
        length = buffer[start + 5] << 8 | buffer[start + 6]
        if header_register(buffer[start + 2 : body]) != GOOD_HEADER or length > LONGEST_PAYLOAD:
            damages.add(Damage.BAD_HEADER_CRC)
            continue
        end = body + length + 2 if length else body
        if end > len(buffer):
            if not final:
                return None, start
            damages.add(Damage.TRUNCATED)
            continue
        if length and data_register(buffer[body:end]) != GOOD_DATA:
            damages.add(Damage.BAD_DATA_CRC)
            continue
        kind, destination, source = buffer[start + 2 : start + 5]
        return Frame(kind, destination, source, bytes(buffer[body : body + length])), end
    return None, len(buffer) - buffer.endswith(PREAMBLE[:1])


def selector(parameter_id: int, instance: int) -> bytes:
    """Class, member, instance, in plain binary: 8033 instance 1 is ``08 21 01``."""
    return bytes([*divmod(parameter_id, 1000), instance])


UINT8, UINT16, UINT32, INT32, FLOAT, STRING, WORDS = 0x01, 0x03, 0x05, 0x06, 0x08, 0x09, 0x0F

WireValue = float | int | str

_FIXED = {
    UINT8: struct.Struct(">B"),
    UINT16: struct.Struct(">H"),
    UINT32: struct.Struct(">I"),
    INT32: struct.Struct(">i"),
    FLOAT: struct.Struct(">f"),
}


def decode_value(data: bytes) -> tuple[int, WireValue]:
    """Type tag and value of a VALUE field.

    Raises:
        ValueError: unknown tag, or bytes missing or left over.
    """
    if not data:
        raise ValueError("value is empty")
    tag = data[0]
    if (fixed := _FIXED.get(tag)) is not None:
        if len(data) != 1 + fixed.size:
            raise ValueError(f"value of type {tag:02X} has {len(data) - 1} bytes, not {fixed.size}")
        return tag, fixed.unpack_from(data, 1)[0]
    if tag not in (STRING, WORDS):
        raise ValueError(f"unknown value type {tag:02X}")
    width = 2 if tag == WORDS else 1
    count = data[1] if len(data) > 1 else 0
    if len(data) != 2 + count * width or (tag == WORDS and count == 0):
        raise ValueError(f"value of type {tag:02X} announces {count} and has {len(data)} bytes")
    if tag == STRING:
        return tag, data[2:].rstrip(b"\0").decode("ascii")
    return tag, int.from_bytes(data[2:], "big")


def encode_value(tag: int, value: WireValue) -> bytes:
    """A VALUE field; strings get their NUL, enumerations one word.

    Raises:
        ValueError: the value does not fit the type.
    """
    try:
        if tag == STRING:
            text = str(value).encode("ascii") + b"\0"
            return bytes([tag, len(text)]) + text
        if tag == WORDS:
            return bytes([tag, 1]) + struct.pack(">H", value)
        return bytes([tag]) + _FIXED[tag].pack(value)
    except (struct.error, OverflowError, KeyError) as error:
        raise ValueError(f"{value!r} does not fit value type {tag:02X}") from error

"""Standard Bus frames: two CRCs, and the search for the next intact frame. No I/O, no clock.

Source: Watlow wire specification, section 2 and the receiver of section 7.
"""

import struct
from enum import StrEnum
from typing import NamedTuple

PREAMBLE = b"\x55\xff"
REQUEST, REPLY = 0x05, 0x06

HEADER = 8  # preamble, type, destination, source, length, header CRC
MAX_PAYLOAD = 512  # a longer LEN is a damaged header: the longest known payload has about 32 bytes
GOOD_HEADER, GOOD_DATA = 0x55, 0xF0B8  # the registers after an intact header or payload with its CRC


def mac(address: int) -> int:
    """Return the bus address of the controller with ``address`` (1 to 16) at its panel."""
    return 0x0F + address


class Damage(StrEnum):
    """Why bytes that look like a frame are not an intact one, the strongest evidence first."""

    BAD_DATA_CRC = "bad_data_crc"
    TRUNCATED = "truncated"
    BAD_HEADER_CRC = "bad_header_crc"


class Frame(NamedTuple):
    """A frame with two valid CRCs."""

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
    """Return the CRC-8 register after ``data``, not complemented: x^8 + x^7 + 1, least significant bit first."""
    crc, table = 0xFF, _HEADER_TABLE
    for byte in data:
        crc = table[crc ^ byte]
    return crc


def data_register(data: bytes | bytearray) -> int:
    """Return the CRC-16/X-25 register after ``data``, not complemented."""
    crc, table = 0xFFFF, _DATA_TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def frame_bytes(kind: int, destination: int, source: int, payload: bytes) -> bytes:
    """Return a complete frame. LEN is big-endian, the CRC of the payload little-endian."""
    header = struct.pack(">BBBH", kind, destination, source, len(payload))
    header_crc = bytes([header_register(header) ^ 0xFF])
    data_crc = struct.pack("<H", data_register(payload) ^ 0xFFFF) if payload else b""
    return PREAMBLE + header + header_crc + payload + data_crc


def next_frame(
    buffer: bytes | bytearray, position: int, *, final: bool = False, damages: set[Damage] | None = None
) -> tuple[Frame | None, int]:
    """Return the first intact frame at or after ``position`` and its end; None and the start of an incomplete frame.

    After damage the search continues one byte after the start of the preamble: an intact frame may start inside.

    Args:
        final: no more bytes will arrive; an incomplete frame is searched for others inside it.
        damages: receives the damage of everything that looked like a frame.
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
        if header_register(buffer[start + 2 : body]) != GOOD_HEADER or length > MAX_PAYLOAD:
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

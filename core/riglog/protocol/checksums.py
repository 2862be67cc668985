"""Checksums of serial protocols. Pure.

Source of the two of Modbus: Modbus over serial line V1.02, sections 6.2.1 and 6.2.2.
"""

from collections.abc import Iterable


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc16(data: Iterable[int]) -> int:
    """CRC-16/MODBUS; on the wire its low byte goes first. Over a frame with its own CRC it is 0."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def lrc(data: Iterable[int]) -> int:
    """Two's complement of the 8-bit sum. Over data with its own LRC it is 0."""
    return -sum(data) & 0xFF


def sum8(data: Iterable[int]) -> int:
    """The 8-bit sum."""
    return sum(data) & 0xFF


def xor8(data: Iterable[int]) -> int:
    """Exclusive or of all bytes, as NMEA has it."""
    result = 0
    for byte in data:
        result ^= byte
    return result

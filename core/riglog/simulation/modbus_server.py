"""One Modbus slave as tables: what a vendor's simulator fills in. Source: Modbus application protocol V1.1b3."""

from collections.abc import Sequence

from riglog.protocol.modbus.errors import (
    IllegalDataAddressError,
    IllegalDataValueError,
    IllegalFunctionError,
    ModbusExceptionError,
)
from riglog.protocol.modbus.pdu import EXCEPTION, MAX_BITS, MAX_REGISTERS, READ_BITS, READS, SUPPORTED, request_size

COIL = {b"\xff\x00": True, b"\x00\x00": False}


class ModbusServer:
    """Checks a request in the order of the standard (function, quantity, address) and asks the tables.

    Override what the instrument has. Raising a ModbusExceptionError answers with that exception.
    """

    functions = SUPPORTED

    def read_bits(self, function: int, start: int, count: int) -> Sequence[bool]:
        """Coils (1) or discrete inputs (2)."""
        raise IllegalDataAddressError

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        """Holding (3) or input (4) registers."""
        raise IllegalDataAddressError

    def write_bits(self, start: int, bits: Sequence[bool]) -> None:
        raise IllegalDataAddressError

    def write_registers(self, start: int, registers: Sequence[int]) -> None:
        raise IllegalDataAddressError

    def answer(self, pdu: bytes) -> bytes:
        """The reply to a request, both as function code and data; empty: silence."""
        try:
            if pdu[0] not in self.functions:
                raise IllegalFunctionError
            return self._done(pdu)
        except ModbusExceptionError as refusal:
            return bytes([pdu[0] | EXCEPTION, int(refusal.code or 0)])

    def _done(self, pdu: bytes) -> bytes:
        if request_size(pdu) != len(pdu):
            raise IllegalDataValueError
        function, data = pdu[0], pdu[1:]
        start, number = _word(data, 0), _word(data, 2)
        if function in READS:
            _check_count(number, MAX_BITS if function in READ_BITS else MAX_REGISTERS)
            return bytes([function, *self._read(function, start, number)])
        match function:
            case 5:
                if data[2:] not in COIL:
                    raise IllegalDataValueError
                self.write_bits(start, [COIL[data[2:]]])
            case 6:
                self.write_registers(start, [number])
            case 8:
                if start:
                    raise IllegalFunctionError
            case 15:
                _check_count(number, 1968, data[4] == (number + 7) // 8)
                self.write_bits(start, unpack_bits(data[5:])[:number])
            case 16:
                _check_count(number, 123, data[4] == number * 2)
                self.write_registers(start, [_word(data, at) for at in range(5, len(data), 2)])
        return pdu[:5]

    def _read(self, function: int, start: int, count: int) -> bytes:
        """Byte count and data."""
        if function in READ_BITS:
            packed = pack_bits(self.read_bits(function, start, count))
        else:
            packed = b"".join(value.to_bytes(2, "big") for value in self.read_registers(function, start, count))
        return bytes([len(packed)]) + packed


def pack_bits(bits: Sequence[bool]) -> bytes:
    """The first bit is the lowest of the first byte; unused bits are 0."""
    number = sum(1 << place for place, bit in enumerate(bits) if bit)
    return number.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(data: bytes) -> list[bool]:
    number = int.from_bytes(data, "little")
    return [bool(number >> place & 1) for place in range(8 * len(data))]


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _check_count(count: int, most: int, consistent: bool = True) -> None:
    if not (1 <= count <= most and consistent):
        raise IllegalDataValueError

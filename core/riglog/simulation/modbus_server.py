"""The base class of simulated Modbus servers. Source: MODBUS Application Protocol Specification V1.1b3."""

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
    """One Modbus server (formerly slave): the tables of a simulated instrument.

    Override the methods of the tables that the instrument has; the others refuse every address. A method that raises a
    ModbusExceptionError makes the reply an exception response. A request is checked in the order of the specification:
    function, quantity, address.

    Attributes:
        functions: function codes that the instrument supports.
    """

    functions = SUPPORTED

    def read_bits(self, function: int, start: int, count: int) -> Sequence[bool]:
        """Return coils (function 1) or discrete inputs (function 2)."""
        raise IllegalDataAddressError

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        """Return holding registers (function 3) or input registers (function 4)."""
        raise IllegalDataAddressError

    def write_bits(self, start: int, bits: Sequence[bool]) -> None:
        """Write coils."""
        raise IllegalDataAddressError

    def write_registers(self, start: int, registers: Sequence[int]) -> None:
        """Write holding registers."""
        raise IllegalDataAddressError

    def respond(self, pdu: bytes) -> bytes:
        """Return the reply PDU to a request PDU (function code and data); empty for no reply."""
        try:
            if pdu[0] not in self.functions:
                raise IllegalFunctionError
            return self._execute(pdu)
        except ModbusExceptionError as error:
            return bytes([pdu[0] | EXCEPTION, int(error.code or 0)])

    def _execute(self, pdu: bytes) -> bytes:
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
        """Return the byte count and the data of a read reply."""
        if function in READ_BITS:
            packed = pack_bits(self.read_bits(function, start, count))
        else:
            packed = b"".join(value.to_bytes(2, "big") for value in self.read_registers(function, start, count))
        return bytes([len(packed)]) + packed


def pack_bits(bits: Sequence[bool]) -> bytes:
    """Return bits as bytes: the first bit is the lowest of the first byte; unused bits are 0."""
    number = sum(1 << place for place, bit in enumerate(bits) if bit)
    return number.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(data: bytes) -> list[bool]:
    """Return the bits of bytes, the lowest of each byte first."""
    number = int.from_bytes(data, "little")
    return [bool(number >> place & 1) for place in range(8 * len(data))]


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _check_count(count: int, most: int, consistent: bool = True) -> None:
    if not (1 <= count <= most and consistent):
        raise IllegalDataValueError

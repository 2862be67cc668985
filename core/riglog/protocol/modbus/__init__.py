"""Modbus for every vendor: RTU, ASCII and TCP over riglog's own ports.

Light names only; ``riglog.protocol.modbus.client`` is what imports pymodbus, and is imported when a port is opened.
"""

from riglog.protocol.modbus.codec import ModbusCodec
from riglog.protocol.modbus.errors import (
    IllegalDataAddressError,
    IllegalDataValueError,
    IllegalFunctionError,
    ModbusExceptionError,
    SlaveDeviceBusyError,
    SlaveDeviceFailureError,
)
from riglog.protocol.modbus.framing import Framing, framing_of
from riglog.protocol.modbus.pdu import ModbusRequest
from riglog.protocol.modbus.server import ModbusServer
from riglog.protocol.modbus.slave import ModbusSlave

__all__ = [
    "Framing",
    "IllegalDataAddressError",
    "IllegalDataValueError",
    "IllegalFunctionError",
    "ModbusCodec",
    "ModbusExceptionError",
    "ModbusRequest",
    "ModbusServer",
    "ModbusSlave",
    "SlaveDeviceBusyError",
    "SlaveDeviceFailureError",
    "framing_of",
]

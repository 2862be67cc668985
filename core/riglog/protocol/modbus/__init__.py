"""Modbus for every vendor: RTU, ASCII and TCP over riglog's own ports.

Light names only; ``riglog.protocol.modbus.client`` imports pymodbus, and is imported when a port is opened.
"""

from riglog.protocol.modbus.codec import ModbusCodec
from riglog.protocol.modbus.connect import connect_modbus
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

__all__ = [
    "Framing",
    "IllegalDataAddressError",
    "IllegalDataValueError",
    "IllegalFunctionError",
    "ModbusCodec",
    "ModbusExceptionError",
    "ModbusRequest",
    "SlaveDeviceBusyError",
    "SlaveDeviceFailureError",
    "connect_modbus",
    "framing_of",
]

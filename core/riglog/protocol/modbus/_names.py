"""The public names of ``riglog.protocol.modbus``, each with its home. See ``riglog._lazy``."""

from riglog.protocol.modbus.codec import ModbusCodec as ModbusCodec
from riglog.protocol.modbus.connect import connect_modbus as connect_modbus
from riglog.protocol.modbus.errors import IllegalDataAddressError as IllegalDataAddressError
from riglog.protocol.modbus.errors import IllegalDataValueError as IllegalDataValueError
from riglog.protocol.modbus.errors import IllegalFunctionError as IllegalFunctionError
from riglog.protocol.modbus.errors import ModbusExceptionError as ModbusExceptionError
from riglog.protocol.modbus.errors import SlaveDeviceBusyError as SlaveDeviceBusyError
from riglog.protocol.modbus.errors import SlaveDeviceFailureError as SlaveDeviceFailureError
from riglog.protocol.modbus.framing import Framing as Framing
from riglog.protocol.modbus.framing import framing_of as framing_of
from riglog.protocol.modbus.pdu import ModbusRequest as ModbusRequest

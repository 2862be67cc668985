"""The public names of riglog_modbus, each with its home. The only list: see ``riglog._lazy``."""

from riglog_modbus.config import ModbusConfig as ModbusConfig
from riglog_modbus.device import ModbusInstrument as ModbusInstrument
from riglog_modbus.driver import ModbusDriver as ModbusDriver
from riglog_modbus.errors import RegisterRefusedError as RegisterRefusedError

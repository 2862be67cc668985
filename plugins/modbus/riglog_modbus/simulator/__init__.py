"""The simulated instrument of an instrument file, as a Modbus server, byte-accurate."""

from riglog_modbus.simulator.instrument import ModbusSimulator, RegisterServer

__all__ = ["ModbusSimulator", "RegisterServer"]

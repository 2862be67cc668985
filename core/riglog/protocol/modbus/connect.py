"""The factory of every Modbus driver's client: devices of different vendors share a port because it is the same one."""

from typing import TYPE_CHECKING

from riglog.protocol.connection import Connection

if TYPE_CHECKING:
    from riglog.protocol.modbus.client import ModbusClient


def connect_modbus(connection: Connection) -> "ModbusClient":
    """Return the client of an opened Modbus port; imports pymodbus."""
    from riglog.protocol.modbus.client import ModbusClient

    return ModbusClient(connection)

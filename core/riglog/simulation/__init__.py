"""Simulated instruments: software that behaves like an instrument on a port, in this process or for other programs."""

from riglog.simulation.faults import Fault, FaultyWire, parse_faults
from riglog.simulation.modbus_server import ModbusServer
from riglog.simulation.modbus_servers import ModbusServers
from riglog.simulation.peer import Arrivals, SimulatedPeer
from riglog.simulation.schedule import Schedule
from riglog.simulation.simulator import SimulatedBus, Simulator
from riglog.simulation.swapped import SwappedSimulator
from riglog.simulation.transport import SimulatedTransport

__all__ = [
    "Arrivals",
    "Fault",
    "FaultyWire",
    "ModbusServer",
    "ModbusServers",
    "Schedule",
    "SimulatedBus",
    "SimulatedPeer",
    "SimulatedTransport",
    "Simulator",
    "SwappedSimulator",
    "parse_faults",
]

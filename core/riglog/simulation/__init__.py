"""Simulated instruments: software that behaves like an instrument on a port, in this process or for other programs."""

from riglog.simulation.faults import Fault, FaultyWire, parse_faults
from riglog.simulation.modbus_server import ModbusServer
from riglog.simulation.modbus_servers import ModbusServers
from riglog.simulation.peer import Arrivals, SimulatedPeer
from riglog.simulation.schedule import Schedule
from riglog.simulation.scheduled import ScheduledSimulator
from riglog.simulation.simulator import SimulatedBus, Simulator
from riglog.simulation.swapped import SwappedSimulator
from riglog.simulation.transport import SimulatedTransport
from riglog.simulation.truth import Course, Timeline, Truth, TruthfulSimulator

__all__ = [
    "Arrivals",
    "Course",
    "Fault",
    "FaultyWire",
    "ModbusServer",
    "ModbusServers",
    "Schedule",
    "ScheduledSimulator",
    "SimulatedBus",
    "SimulatedPeer",
    "SimulatedTransport",
    "Simulator",
    "SwappedSimulator",
    "Timeline",
    "Truth",
    "TruthfulSimulator",
    "parse_faults",
]

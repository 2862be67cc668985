"""The public names of this package, one a line; ``riglog._lazy`` imports each when it is used."""

from riglog.simulation.faults import Fault as Fault
from riglog.simulation.faults import FaultyWire as FaultyWire
from riglog.simulation.faults import parse_faults as parse_faults
from riglog.simulation.modbus_server import ModbusServer as ModbusServer
from riglog.simulation.modbus_servers import ModbusServers as ModbusServers
from riglog.simulation.peer import Arrivals as Arrivals
from riglog.simulation.peer import SimulatedPeer as SimulatedPeer
from riglog.simulation.schedule import Schedule as Schedule
from riglog.simulation.scheduled import ScheduledSimulator as ScheduledSimulator
from riglog.simulation.simulator import SimulatedBus as SimulatedBus
from riglog.simulation.simulator import Simulator as Simulator
from riglog.simulation.swapped import SwappedSimulator as SwappedSimulator
from riglog.simulation.transport import SimulatedTransport as SimulatedTransport
from riglog.simulation.truth import Course as Course
from riglog.simulation.truth import Timeline as Timeline
from riglog.simulation.truth import Truth as Truth
from riglog.simulation.truth import TruthfulSimulator as TruthfulSimulator

"""A simulated analyzer on the other end of the wire, byte-accurate, in all three modes.

Source: Servomex wire specification, sections 3.6 and 17.
"""

from riglog_servomex.simulator.continuous import BroadcastSimulator
from riglog_servomex.simulator.instrument import SimulatedAnalyzer
from riglog_servomex.simulator.modbus import ModbusSimulator

__all__ = ["BroadcastSimulator", "ModbusSimulator", "SimulatedAnalyzer"]

"""Simulated Watlow controllers: what they do (pm, older, oven), and how they talk (stdbus, modbus)."""

from riglog.model.units import DEG_C
from riglog.simulation import Simulator
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.simulator.controller import SimulatedController
from riglog_watlow.simulator.modbus import ControllerSlave, ModbusSimulator
from riglog_watlow.simulator.older import SimulatedF4P, SimulatedSD
from riglog_watlow.simulator.pm import SimulatedPM
from riglog_watlow.simulator.stdbus import StdBusSimulator

__all__ = [
    "ControllerSlave",
    "ModbusSimulator",
    "SimulatedController",
    "SimulatedF4P",
    "SimulatedPM",
    "SimulatedSD",
    "StdBusSimulator",
    "simulator",
]


def simulator(config: WatlowConfig) -> Simulator:
    """The controller that a configuration describes, at the far end of its wire."""
    number = config.address + config.offset
    if config.wire_protocol == STDBUS:
        return StdBusSimulator(config.address, controller=SimulatedPM(number, loops=_loops(config)))
    controller: SimulatedController
    match config.family:
        case "pm":
            controller = SimulatedPM(number, loops=_loops(config))
            controller.set("modbus_word_order", "high_low" if config.word_order == "high-low" else "low_high")
        case "sd":
            controller = SimulatedSD(number)
        case "f4p":
            controller = SimulatedF4P(number)
    if config.wire_temperature_unit == DEG_C:
        controller.set(config.facts.unit, "C")
    offset = config.offset if config.behind_gateway else None
    slave = ControllerSlave(controller, config.facts, config.register_map or 1, offset=offset)
    return ModbusSimulator(config.wire_protocol, config.address, slave)


def _loops(config: WatlowConfig) -> int:
    return 2 if 2 in config.instances else 1

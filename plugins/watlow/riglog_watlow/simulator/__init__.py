"""Simulated Watlow controllers: their state (instrument, models) and their protocols (stdbus, modbus)."""

from riglog.model.units import DEG_C
from riglog.simulation import Simulator
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.simulator.comm import MovableModbus, MovableStdBus
from riglog_watlow.simulator.instrument import SimulatedController
from riglog_watlow.simulator.modbus import ControllerServer, ModbusSimulator
from riglog_watlow.simulator.models import SimulatedF4P, SimulatedPM, SimulatedSD
from riglog_watlow.simulator.stdbus import StdBusSimulator

__all__ = [
    "ControllerServer",
    "ModbusSimulator",
    "SimulatedController",
    "SimulatedF4P",
    "SimulatedPM",
    "SimulatedSD",
    "StdBusSimulator",
    "simulator",
]


def simulator(config: WatlowConfig) -> Simulator:
    """Return the simulated controller that a configuration describes, with its protocol."""
    number = config.address + config.offset
    if config.wire_protocol == STDBUS:
        return MovableStdBus(config.address, SimulatedPM(number, loops=_loops(config)))
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
    server = ControllerServer(controller, config.facts, config.register_map or 1, offset=offset)
    if config.family == "pm" and config.wire_protocol == "modbus-rtu" and not config.behind_gateway:
        link = config.link
        return MovableModbus(config.wire_protocol, config.address, server, link.baudrate, link.parity)
    return ModbusSimulator(config.wire_protocol, config.address, server)


def _loops(config: WatlowConfig) -> int:
    return 2 if 2 in config.instances else 1

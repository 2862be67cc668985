"""Ports: names, settings, and bytes in and out. Heavy libraries are imported when a port is opened."""

from riglog.transport.base import Transport
from riglog.transport.canonical import canonical_port
from riglog.transport.far_end import FarEnd
from riglog.transport.faults import Fault, Wire, parse_faults
from riglog.transport.link import Link
from riglog.transport.open import open_transport
from riglog.transport.scripted import exchange, scripted
from riglog.transport.serial import SerialPort, serial_ports
from riglog.transport.simulated import SimulatedTransport
from riglog.transport.simulator import SimulatedBus, Simulator

__all__ = [
    "FarEnd",
    "Fault",
    "Link",
    "SerialPort",
    "SimulatedBus",
    "SimulatedTransport",
    "Simulator",
    "Transport",
    "Wire",
    "canonical_port",
    "exchange",
    "open_transport",
    "parse_faults",
    "scripted",
    "serial_ports",
]

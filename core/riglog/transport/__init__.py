"""Ports: names, settings, and the open port as a byte stream. pyserial is imported when a port is opened."""

from riglog.transport.base import Transport
from riglog.transport.canonical import canonical_port
from riglog.transport.link import Link
from riglog.transport.open import open_transport
from riglog.transport.serial import SerialPort, serial_ports

__all__ = ["Link", "SerialPort", "Transport", "canonical_port", "open_transport", "serial_ports"]

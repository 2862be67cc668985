"""The public names of ``riglog.transport``, each with its home. See ``riglog._lazy``."""

from riglog.transport.base import Transport as Transport
from riglog.transport.canonical import canonical_port as canonical_port
from riglog.transport.link import Link as Link
from riglog.transport.open import open_transport as open_transport
from riglog.transport.serial import SerialPort as SerialPort
from riglog.transport.serial import serial_ports as serial_ports

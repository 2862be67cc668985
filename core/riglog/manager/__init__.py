"""The rig: devices by name, shared ports, reconnecting, and suspending devices that do not respond."""

from riglog.manager.acceptance import acceptance
from riglog.manager.device_spec import DeviceSpec, PortSpec, check_compatible, resolve_device
from riglog.manager.manager import Manager
from riglog.manager.port_utilisation import PortUtilisation, port_utilisation

__all__ = [
    "DeviceSpec",
    "Manager",
    "PortSpec",
    "PortUtilisation",
    "acceptance",
    "check_compatible",
    "port_utilisation",
    "resolve_device",
]

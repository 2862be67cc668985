"""The rig: devices by name, shared ports, reconnecting, and leaving silent devices alone."""

from riglog.manager.device_spec import DeviceSpec, check_compatible, resolve_device
from riglog.manager.manager import Manager
from riglog.manager.port_utilisation import PortUtilisation, port_utilisation

__all__ = ["DeviceSpec", "Manager", "PortUtilisation", "check_compatible", "port_utilisation", "resolve_device"]

"""How plugins are written (Driver, DirectDriver, hookimpl), loaded (loader), checked (checks) and found (registry)."""

from riglog.device import DeviceContext
from riglog.plugin.config import DeviceConfig, DirectConfig
from riglog.plugin.driver import AnyClient, AnyDriver, DirectDriver, Driver, Found
from riglog.plugin.guard import DriverFault
from riglog.plugin.hooks import API_VERSION, API_VERSIONS, hookimpl
from riglog.plugin.loader import Plugin, load_plugins
from riglog.plugin.options import configure, convert
from riglog.plugin.registry import Registry, installed

__all__ = [
    "API_VERSION",
    "API_VERSIONS",
    "AnyClient",
    "AnyDriver",
    "DeviceConfig",
    "DeviceContext",
    "DirectConfig",
    "DirectDriver",
    "Driver",
    "DriverFault",
    "Found",
    "Plugin",
    "Registry",
    "configure",
    "convert",
    "hookimpl",
    "installed",
    "load_plugins",
]

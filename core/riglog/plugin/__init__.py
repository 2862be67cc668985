"""How plugins are written (Driver, DirectDriver, hookimpl), found (loader) and looked up (registry)."""

from riglog.device import DeviceContext
from riglog.plugin.config import DeviceConfig, DirectConfig
from riglog.plugin.driver import AnyClient, AnyDriver, DirectDriver, Driver, Found
from riglog.plugin.hooks import API_VERSION, hookimpl
from riglog.plugin.loader import Plugin, load_plugins
from riglog.plugin.options import configure, convert
from riglog.plugin.registry import Registry, installed

__all__ = [
    "API_VERSION",
    "AnyClient",
    "AnyDriver",
    "DeviceConfig",
    "DeviceContext",
    "DirectConfig",
    "DirectDriver",
    "Driver",
    "Found",
    "Plugin",
    "Registry",
    "configure",
    "convert",
    "hookimpl",
    "installed",
    "load_plugins",
]

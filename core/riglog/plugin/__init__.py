"""How plugins are written (Driver, hookimpl), found (loader) and looked up (registry)."""

from riglog.plugin.driver import Client, DeviceConfig, Driver, Found
from riglog.plugin.hooks import API_VERSION, hookimpl
from riglog.plugin.loader import Plugin, load_plugins
from riglog.plugin.options import configure, convert
from riglog.plugin.registry import Registry, installed

__all__ = [
    "API_VERSION",
    "Client",
    "DeviceConfig",
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

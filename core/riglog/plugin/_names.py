"""The public names of ``riglog.plugin``, each with its home. See ``riglog._lazy``."""

from riglog.device import DeviceContext as DeviceContext
from riglog.plugin.config import DeviceConfig as DeviceConfig
from riglog.plugin.config import DirectConfig as DirectConfig
from riglog.plugin.driver import AnyClient as AnyClient
from riglog.plugin.driver import AnyDriver as AnyDriver
from riglog.plugin.driver import DirectDriver as DirectDriver
from riglog.plugin.driver import Driver as Driver
from riglog.plugin.driver import Found as Found
from riglog.plugin.guard import DriverFault as DriverFault
from riglog.plugin.hooks import API_VERSION as API_VERSION
from riglog.plugin.hooks import API_VERSIONS as API_VERSIONS
from riglog.plugin.hooks import hookimpl as hookimpl
from riglog.plugin.loader import Plugin as Plugin
from riglog.plugin.loader import load_plugins as load_plugins
from riglog.plugin.names import Names as Names
from riglog.plugin.names import try_each as try_each
from riglog.plugin.options import configure as configure
from riglog.plugin.options import convert as convert
from riglog.plugin.registry import Registry as Registry
from riglog.plugin.registry import installed as installed

"""Which sinks of a rig keep requests and replies, and how its devices were opened: for those who decode them later."""

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from msgspec import structs

from riglog.config import RigConfig
from riglog.manager import DeviceSpec
from riglog.plugin import AnyDriver
from riglog.protocol.wire_log import OpenedDevice, WireLog
from riglog.sinks import SqliteSink
from riglog.sinks.rotation import RotatingSink

SECRET = re.compile("password|secret|token|url", re.IGNORECASE)
"""Keys that are not stored."""


def wire_logs(rig: RigConfig) -> Sequence[WireLog]:
    """Return the logs that are to have every transaction of a rig."""
    present = [sink.present if isinstance(sink, RotatingSink) else sink for sink in rig.sinks]
    logs = [log for sink in present if isinstance(sink, SqliteSink) if (log := sink.keep_wires()) is not None]
    for log in logs:
        log.devices = [_opened(spec) for spec in rig.specs]
    return logs


def _opened(spec: DeviceSpec) -> OpenedDevice:
    options = {
        name: value
        for name, value in structs.asdict(spec.config).items()
        if name not in ("name", "driver", "port") and not SECRET.search(name) and value != _default(spec.driver, name)
    }
    text = msgspec.json.encode(options, enc_hook=str, order="deterministic").decode()
    return OpenedDevice(spec.name, spec.port_name, spec.driver.name, driver_version(spec.driver), text)


def _default(driver: AnyDriver[Any], name: str) -> object:
    return next((field.default for field in structs.fields(driver.config) if field.name == name), None)


def driver_version(driver: AnyDriver[Any] | None) -> str | None:
    """Return the version of the package that a driver is in; None: of riglog."""
    package = "riglog" if driver is None else type(driver).__module__.partition(".")[0]
    try:
        return version(package.replace("_", "-"))
    except PackageNotFoundError:
        return None

"""Arguments of a call as the keys of a ``[[device]]`` table: enumerations are words, settings may be in one mapping."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from riglog.errors import ConfigError
from riglog.plugin import AnyDriver

SERIAL_SETTINGS = ("baudrate", "bytesize", "parity", "stopbits", "rtscts", "xonxoff", "dtr", "rts")


def device_table(name: str, driver: object, port: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``[[device]]`` table of a call.

    ``serial_settings`` in the options, a mapping or an object with these attributes, stands for the keys
    SERIAL_SETTINGS.

    Raises:
        ConfigError: it sets something else, or what another argument sets too.
    """
    table = {key: _plain(value) for key, value in options.items() if key != "serial_settings"}
    for key, value in _serial_settings(options.get("serial_settings"), name).items():
        if key in table:
            raise ConfigError(f"{key}: in serial_settings and as an argument", hint="Set it once", device=name)
        table[key] = value
    table |= {"name": name, "driver": driver.name if isinstance(driver, AnyDriver) else _plain(driver) or ""}
    return table if port is None else table | {"port": port}


def _serial_settings(given: object, device: str) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        settings = dict(given)
    else:
        settings = {key: getattr(given, key) for key in SERIAL_SETTINGS if hasattr(given, key)}
    unknown = sorted(settings.keys() - {*SERIAL_SETTINGS})
    if unknown or not settings:
        what = f"unknown key {unknown[0]!r}" if unknown else f"{type(given).__name__} has no serial settings"
        raise ConfigError(f"serial_settings: {what}", hint=f"Keys: {', '.join(SERIAL_SETTINGS)}", device=device)
    return {key: _plain(value) for key, value in settings.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return an enumeration member as its value, and a sequence of them as values."""
    if isinstance(value, Enum):
        return value.value
    return tuple(_plain(each) for each in value) if isinstance(value, list | tuple) else value

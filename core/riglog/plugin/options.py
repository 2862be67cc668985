"""From plain tables to a driver's config struct, with errors that name the key, the place and the likely word."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from riglog.errors import ConfigError, error_context
from riglog.plugin.config import DeviceConfig, DirectConfig
from riglog.plugin.driver import AnyDriver
from riglog.plugin.wording import wanted

T = TypeVar("T", bound=msgspec.Struct)
_PATH = re.compile(r" - at `\$?(.*)`$")
_KEY = re.compile(r"\.(\w+)")
_UNKNOWN = re.compile(r"unknown field `(.+?)`")
_MISSING = re.compile(r"missing required field `(.+?)`")


def convert(table: Mapping[str, Any], to: type[T], where: str, *, strict: bool = True) -> T:
    """A table as a struct.

    Args:
        where: what the table is called, for errors: ``device[2]``.
        strict: False lets text stand for numbers and booleans, as on a command line.

    Raises:
        ConfigError: an unknown key (with the likely one), a missing one, a wrong type or range.
    """
    try:
        return msgspec.convert(table, to, strict=strict)
    except msgspec.ValidationError as error:
        raise _config_error(str(error), table, to, where) from None


def configure(driver: AnyDriver[Any], table: Mapping[str, Any], where: str, *, strict: bool = True) -> DirectConfig:
    """A device's table as its driver's config, checked by the driver.

    Raises:
        ConfigError: what the struct or the driver refuses.
    """
    config: DirectConfig = convert(table, driver.config, where, strict=strict)
    if isinstance(config, DeviceConfig) and config.protocol not in (None, *driver.protocols):
        hint = f"Protocols of {driver.name}: {', '.join(driver.protocols)}"
        raise ConfigError(f"{where}.protocol: unknown protocol {config.protocol!r}", hint=hint, device=config.name)
    with error_context(device=config.name):
        driver.check(config)
    return config


def _config_error(text: str, table: Mapping[str, Any], to: type[msgspec.Struct], where: str) -> ConfigError:
    """What msgspec says, in a sentence that starts with the place."""
    found = _PATH.search(text)
    path = where + (found[1] if found else "")
    message = _PATH.sub("", text)
    known = [field.encode_name for field in msgspec.structs.fields(to)]
    if unknown := _UNKNOWN.search(message):
        close = get_close_matches(unknown[1], known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return ConfigError(f"{path}.{unknown[1]}: unknown key", hint=hint)
    if lacking := _MISSING.search(message):
        return ConfigError(f"{path}.{lacking[1]}: is missing", hint=f"add {lacking[1]} = …")
    key = _KEY.match(found[1]) if found else None
    if key and key[1] in table and (needed := wanted(to, key[1])):
        return ConfigError(f"{where}.{key[1]}: {table[key[1]]!r} is not {needed}")
    return ConfigError(f"{path}: {message[0].lower()}{message[1:]}")
